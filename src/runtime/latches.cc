#include "runtime/latches.h"

#include <algorithm>

namespace cairn::runtime {

std::vector<uint64_t> Latches::slots_of(const std::vector<Bytes>& keys) {
  std::vector<uint64_t> slots;
  slots.reserve(keys.size());
  for (const auto& key : keys) {
    uint64_t hash = 0xcbf29ce484222325;  // FNV-1a: the same in every run
    for (unsigned char c : key) hash = (hash ^ c) * 0x100000001b3;
    slots.push_back(hash);
  }
  std::sort(slots.begin(), slots.end());
  slots.erase(std::unique(slots.begin(), slots.end()), slots.end());
  return slots;
}

bool Latches::advance(Waiter& waiter) {
  while (waiter.held < waiter.slots.size()) {
    auto& queue = queues_[waiter.slots[waiter.held]];
    if (!queue.empty()) {
      queue.push_back(&waiter);
      return false;
    }
    queue.push_back(nullptr);  // the holder
    ++waiter.held;
  }
  return true;
}

void Latches::release(const std::vector<uint64_t>& slots) {
  for (uint64_t slot : slots) {
    auto it = queues_.find(slot);
    CHECK(it != queues_.end() && it->second.front() == nullptr, "latch {:x} is released but not held", slot);
    it->second.pop_front();
    if (it->second.empty()) {
      queues_.erase(it);
      continue;
    }
    Waiter& next = *it->second.front();
    it->second.front() = nullptr;  // it holds this one now
    ++next.held;
    if (advance(next)) executor_.post([handle = next.handle] { handle.resume(); });
  }
}

}  // namespace cairn::runtime
