// PendingWrites: the Readies that the log writer has but has not reported as persisted, in order, and what each will
// have made durable. Entries are overwritten while they are being written, and may even come back (a leader of a later
// term can hold the overwritten ones): so comparing a term and an index at the end would not do. Instead an overwritten
// suffix is struck off every write under way at the moment it is overwritten.
// Owned by RaftLog. Tests: the transcript an_overwritten_write_does_not_count_as_persisted; safety_test.cc.
#pragma once

#include <cstdint>
#include <deque>

#include "base/ids.h"

namespace cairn::raft {

class PendingWrites {
 public:
  struct Write {
    uint64_t number = 0;  // of the Ready
    LogIndex last;        // of its entries or its snapshot; unset if it has none
    Term term;            // of the hard state
    Term self_vote;       // the term in which this candidate's vote for itself becomes durable with it
  };

  void push(Write write);
  // Entries at `first` and behind are overwritten.
  void strike_from(LogIndex first);
  // Takes out the writes up to `number` and sums them up: the greatest of each.
  Write pop_through(uint64_t number);
  bool empty() const { return writes_.empty(); }

 private:
  uint64_t popped_ = 0;
  std::deque<Write> writes_;
};

}  // namespace cairn::raft
