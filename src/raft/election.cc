// Elections: pre-vote (thesis 9.6), votes (5.2, 5.4.1), and the lease that lets voters ignore them (4.2.3).
#include "base/check.h"
#include "raft/raft.h"

namespace cairn::raft {

bool Raft::is_promotable() const { return tracker_.is_voter(config_.id) && !log_.has_pending_snapshot(); }

// A membership change that is committed but not applied could give this peer's quorum a wrong size.
bool Raft::has_unapplied_conf_change() const {
  LogIndex low = log_.applied().next();
  while (low <= log_.commit()) {
    auto entries = log_.entries(low, log_.commit().next(), config_.apply_bytes_max);
    CHECK(entries.ok(), "entry {} was compacted before it was applied", low);
    for (const Entry& entry : *entries) {
      if (entry.type != EntryType::kNormal) return true;
    }
    low = entries->back().index.next();
  }
  return false;
}

void Raft::campaign() { hup(config_.pre_vote ? CampaignKind::kPreVote : CampaignKind::kElection); }

void Raft::hup(CampaignKind kind) {
  if (role_ == Role::kLeader || !is_promotable() || has_unapplied_conf_change()) return;
  if (kind == CampaignKind::kPreVote && tracker_.is_only_voter(config_.id)) kind = CampaignKind::kElection;
  start_campaign(kind);
}

void Raft::start_campaign(CampaignKind kind) {
  bool pre_vote = kind == CampaignKind::kPreVote;
  if (pre_vote) {
    become_pre_candidate();
  } else {
    become_candidate();
  }
  auto commit_term = log_.term(log_.commit());
  for (const auto& [peer, progress] : tracker_.all()) {
    if (peer == config_.id || !tracker_.is_voter(peer)) continue;
    send({.type = pre_vote ? MessageType::kRequestPreVote : MessageType::kRequestVote,
          .to = peer,
          .term = pre_vote ? term_.next() : term_,
          .log_term = log_.last_term(),
          .index = log_.last_index(),
          .commit = commit_term ? log_.commit() : LogIndex(),
          .commit_term = commit_term.value_or(Term()),
          .context = kind == CampaignKind::kTransfer ? Bytes(kCampaignTransfer) : Bytes()});
  }
  // A pre-vote promises nothing; its own real vote counts when it is on disk (Raft::on_persisted).
  if (pre_vote) count_vote(config_.id, true);
}

bool Raft::is_leader_alive() const { return leader_.is_set() && election_elapsed_ < config_.election_ticks; }

void Raft::on_vote_request(const Message& message) {
  bool pre_vote = message.type == MessageType::kRequestPreVote;
  bool free_to_vote =
      vote_ == message.from || (!vote_.is_set() && !leader_.is_set()) || (pre_vote && message.term > term_);
  // Our priority is the default, 0: equal logs of lower priority are refused.
  bool grant = free_to_vote && log_.is_up_to_date(message.index, message.log_term) &&
               (message.index > log_.last_index() || message.priority >= 0);
  Message answer{.type = pre_vote ? MessageType::kRequestPreVoteResponse : MessageType::kRequestVoteResponse,
                 .to = message.from,
                 .term = grant ? message.term : term_,
                 .reject = !grant};
  if (!grant) {
    // The loser may learn from us what is committed.
    if (auto commit_term = log_.term(log_.commit())) {
      answer.commit = log_.commit();
      answer.commit_term = *commit_term;
    }
  }
  if (pre_vote) {
    send(std::move(answer));
  } else {
    if (grant) {
      CHECK(message.term == term_ && (!vote_.is_set() || vote_ == message.from), "second vote in term {}", term_);
      vote_ = message.from;
      election_elapsed_ = 0;
    }
    send_persisted(std::move(answer));
  }
  if (!grant) maybe_commit_by_vote(message);
}

void Raft::on_vote_response(const Message& message) {
  bool pre_vote = message.type == MessageType::kRequestPreVoteResponse;
  if (role_ != (pre_vote ? Role::kPreCandidate : Role::kCandidate)) return;
  // A grant is for the term that was asked about; an older one says nothing of this campaign.
  Term asked = pre_vote ? term_.next() : term_;
  if (!message.reject && message.term != asked) return;
  count_vote(message.from, !message.reject);
  if (message.reject) maybe_commit_by_vote(message);
}

void Raft::count_vote(PeerId from, bool granted) {
  votes_.emplace(from, granted);
  switch (tracker_.tally(votes_)) {
    case VoteResult::kPending:
      return;
    case VoteResult::kLost:
      return become_follower(term_, PeerId());
    case VoteResult::kWon:
      break;
  }
  if (role_ == Role::kPreCandidate) {
    start_campaign(CampaignKind::kElection);
  } else if (votes_.contains(config_.id)) {
    become_leader();
  }
}

void Raft::maybe_commit_by_vote(const Message& message) {
  if (!message.commit.is_set() || !message.commit_term.is_set() || role_ == Role::kLeader) return;
  if (!log_.maybe_commit(message.commit, message.commit_term)) return;
  // The quorum may be another one now.
  if (role_ != Role::kFollower && has_unapplied_conf_change()) become_follower(term_, PeerId());
}

}  // namespace cairn::raft
