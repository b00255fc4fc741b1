// UncommittedBytes: how much a leader has proposed and not seen committed, to refuse more beyond a bound: a leader cut
// off from its followers must not fill its memory. Owned by Raft.
#pragma once

#include <cstddef>
#include <deque>

#include "base/ids.h"

namespace cairn::raft {

class UncommittedBytes {
 public:
  explicit UncommittedBytes(size_t max) : max_(max) {}

  // One proposal always fits, whatever its size.
  bool fits(size_t bytes) const { return total_ == 0 || total_ + bytes <= max_; }
  void add(LogIndex index, size_t bytes) {
    pending_.push_back({index, bytes});
    total_ += bytes;
  }
  void on_commit(LogIndex commit) {
    while (!pending_.empty() && pending_.front().index <= commit) {
      total_ -= pending_.front().bytes;
      pending_.pop_front();
    }
  }
  void clear() {
    pending_.clear();
    total_ = 0;
  }

 private:
  struct Proposal {
    LogIndex index;
    size_t bytes;
  };
  size_t max_;
  size_t total_ = 0;
  std::deque<Proposal> pending_;
};

}  // namespace cairn::raft
