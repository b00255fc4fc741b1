// Time: election timeouts, heartbeats, and a leader's check that its quorum is still there (6.2).
#include <algorithm>

#include "base/check.h"
#include "raft/raft.h"

namespace cairn::raft {

void Raft::tick() {
  ++tick_;
  if (role_ == Role::kLeader) return tick_leader();
  ++election_elapsed_;
  // Its own vote breaks a lease as any other does.
  if (election_elapsed_ < election_timeout_ || is_in_grace() || !is_promotable()) return;
  election_elapsed_ = 0;
  campaign();
}

void Raft::tick_leader() {
  ++heartbeat_elapsed_;
  ++election_elapsed_;
  if (election_elapsed_ >= config_.election_ticks) {
    election_elapsed_ = 0;
    if (config_.check_quorum) check_quorum();
    // A transfer that took so long failed: lead on (3.10).
    if (role_ == Role::kLeader) abort_leader_transfer();
  }
  if (role_ != Role::kLeader || heartbeat_elapsed_ < config_.heartbeat_ticks) return;
  heartbeat_elapsed_ = 0;
  broadcast_heartbeat();
}

bool Raft::quorum_recently_active() const {
  return role_ == Role::kLeader &&
         tracker_.quorum_active(config_.id, tick_, static_cast<uint64_t>(config_.election_ticks));
}

void Raft::check_quorum() {
  if (!quorum_recently_active()) become_follower(term_, PeerId());
}

void Raft::broadcast_heartbeat() {
  reads_.on_round_sent();
  for (auto& [peer, progress] : tracker_.all()) {
    if (peer == config_.id) continue;
    // No more than the peer has: it may lack what is committed elsewhere.
    LogIndex commit = std::min(progress.matched, log_.commit());
    progress.commit_sent = std::max(progress.commit_sent, commit);
    send({.type = MessageType::kHeartbeat,
          .to = peer,
          .commit = commit,
          .commit_term = log_.term(commit).value_or(Term()),
          .context = ReadQueue::encode(reads_.sequence())});
  }
}

void Raft::on_heartbeat(const Message& message) {
  log_.commit_to(message.commit);
  Message answer{
      .type = MessageType::kHeartbeatResponse, .to = message.from, .commit = log_.commit(), .context = message.context};
  // A leader's lease may rest on the answer. A peer that goes on after a crash keeps to that by its vote grace; one
  // that has nothing on disk would begin anew, and not know.
  if (persisted_term_ == term_) {
    send(std::move(answer));
  } else {
    send_persisted(std::move(answer));
  }
}

void Raft::on_heartbeat_response(const Message& message, Progress& progress) {
  // It is there: what was paused goes on. A full window moves by one, as its first append may be lost.
  progress.probe_sent = false;
  if (progress.state == Progress::State::kReplicate && progress.inflights.full()) progress.inflights.free_first();
  if (progress.matched < log_.last_index() || progress.snapshot_wanted.is_set()) {
    maybe_send_append(message.from, progress, IfNoEntries::kSend);
  }
  uint64_t sequence = ReadQueue::decode(message.context);
  if (sequence > progress.read_ack && sequence <= reads_.last_sequence()) {
    progress.read_ack = sequence;
    answer_confirmed_reads();
  }
}

// xorshift64*: elections must not be in step, nothing more is asked of it.
int Raft::random_ticks(int below) {
  if (random_ == 0) random_ = 1;
  random_ ^= random_ >> 12;
  random_ ^= random_ << 25;
  random_ ^= random_ >> 27;
  return static_cast<int>((random_ * 0x2545F4914F6CDD1D >> 33) % static_cast<uint64_t>(below));
}

void Raft::reset_election_timer() {
  election_elapsed_ = 0;
  election_timeout_ = draw_election_timeout();
}

int Raft::draw_election_timeout() {
  return config_.election_ticks + random_ticks(config_.election_ticks_max - config_.election_ticks);
}

void Raft::set_election_ticks(int least, int most) {
  CHECK(least > config_.heartbeat_ticks && most > least, "elections between {} and {} ticks, heartbeats every {}",
        least, most, config_.heartbeat_ticks);
  if (least == config_.election_ticks && most == config_.election_ticks_max) return;
  config_.election_ticks = least;
  config_.election_ticks_max = most;
  // Who has waited for longer already does not seek election at once: others are told at the same time.
  if (role_ == Role::kFollower) {
    election_timeout_ = std::max(draw_election_timeout(), election_elapsed_ + 1 + random_ticks(least));
  }
}

// A candidate has waited for its leader already, and no lease rests on its patience (those who vote look at their own):
// if its votes are refused or split, it tries again sooner, out of step with others. Soonest if it only asked whether
// it might: that costs no term and no disk.
void Raft::set_candidate_timeout(CampaignKind kind) {
  int ticks = kind == CampaignKind::kPreVote ? config_.election_ticks / 2 : config_.election_ticks;
  election_timeout_ = std::max(1, ticks / 2 + random_ticks(std::max(1, ticks)));
}

// The leader's machine refuses connections: it is probably dead. Waiting less than election_ticks would break the
// leader's lease if it is not (6.4.1), waiting longer only serves to keep elections out of step, for which a little
// does. One tick more, as those who are asked count their own ticks: asked too early they would not listen, and it may
// be that only this peer's log is long enough to win.
void Raft::shorten_election_timeout() {
  constexpr int kJitter = 2;
  election_timeout_ = std::min(election_timeout_, config_.election_ticks + 1 + random_ticks(kJitter));
}

}  // namespace cairn::raft
