// Membership changes on the leader's log: one at a time, from proposal to apply (4.1, 4.3).
#include "base/check.h"
#include "raft/conf_change.h"
#include "raft/raft.h"

namespace cairn::raft {

Result<LogIndex, ProposeError> Raft::propose_conf_change(EntryType type, const ConfChange& change, SharedBytes data,
                                                         Bytes context) {
  CHECK(type != EntryType::kNormal, "a membership change as a normal entry");
  if (role_ != Role::kLeader) return Err(ProposeError::kNotLeader);
  if (transferee_.is_set()) return Err(ProposeError::kTransferring);
  if (pending_conf_index_ > log_.applied()) return Err(ProposeError::kConfChangePending);
  // All earlier changes are applied, so the membership now is the one this will be applied to.
  if (!change_conf(tracker_.conf(), change).ok()) return Err(ProposeError::kInvalidConfChange);
  Entry entry{.type = type, .data = std::move(data), .context = std::move(context)};
  if (!uncommitted_.fits(entry.bytes())) return Err(ProposeError::kTooMuchUncommitted);
  append_as_leader(std::move(entry));
  pending_conf_index_ = log_.last_index();
  return log_.last_index();
}

ConfState Raft::apply_conf_change(const std::optional<ConfChange>& change) {
  // An entry from before a snapshot that was received meanwhile: the membership is the snapshot's already.
  if (change && !log_.has_pending_snapshot()) {
    auto next = change_conf(tracker_.conf(), *change);
    CHECK(next.ok(), "a committed membership change breaks rule {}", static_cast<int>(next.error()));
    tracker_.set_conf(std::move(*next), log_.last_index(), tick_);
    on_conf_changed();
  }
  return tracker_.conf();
}

void Raft::on_conf_changed() {
  if (role_ != Role::kLeader) return;
  if (!tracker_.is_voter(config_.id)) {
    // It managed its own removal; the others go on without it (4.2.2).
    broadcast_appends();
    become_follower(term_, PeerId());
    return;
  }
  // A smaller quorum may have what the greater had not.
  maybe_commit();
  broadcast_due_ = true;
  answer_confirmed_reads();
  if (transferee_.is_set() && !tracker_.is_voter(transferee_)) abort_leader_transfer();
}

// The joint configuration of an implicit change is left by the leader itself, as soon as it is applied.
void Raft::maybe_leave_joint() {
  if (role_ != Role::kLeader || !tracker_.conf().auto_leave || pending_conf_index_ > log_.applied()) return;
  append_as_leader({.type = EntryType::kConfChangeV2});
  pending_conf_index_ = log_.last_index();
}

}  // namespace cairn::raft
