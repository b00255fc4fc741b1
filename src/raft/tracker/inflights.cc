#include "raft/tracker/inflights.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::raft {

void Inflights::add(LogIndex last) {
  CHECK(!full(), "{} appends are under way already", count_);
  if (count_ == ring_.size()) grow();
  if (count_ > 0) {
    LogIndex newest = ring_[(start_ + count_ - 1) % ring_.size()];
    CHECK(newest <= last, "an append up to {} after one up to {}", last, newest);
  }
  ring_[(start_ + count_) % ring_.size()] = last;
  ++count_;
}

void Inflights::grow() {
  std::vector<LogIndex> bigger(std::min(capacity_, std::max<size_t>(8, ring_.size() * 2)));
  for (size_t i = 0; i < count_; ++i) bigger[i] = ring_[(start_ + i) % ring_.size()];
  ring_ = std::move(bigger);
  start_ = 0;
}

void Inflights::free_to(LogIndex index) {
  while (count_ > 0 && ring_[start_] <= index) free_first();
}

void Inflights::free_first() {
  if (count_ == 0) return;
  start_ = (start_ + 1) % ring_.size();
  --count_;
}

void Inflights::clear() {
  start_ = 0;
  count_ = 0;
}

}  // namespace cairn::raft
