// The leader's side of log replication (5.3): proposals, appends with flow control, their answers, commit.
#include <algorithm>

#include "base/check.h"
#include "raft/raft.h"

namespace cairn::raft {

Result<LogIndex, ProposeError> Raft::propose(SharedBytes data, Bytes context) {
  if (role_ != Role::kLeader) return Err(ProposeError::kNotLeader);
  if (transferee_.is_set()) return Err(ProposeError::kTransferring);
  Entry entry{.type = EntryType::kNormal, .data = std::move(data), .context = std::move(context)};
  if (!uncommitted_.fits(entry.bytes())) return Err(ProposeError::kTooMuchUncommitted);
  append_as_leader(std::move(entry));
  return log_.last_index();
}

void Raft::append_as_leader(Entry entry) {
  CHECK(role_ == Role::kLeader, "a {} appends", role_name(role_));
  entry.term = term_;
  entry.index = log_.last_index().next();
  uncommitted_.add(entry.index, entry.bytes());
  if (entry.type != EntryType::kNormal || !entry.context.empty()) urgent_ = entry.index;
  std::vector<Entry> entries;
  entries.push_back(std::move(entry));
  log_.append(std::move(entries));
  broadcast_due_ = true;
}

void Raft::broadcast_appends() {
  broadcast_due_ = false;
  for (auto& [peer, progress] : tracker_.all()) {
    if (peer != config_.id) send_appends(peer, progress);
  }
}

void Raft::send_appends(PeerId to, Progress& progress) {
  // Even without entries if the peer is to learn of a commit now.
  bool has_news = progress.commit_sent < std::min(log_.commit(), urgent_);
  bool sent = maybe_send_append(to, progress, has_news ? IfNoEntries::kSend : IfNoEntries::kSkip);
  while (sent) sent = maybe_send_append(to, progress, IfNoEntries::kSkip);
}

bool Raft::maybe_send_append(PeerId to, Progress& progress, IfNoEntries if_none) {
  if (progress.is_paused()) return false;
  if (progress.snapshot_wanted.is_set()) return send_snapshot(to, progress);
  LogIndex prev = progress.next.prev();
  auto prev_term = log_.term(prev);
  if (!prev_term) return send_snapshot(to, progress);
  std::vector<Entry> entries;
  if (progress.next <= log_.last_index()) {
    auto found = log_.entries(progress.next, log_.last_index().next(), config_.append_bytes_max);
    if (!found.ok()) return send_snapshot(to, progress);
    entries = std::move(*found);
  }
  if (entries.empty() && if_none == IfNoEntries::kSkip) return false;
  progress.on_sent(entries.empty() ? prev : entries.back().index, !entries.empty());
  progress.commit_sent = log_.commit();
  auto commit_term = log_.term(log_.commit());
  send({.type = MessageType::kAppend,
        .to = to,
        .log_term = *prev_term,
        .index = prev,
        .entries = std::move(entries),
        .commit = log_.commit(),
        .commit_term = commit_term.value_or(Term())});
  return true;
}

bool Raft::maybe_commit() {
  // By counting, only entries of the own term are committed (5.4.2).
  bool is_urgent = log_.commit() < urgent_;
  if (!log_.maybe_commit(tracker_.quorum_matched(), term_)) return false;
  committed_in_term_ = true;
  uncommitted_.on_commit(log_.commit());
  broadcast_due_ = broadcast_due_ || is_urgent;
  return true;
}

void Raft::on_append_response(const Message& message, Progress& progress) {
  if (message.request_snapshot != 0) {
    progress.become_probe();
    progress.snapshot_wanted = LogIndex(message.request_snapshot);
    send_appends(message.from, progress);
    return;
  }
  if (message.reject) return on_append_rejected(message, progress);
  CHECK(message.index <= log_.last_index(), "peer {} has {} of a log up to {}", message.from, message.index,
        log_.last_index());
  bool news = progress.on_accepted(message.index);
  bool probed = progress.state == Progress::State::kProbe && message.index == progress.matched;
  if (!news && !probed) return;
  switch (progress.state) {
    case Progress::State::kProbe:
      progress.become_replicate();
      break;
    case Progress::State::kReplicate:
      progress.inflights.free_to(message.index);
      break;
    case Progress::State::kSnapshot:
      // It caught up to where the log goes on, by this snapshot or otherwise.
      if (progress.matched.next() >= log_.first_index()) {
        progress.become_probe();
        progress.become_replicate();
      }
      break;
  }
  maybe_commit();
  // The next Ready sends to all what a commit or a proposal brought: one append instead of two.
  if (!broadcast_due_) send_appends(message.from, progress);
  if (message.from == transferee_ && progress.matched == log_.last_index()) send_timeout_now(transferee_);
}

void Raft::on_append_rejected(const Message& message, Progress& progress) {
  LogIndex hint = message.reject_hint;
  // The peer's entry at the hint is of log_term: skip all of ours that are of later terms.
  if (message.log_term.is_set()) hint = log_.find_conflict_by_term(hint, message.log_term).index;
  if (!progress.on_rejected(message.index, hint)) return;
  if (progress.state == Progress::State::kReplicate) progress.become_probe();
  maybe_send_append(message.from, progress, IfNoEntries::kSend);
}

}  // namespace cairn::raft
