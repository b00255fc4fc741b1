// Roles, terms, and the way of a message to its handler.
#include "raft/raft.h"

#include "base/check.h"
#include "base/log.h"
#include "raft/conf_change.h"

namespace cairn::raft {
namespace {

bool is_vote_request(MessageType type) {
  return type == MessageType::kRequestVote || type == MessageType::kRequestPreVote;
}

bool is_from_leader(MessageType type) {
  return type == MessageType::kAppend || type == MessageType::kHeartbeat || type == MessageType::kSnapshot;
}

}  // namespace

Raft::Raft(Config config, LogStorage& storage)
    : config_(config),
      storage_(storage),
      log_(storage, storage.initial_state().hard_state.commit, config.applied, config.apply_bytes_max),
      tracker_(config.inflight_appends_max),
      random_(config.seed * 0x9E3779B97F4A7C15 + config.id.value),
      uncommitted_(config.uncommitted_bytes_max) {
  CHECK(config.id.is_set(), "a peer has an id");
  CHECK(config.heartbeat_ticks > 0 && config.election_ticks > config.heartbeat_ticks, "heartbeat {}, election {} ticks",
        config.heartbeat_ticks, config.election_ticks);
  CHECK(config.election_ticks_max > config.election_ticks, "elections between {} and {} ticks", config.election_ticks,
        config.election_ticks_max);
  CHECK(config.inflight_appends_max > 0 && config.apply_bytes_max > 0, "a window of nothing");
  auto initial = storage.initial_state();
  tracker_.set_conf(std::move(initial.conf), log_.last_index(), tick_);
  term_ = initial.hard_state.term;
  vote_ = initial.hard_state.vote;
  become_follower(term_, PeerId());
  if (config.is_hard_state_persisted) {
    persisted_term_ = term_;
    hard_state_taken_ = initial.hard_state;
  }
}

const char* Raft::step(Message message) {
  if (const char* why = why_impossible(message)) return why;
  if (message.term > term_) {
    if (!on_higher_term(message)) return nullptr;
  } else if (message.term.is_set() && message.term < term_) {
    on_lower_term(message);
    return nullptr;
  }
  dispatch(message);
  return nullptr;
}

bool Raft::on_higher_term(const Message& message) {
  if (is_vote_request(message.type)) {
    // Who hears from a leader does not let others disturb it, and keeps its lease (thesis 4.2.3, 6.4). A transfer is
    // the leader's own wish.
    bool forced = message.context == kCampaignTransfer;
    if (!forced && (is_in_grace() || (config_.check_quorum && is_leader_alive()))) return false;
  }
  // A pre-vote asks about a term that its sender has not entered; a granted answer repeats that term.
  if (message.type == MessageType::kRequestPreVote) return true;
  if (message.type == MessageType::kRequestPreVoteResponse && !message.reject) return true;
  become_follower(message.term, is_from_leader(message.type) ? message.from : PeerId());
  return true;
}

void Raft::on_lower_term(const Message& message) {
  if ((config_.check_quorum || config_.pre_vote) && is_from_leader(message.type) &&
      message.type != MessageType::kSnapshot) {
    // A leader of an older term cannot be unseated by our vote requests, which others ignore: so tell it our term.
    send_persisted({.type = MessageType::kAppendResponse, .to = message.from});
  } else if (message.type == MessageType::kRequestPreVote) {
    // Or else a peer with a newer log and an older term would ask for ever.
    Message answer{.type = MessageType::kRequestPreVoteResponse, .to = message.from, .reject = true};
    send(std::move(answer));
  }
}

void Raft::dispatch(Message& message) {
  switch (message.type) {
    case MessageType::kHup:
    case MessageType::kBeat:
    case MessageType::kCheckQuorum:
    case MessageType::kPropose:
    case MessageType::kUnreachable:
    case MessageType::kSnapStatus:
      CHECK(false, "a {} is no message between peers", message_type_name(message.type));
      return;
    case MessageType::kRequestVote:
    case MessageType::kRequestPreVote:
      return on_vote_request(message);
    case MessageType::kRequestVoteResponse:
    case MessageType::kRequestPreVoteResponse:
      return on_vote_response(message);
    case MessageType::kTransferLeader:
      return on_transfer_asked(message);
    case MessageType::kTimeoutNow:
      return on_timeout_now(message);
    case MessageType::kReadIndex:
      return on_read_index(message);
    case MessageType::kReadIndexResp:
      return on_read_index_response(message);
    case MessageType::kAppend:
    case MessageType::kHeartbeat:
    case MessageType::kSnapshot:
      if (message.term != term_) return;
      follow(message.from);
      if (message.type == MessageType::kAppend) return on_append(message);
      if (message.type == MessageType::kHeartbeat) return on_heartbeat(message);
      return on_snapshot(message);
    case MessageType::kAppendResponse:
    case MessageType::kHeartbeatResponse: {
      Progress* progress = tracker_.find(message.from);
      if (role_ != Role::kLeader || progress == nullptr || message.term != term_) return;
      progress->on_heard(tick_);
      if (message.type == MessageType::kAppendResponse) return on_append_response(message, *progress);
      return on_heartbeat_response(message, *progress);
    }
  }
}

void Raft::follow(PeerId leader) {
  // INV-LEADER-UNIQUE.
  CHECK(role_ != Role::kLeader, "two leaders in term {}: {} and {}", term_, config_.id, leader);
  CHECK(!leader_.is_set() || leader_ == leader, "two leaders in term {}: {} and {}", term_, leader_, leader);
  if (role_ != Role::kFollower || leader_ != leader) become_follower(term_, leader);
  election_elapsed_ = 0;
}

void Raft::become_follower(Term term, PeerId leader) {
  reset(term);
  role_ = Role::kFollower;
  leader_ = leader;
}

void Raft::become_pre_candidate() {
  CHECK(role_ == Role::kFollower || role_ == Role::kPreCandidate || role_ == Role::kCandidate, "a leader campaigns");
  reset(term_);
  set_candidate_timeout(CampaignKind::kPreVote);
  role_ = Role::kPreCandidate;
}

void Raft::become_candidate() {
  CHECK(role_ != Role::kLeader, "a leader campaigns");
  reset(term_.next());
  set_candidate_timeout(CampaignKind::kElection);
  role_ = Role::kCandidate;
  CHECK(!vote_.is_set(), "voted for {} in the new term {}", vote_, term_);
  vote_ = config_.id;
  self_vote_ = term_;
}

void Raft::become_leader() {
  CHECK(role_ == Role::kCandidate && vote_ == config_.id, "{} became leader as {}", config_.id, role_name(role_));
  reset(term_);
  role_ = Role::kLeader;
  leader_ = config_.id;
  LOG_DEBUG("peer {} leads term {}", config_.id, term_);
  // Changes of an earlier leader may stand anywhere in the log: wait for all of it.
  pending_conf_index_ = log_.last_index();
  if (Progress* own = tracker_.find(config_.id)) {
    own->matched = log_.persisted();
    own->become_replicate();
    own->on_heard(tick_);
  }
  // An entry of its own term: only that can commit what stands before (5.4.2).
  append_as_leader({});
  urgent_ = log_.last_index();
}

void Raft::reset(Term term) {
  CHECK(term >= term_, "the term falls from {} to {}", term_, term);
  if (term > term_) {
    term_ = term;
    vote_ = PeerId();
  }
  leader_ = PeerId();
  votes_.clear();
  reset_election_timer();
  heartbeat_elapsed_ = 0;
  committed_in_term_ = false;
  transferee_ = PeerId();
  pending_conf_index_ = LogIndex();
  reads_.clear();
  uncommitted_.clear();
  broadcast_due_ = false;
  urgent_ = LogIndex();
  tracker_.reset_progress(log_.last_index());
}

void Raft::send(Message message) {
  CHECK(message.to != config_.id, "a {} to itself", message_type_name(message.type));
  if (!message.from.is_set()) message.from = config_.id;
  if (message.type == MessageType::kReadIndex || message.type == MessageType::kTransferLeader) {
    CHECK(!message.term.is_set(), "what only asks has no term");
  } else if (!message.term.is_set()) {
    message.term = term_;
  }
  messages_.push_back(std::move(message));
}

void Raft::send_persisted(Message message) {
  message.from = config_.id;
  if (!message.term.is_set()) message.term = term_;
  persisted_messages_.push_back(std::move(message));
}

void Raft::on_persisted(uint64_t number) {
  CHECK(number <= ready_number_, "Ready {} persisted, {} were taken", number, ready_number_);
  const PendingWrites::Write done = log_.on_persisted(number);
  persisted_term_ = std::max(persisted_term_, done.term);
  if (role_ == Role::kCandidate && done.self_vote == term_) count_vote(config_.id, true);
  if (role_ != Role::kLeader) return;
  Progress* own = tracker_.find(config_.id);
  if (own != nullptr && own->on_accepted(log_.persisted())) maybe_commit();
}

void Raft::on_applied(LogIndex index) {
  log_.on_applied(index);
  maybe_leave_joint();
}

}  // namespace cairn::raft
