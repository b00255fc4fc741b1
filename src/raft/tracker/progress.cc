#include "raft/tracker/progress.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::raft {

void Progress::become_probe() {
  // A snapshot that was sent in full lets probing begin behind it.
  LogIndex behind = state == State::kSnapshot ? std::max(matched, pending_snapshot) : matched;
  state = State::kProbe;
  next = behind.next();
  pending_snapshot = LogIndex();
  probe_sent = false;
  inflights.clear();
}

void Progress::become_replicate() {
  state = State::kReplicate;
  next = matched.next();
  pending_snapshot = LogIndex();
  probe_sent = false;
  inflights.clear();
}

void Progress::become_snapshot(LogIndex snapshot) {
  CHECK(snapshot.is_set(), "a snapshot without an index");
  state = State::kSnapshot;
  pending_snapshot = snapshot;
  snapshot_wanted = LogIndex();
  probe_sent = false;
  inflights.clear();
}

bool Progress::is_paused() const {
  switch (state) {
    case State::kProbe:
      return probe_sent;
    case State::kReplicate:
      return inflights.full();
    case State::kSnapshot:
      return true;
  }
  return true;
}

void Progress::on_sent(LogIndex last, bool has_entries) {
  CHECK(state != State::kSnapshot, "an append to a peer that waits for snapshot {}", pending_snapshot);
  if (state == State::kProbe) {
    probe_sent = true;
  } else if (has_entries) {
    CHECK(last >= next, "sent up to {}, but {} was next", last, next);
    next = last.next();
    inflights.add(last);
  }
}

bool Progress::on_accepted(LogIndex index) {
  bool news = index > matched;
  if (news) {
    matched = index;
    probe_sent = false;
  }
  next = std::max(next, index.next());
  return news;
}

bool Progress::on_rejected(LogIndex rejected, LogIndex hint) {
  if (state == State::kReplicate) {
    // What matched cannot be refused: the answer was on its way for long.
    if (rejected <= matched) return false;
    next = matched.next();
    return true;
  }
  // While probing only one append is under way, the one behind next - 1.
  if (next.prev() != rejected) return false;
  next = std::max(std::min(rejected, hint.next()), matched.next());
  probe_sent = false;
  return true;
}

}  // namespace cairn::raft
