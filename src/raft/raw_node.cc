// RawNode: the Ready is put together here; the rest is handed to Raft.
#include "raft/raw_node.h"

#include "base/check.h"
#include "raft/raft.h"

namespace cairn::raft {

bool Raft::has_ready() const {
  return broadcast_due_ || reads_.needs_round() || !messages_.empty() || !persisted_messages_.empty() ||
         !read_states_.empty() || log_.has_unstable() || log_.has_snapshot_to_take() ||
         hard_state() != hard_state_taken_ || log_.has_committed_to_take();
}

Ready Raft::ready() {
  if (reads_.needs_round()) broadcast_heartbeat();
  if (broadcast_due_) broadcast_appends();
  Ready ready;
  ready.number = ++ready_number_;
  ready.messages = std::exchange(messages_, {});
  ready.persisted_messages = std::exchange(persisted_messages_, {});
  ready.read_states = std::exchange(read_states_, {});
  if (log_.has_snapshot_to_take()) ready.snapshot = log_.take_snapshot();
  ready.entries = log_.take_unstable();
  ready.must_sync = !ready.entries.empty() || !ready.snapshot.empty();
  if (HardState now = hard_state(); now != hard_state_taken_) {
    CHECK(now.term >= hard_state_taken_.term && now.commit >= hard_state_taken_.commit,
          "term {} to {}, commit {} to {}", hard_state_taken_.term, now.term, hard_state_taken_.commit, now.commit);
    CHECK(now.term > hard_state_taken_.term || !hard_state_taken_.vote.is_set() || now.vote == hard_state_taken_.vote,
          "second vote in term {}: {} after {}", now.term, now.vote, hard_state_taken_.vote);
    ready.must_sync |= now.term != hard_state_taken_.term || now.vote != hard_state_taken_.vote;
    ready.hard_state = now;
    hard_state_taken_ = now;
  }
  if (ready.must_sync) {
    LogIndex last = !ready.entries.empty() ? ready.entries.back().index : ready.snapshot.meta.index;
    log_.on_written({.number = ready.number, .last = last, .term = term_, .self_vote = std::exchange(self_vote_, {})});
  }
  ready.committed = log_.take_committed();
  return ready;
}

Status Raft::status() const {
  Status status{.id = config_.id,
                .role = role_,
                .leader = leader_,
                .hard_state = hard_state(),
                .applied = log_.applied(),
                .last_index = log_.last_index(),
                .persisted = log_.persisted(),
                .transferee = transferee_,
                .progress = {}};
  if (role_ != Role::kLeader) return status;
  for (const auto& [peer, progress] : tracker_.all()) {
    status.progress.push_back(
        {.id = peer,
         .state = progress.state,
         .matched = progress.matched,
         .next = progress.next,
         .pending_snapshot = progress.pending_snapshot,
         .recently_active =
             peer == config_.id || progress.is_active(tick_, static_cast<uint64_t>(config_.election_ticks)),
         .is_learner = !tracker_.is_voter(peer)});
  }
  return status;
}

bool Raft::is_quiet() const {
  if (role_ != Role::kLeader || !committed_in_term_ || transferee_.is_set() || !reads_.empty() || has_ready()) {
    return false;
  }
  LogIndex last = log_.last_index();
  if (log_.commit() != last || log_.applied() != last || log_.persisted() != last) return false;
  for (const auto& [peer, progress] : tracker_.all()) {
    if (peer == config_.id) continue;
    if (progress.matched != last || progress.commit_sent != last) return false;
    if (!progress.is_active(tick_, static_cast<uint64_t>(config_.election_ticks))) return false;
  }
  return true;
}

RawNode::RawNode(Config config, LogStorage& storage) : raft_(std::make_unique<Raft>(config, storage)) {}
RawNode::~RawNode() = default;
RawNode::RawNode(RawNode&&) noexcept = default;

void RawNode::tick() { raft_->tick(); }
const char* RawNode::step(Message message) { return raft_->step(std::move(message)); }
void RawNode::campaign() { raft_->campaign(); }

Result<LogIndex, ProposeError> RawNode::propose(SharedBytes data, Bytes context) {
  return raft_->propose(std::move(data), std::move(context));
}
Result<LogIndex, ProposeError> RawNode::propose_conf_change(EntryType type, const ConfChange& change, SharedBytes data,
                                                            Bytes context) {
  return raft_->propose_conf_change(type, change, std::move(data), std::move(context));
}
ConfState RawNode::apply_conf_change(const std::optional<ConfChange>& change) {
  return raft_->apply_conf_change(change);
}

bool RawNode::read_index(Bytes context) { return raft_->read_index(std::move(context)); }
void RawNode::transfer_leader(PeerId to) { raft_->transfer_leader(to); }
void RawNode::abort_leader_transfer() { raft_->abort_leader_transfer(); }
void RawNode::report_unreachable(PeerId peer) { raft_->report_unreachable(peer); }
void RawNode::report_snapshot(PeerId peer, SnapshotOutcome outcome) { raft_->report_snapshot(peer, outcome); }

bool RawNode::has_ready() const { return raft_->has_ready(); }
Ready RawNode::ready() { return raft_->ready(); }
void RawNode::on_persisted(uint64_t number) { raft_->on_persisted(number); }
void RawNode::on_applied(LogIndex index) { raft_->on_applied(index); }
void RawNode::on_snapshot_applied(LogIndex index) { raft_->on_snapshot_applied(index); }
void RawNode::set_election_ticks(int least, int most) { raft_->set_election_ticks(least, most); }

Status RawNode::status() const { return raft_->status(); }
Role RawNode::role() const { return raft_->role(); }
Term RawNode::term() const { return raft_->term(); }
PeerId RawNode::leader() const { return raft_->leader(); }
LogIndex RawNode::commit() const { return raft_->log().commit(); }
LogIndex RawNode::last_index() const { return raft_->log().last_index(); }
LogIndex RawNode::applied() const { return raft_->log().applied(); }
bool RawNode::is_transferring() const { return raft_->transferee().is_set(); }
const ConfState& RawNode::conf() const { return raft_->conf(); }
bool RawNode::committed_in_term() const { return raft_->committed_in_term(); }
bool RawNode::is_quiet() const { return raft_->is_quiet(); }
bool RawNode::quorum_recently_active() const { return raft_->quorum_recently_active(); }
int RawNode::election_ticks() const { return raft_->election_ticks(); }

}  // namespace cairn::raft
