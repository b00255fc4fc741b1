// Leadership transfer (3.10): bring the target up to date, refuse proposals meanwhile, then let it campaign at once.
#include "raft/raft.h"

namespace cairn::raft {

void Raft::transfer_leader(PeerId to) {
  Progress* progress = tracker_.find(to);
  if (role_ != Role::kLeader || progress == nullptr || !tracker_.is_voter(to)) return;
  if (to == config_.id || to == transferee_) return;
  transferee_ = to;
  // The transfer has one election timeout from now on.
  election_elapsed_ = 0;
  if (progress->matched == log_.last_index()) {
    send_timeout_now(to);
  } else {
    progress->probe_sent = false;
    maybe_send_append(to, *progress, IfNoEntries::kSend);
  }
}

// A leader of TiKV's asks before it hands over, and goes on once the answer tells how far the target has applied in the
// leader's term. Leaders of ours know that by themselves, and have asked nobody.
void Raft::on_transfer_asked(const Message& message) {
  if (role_ != Role::kFollower || message.from != leader_ || message.log_term != term_ || !is_promotable()) return;
  send({.type = MessageType::kTransferLeader, .to = leader_, .log_term = term_, .index = log_.applied()});
}

void Raft::send_timeout_now(PeerId to) { send({.type = MessageType::kTimeoutNow, .to = to}); }

void Raft::on_timeout_now(const Message& message) {
  // Only the leader of this term may ask; no pre-vote, as the leader is alive and willing.
  if (role_ != Role::kFollower || message.term != term_) return;
  hup(CampaignKind::kTransfer);
}

}  // namespace cairn::raft
