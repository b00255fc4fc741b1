// Splits that the engine has applied but not flushed: a crash brings back the regions of their ranges as they lay
// before. Shared by the shards on purpose, as a snapshot's range may be another shard's; thread-safe. Tests:
// unflushed_splits_test.cc.
#pragma once

#include <algorithm>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/mutex.h"
#include "replica/keys.h"

namespace cairn::store {

class UnflushedSplits {
 public:
  // The region that held [start, end) was split by the engine's batch `sequence`. An empty end is no bound.
  void note(uint64_t sequence, Bytes start, Bytes end, uint64_t flushed_sequence) {
    MutexLock lock(mutex_);
    forget_flushed(flushed_sequence);
    if (splits_.size() >= kMax) {
      // Too many to tell apart: until the next flush they count as one, of all keys.
      splits_.clear();
      start.clear();
      end.clear();
    }
    splits_.push_back({sequence, std::move(start), std::move(end)});
  }
  // Whether a crash could undo a split of a region that held a part of [start, end).
  bool touch(const Bytes& start, const Bytes& end, uint64_t flushed_sequence) {
    MutexLock lock(mutex_);
    forget_flushed(flushed_sequence);
    return std::any_of(splits_.begin(), splits_.end(),
                       [&](const Split& s) { return replica::ranges_overlap(s.start, s.end, start, end); });
  }

 private:
  struct Split {
    uint64_t sequence = 0;
    Bytes start, end;  // engine keys, before the split
  };
  void forget_flushed(uint64_t flushed) CAIRN_REQUIRES(mutex_) {
    std::erase_if(splits_, [&](const Split& split) { return split.sequence <= flushed; });
  }

  static constexpr size_t kMax = 1024;
  Mutex mutex_;
  std::vector<Split> splits_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::store
