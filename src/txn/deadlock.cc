#include "txn/deadlock.h"

#include <xxhash.h>

#include <algorithm>
#include <deque>

namespace cairn::txn {

uint64_t deadlock_key_hash(ByteView user_key) { return XXH64(user_key.data(), user_key.size(), 0); }

// Breadth first, so that the cycle shown is a shortest one.
std::optional<std::vector<WaitForEdge>> DeadlockDetector::find_path(Timestamp from, Timestamp to, Instant now) const {
  std::map<Timestamp, const WaitForEdge*> reached_by{{from, nullptr}};
  std::deque<Timestamp> frontier{from};
  while (!frontier.empty() && !reached_by.contains(to)) {
    const auto edges = waits_.find(frontier.front());
    frontier.pop_front();
    if (edges == waits_.end()) continue;
    for (const auto& [wait_for, edge] : edges->second) {
      if (is_expired(edge, now)) continue;
      if (reached_by.try_emplace(wait_for, &edge.by_key_hash.begin()->second).second) frontier.push_back(wait_for);
    }
  }
  if (!reached_by.contains(to)) return std::nullopt;
  std::vector<WaitForEdge> path;
  for (Timestamp at = to; at != from; at = path.back().txn) path.push_back(*reached_by.at(at));
  std::reverse(path.begin(), path.end());
  return path;
}

std::optional<DeadlockCycle> DeadlockDetector::detect(const WaitForEdge& wait, Instant now) {
  CHECK(wait.txn != wait.wait_for, "transaction {} waits for itself", wait.txn);
  drop_expired(now);
  if (auto path = find_path(wait.wait_for, wait.txn, now)) {
    DeadlockCycle cycle{path->back().key_hash, path->back().key, std::move(*path)};
    cycle.chain.push_back(wait);
    return cycle;
  }
  Edge& edge = waits_[wait.txn][wait.wait_for];
  // What has expired does not come back to life with another wait.
  if (is_expired(edge, now)) edge.by_key_hash.clear();
  edge.detected_at = now;
  edge.by_key_hash.insert_or_assign(wait.key_hash, wait);
  return std::nullopt;
}

void DeadlockDetector::clean_up_wait_for(Timestamp txn, Timestamp wait_for, uint64_t key_hash) {
  const auto edges = waits_.find(txn);
  if (edges == waits_.end()) return;
  const auto edge = edges->second.find(wait_for);
  if (edge == edges->second.end()) return;
  edge->second.by_key_hash.erase(key_hash);
  if (edge->second.by_key_hash.empty()) edges->second.erase(edge);
  if (edges->second.empty()) waits_.erase(edges);
}

// Now and then: the searches pass over what has expired anyway.
void DeadlockDetector::drop_expired(Instant now) {
  if (!swept_at_) swept_at_ = now;
  if (now - *swept_at_ <= ttl_) return;
  swept_at_ = now;
  for (auto& [txn, edges] : waits_) {
    std::erase_if(edges, [&](const auto& entry) { return is_expired(entry.second, now); });
  }
  std::erase_if(waits_, [](const auto& entry) { return entry.second.empty(); });
}

}  // namespace cairn::txn
