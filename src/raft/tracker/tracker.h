// Tracker: the membership, and the progress of each member. What the quorum has, whether it is there, how a vote
// stands. Progress is meaningful on the leader only, but exists on all, so that a change of role costs nothing. Owned
// by Raft. Invariant: a progress for each voter (of both halves) and learner, and for nobody else.
#pragma once

#include <map>
#include <vector>

#include "raft/quorum.h"
#include "raft/tracker/progress.h"

namespace cairn::raft {

class Tracker {
 public:
  explicit Tracker(int inflight_appends_max) : inflight_max_(static_cast<size_t>(inflight_appends_max)) {}

  // Takes over a membership. New members begin behind `last_index`, as heard of at `tick`, lest the leader think at
  // once that it lost its quorum.
  void set_conf(ConfState conf, LogIndex last_index, uint64_t tick);
  // Forgets what is known of the members' logs: a new term begins.
  void reset_progress(LogIndex last_index);

  const ConfState& conf() const { return conf_; }
  bool is_member(PeerId peer) const { return progress_.contains(peer); }
  // A voter of either half.
  bool is_voter(PeerId peer) const;
  bool is_only_voter(PeerId peer) const;

  // Null: no member.
  Progress* find(PeerId peer);
  std::map<PeerId, Progress>& all() { return progress_; }
  const std::map<PeerId, Progress>& all() const { return progress_; }

  // The greatest index that a quorum has on disk.
  LogIndex quorum_matched() const;
  // The newest heartbeat sequence that a quorum answered; `self` answers for itself with `own`.
  uint64_t quorum_read_ack(PeerId self, uint64_t own) const;
  // Whether a quorum was heard from in the last `within_ticks`; `self` always is.
  bool quorum_active(PeerId self, uint64_t tick, uint64_t within_ticks) const;
  VoteResult tally(const std::map<PeerId, bool>& votes) const;

 private:
  template <class ValueOf>
  uint64_t quorum_of(ValueOf value_of) const;

  size_t inflight_max_;
  ConfState conf_;
  std::map<PeerId, Progress> progress_;
  // Room for the quorum's arithmetic, kept to spare allocations.
  mutable std::vector<uint64_t> incoming_values_;
  mutable std::vector<uint64_t> outgoing_values_;
};

}  // namespace cairn::raft
