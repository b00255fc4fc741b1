// Leadership transfer (3.10): bring the target up to date, refuse proposals meanwhile, then let it campaign at once.
#include "raft/raft.h"

namespace cairn::raft {

void Raft::transfer_leader(PeerId to) { on_transfer_leader({.type = MessageType::kTransferLeader, .from = to}); }

// `from` is the peer that is to lead.
void Raft::on_transfer_leader(const Message& message) {
  PeerId to = message.from;
  if (role_ != Role::kLeader) {
    if (leader_.is_set()) send({.type = MessageType::kTransferLeader, .to = leader_, .from = to});
    return;
  }
  Progress* progress = tracker_.find(to);
  if (progress == nullptr || !tracker_.is_voter(to) || to == config_.id || to == transferee_) return;
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

void Raft::send_timeout_now(PeerId to) { send({.type = MessageType::kTimeoutNow, .to = to}); }

void Raft::on_timeout_now(const Message& message) {
  // Only the leader of this term may ask; no pre-vote, as the leader is alive and willing.
  if (role_ != Role::kFollower || message.term != term_) return;
  hup(CampaignKind::kTransfer);
}

}  // namespace cairn::raft
