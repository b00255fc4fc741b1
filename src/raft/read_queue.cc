#include "raft/read_queue.h"

#include <utility>

namespace cairn::raft {

void ReadQueue::add(PeerId from, LogIndex index, Bytes context) {
  if (!needs_round_) {
    ++last_sequence_;
    needs_round_ = true;
  }
  queue_.push_back({last_sequence_, from, index, std::move(context)});
}

std::vector<ReadQueue::Request> ReadQueue::take_confirmed(uint64_t sequence) {
  std::vector<Request> confirmed;
  while (!queue_.empty() && queue_.front().sequence <= sequence) {
    confirmed.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return confirmed;
}

void ReadQueue::clear() {
  queue_.clear();
  needs_round_ = false;
}

Bytes ReadQueue::encode(uint64_t sequence) {
  if (sequence == 0) return {};
  Bytes context(sizeof sequence, '\0');
  for (size_t i = 0; i < sizeof sequence; ++i) context[i] = static_cast<char>(sequence >> (8 * i));
  return context;
}

uint64_t ReadQueue::decode(ByteView context) {
  uint64_t sequence = 0;
  if (context.size() != sizeof sequence) return 0;
  for (size_t i = 0; i < sizeof sequence; ++i) {
    sequence |= uint64_t{static_cast<unsigned char>(context[i])} << (8 * i);
  }
  return sequence;
}

}  // namespace cairn::raft
