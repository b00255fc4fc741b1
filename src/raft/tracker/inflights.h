// The appends under way to one follower, as the last index of each, oldest first: a ring of fixed capacity that grows
// to it as needed. Owned by a Progress. Tests: progress_test.cc.
#pragma once

#include <cstddef>
#include <vector>

#include "base/ids.h"

namespace cairn::raft {

class Inflights {
 public:
  explicit Inflights(size_t capacity) : capacity_(capacity) {}

  // Precondition: !full(); indices grow.
  void add(LogIndex last);
  // The follower has everything up to `index`.
  void free_to(LogIndex index);
  // Lets one more append pass although the oldest is unanswered: it may be lost.
  void free_first();
  void clear();
  bool full() const { return count_ == capacity_; }
  size_t count() const { return count_; }

 private:
  void grow();

  size_t capacity_;
  size_t start_ = 0;
  size_t count_ = 0;
  std::vector<LogIndex> ring_;
};

}  // namespace cairn::raft
