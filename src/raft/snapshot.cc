// Snapshots (7): for a peer that lacks entries which are compacted here; and becoming what a snapshot says.
#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "raft/conf_change.h"
#include "raft/raft.h"

namespace cairn::raft {

bool Raft::send_snapshot(PeerId to, Progress& progress) {
  // Making and sending one is dear: only for a peer that is there.
  if (!progress.is_active(tick_, static_cast<uint64_t>(config_.election_ticks))) return false;
  LogIndex min_index = std::max(log_.first_index().prev(), progress.snapshot_wanted);
  auto snapshot = storage_.snapshot(min_index, to);
  // Not ready yet: asked again when the peer answers the next heartbeat.
  if (!snapshot || snapshot->empty() || snapshot->meta.index < min_index) return false;
  CHECK(snapshot->meta.index <= log_.commit(), "snapshot {} of what is not committed ({})", snapshot->meta.index,
        log_.commit());
  progress.become_snapshot(snapshot->meta.index);
  send({.type = MessageType::kSnapshot, .to = to, .snapshot = std::move(*snapshot)});
  return true;
}

void Raft::on_snapshot(Message& message) {
  Message answer{.type = MessageType::kAppendResponse, .to = message.from};
  answer.index = restore(message.snapshot) ? log_.last_index() : log_.commit();
  answer.commit = log_.commit();
  send_persisted(std::move(answer));
}

bool Raft::restore(RaftSnapshot& snapshot) {
  const SnapshotMeta& meta = snapshot.meta;
  // One at a time: while one is being installed, the leader learns what we have, and comes again.
  if (snapshot.empty() || meta.index <= log_.commit() || log_.has_pending_snapshot()) return false;
  auto in = [&](const std::vector<PeerId>& peers) {
    return std::find(peers.begin(), peers.end(), config_.id) != peers.end();
  };
  if (!in(meta.conf.voters) && !in(meta.conf.learners) && !in(meta.conf.voters_outgoing)) {
    LOG_WARN("peer {} ignores a snapshot of a membership without it", config_.id);
    return false;
  }
  // Our log has what the snapshot covers: it only says that this is committed.
  if (log_.matches(meta.index, meta.term)) {
    log_.commit_to(meta.index);
    return false;
  }
  ConfState conf = meta.conf;
  log_.restore(std::move(snapshot));
  tracker_.set_conf(std::move(conf), log_.last_index(), tick_);
  return true;
}

void Raft::report_snapshot(PeerId peer, RawNode::SnapshotOutcome outcome) {
  Progress* progress = tracker_.find(peer);
  if (role_ != Role::kLeader || progress == nullptr || progress->state != Progress::State::kSnapshot) return;
  if (outcome == RawNode::SnapshotOutcome::kFailed) progress->pending_snapshot = LogIndex();
  progress->become_probe();
  // Wait for the peer's own word, or for a heartbeat's answer, before the next attempt.
  progress->probe_sent = true;
}

void Raft::report_unreachable(PeerId peer) {
  if (peer == leader_) return shorten_election_timeout();
  Progress* progress = tracker_.find(peer);
  if (role_ != Role::kLeader || progress == nullptr) return;
  // Appends under way are probably lost. A snapshot's fate is reported by itself.
  if (progress->state == Progress::State::kReplicate) progress->become_probe();
}

}  // namespace cairn::raft
