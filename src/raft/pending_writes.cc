#include "raft/pending_writes.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::raft {

void PendingWrites::push(Write write) {
  CHECK(writes_.empty() || writes_.back().number < write.number, "Ready {} after Ready {}", write.number,
        writes_.back().number);
  writes_.push_back(write);
}

void PendingWrites::strike_from(LogIndex first) {
  CHECK(first.is_set(), "no entry stands at index 0");
  for (Write& write : writes_) write.last = std::min(write.last, first.prev());
}

PendingWrites::Write PendingWrites::pop_through(uint64_t number) {
  CHECK(number >= popped_, "Ready {} persisted after Ready {}", number, popped_);
  popped_ = number;
  Write sum{.number = number};
  while (!writes_.empty() && writes_.front().number <= number) {
    // The latest write decides the index: a later one stands for all before it, and they only grow once struck.
    sum.last = std::max(sum.last, writes_.front().last);
    sum.term = std::max(sum.term, writes_.front().term);
    sum.self_vote = std::max(sum.self_vote, writes_.front().self_vote);
    writes_.pop_front();
  }
  return sum;
}

}  // namespace cairn::raft
