// ReadQueue: the read requests of a leader that wait for a quorum to confirm that it still leads (thesis 6.4).
//
// Requests that arrive between two Readies share one round of heartbeats, whose context carries the round's sequence
// number. Answers are cumulative: who answered round 7 confirms all requests of rounds up to 7, because it still
// followed this leader after they were made. Sequence numbers count within one leadership; older answers have an older
// term. Owned by Raft. Tests: read index transcripts; safety_test.cc checks linearizability.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace cairn::raft {

class ReadQueue {
 public:
  struct Request {
    uint64_t sequence = 0;
    PeerId from;     // who asks; the leader itself or a follower
    LogIndex index;  // committed when it was asked
    Bytes context;
  };

  void add(PeerId from, LogIndex index, Bytes context);
  // A round of heartbeats is to be sent for requests that no round was sent for.
  bool needs_round() const { return needs_round_; }
  void on_round_sent() { needs_round_ = false; }
  // For the context of heartbeats; 0 if nothing waits.
  uint64_t sequence() const { return queue_.empty() ? 0 : queue_.back().sequence; }
  uint64_t last_sequence() const { return last_sequence_; }
  // Takes out the requests confirmed by answers up to `sequence`.
  std::vector<Request> take_confirmed(uint64_t sequence);
  bool empty() const { return queue_.empty(); }
  void clear();

  // The context of a heartbeat. Empty for 0.
  static Bytes encode(uint64_t sequence);
  // 0 if it is none of ours.
  static uint64_t decode(ByteView context);

 private:
  uint64_t last_sequence_ = 0;
  bool needs_round_ = false;
  std::deque<Request> queue_;
};

}  // namespace cairn::raft
