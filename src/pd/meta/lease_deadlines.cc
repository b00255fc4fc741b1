#include "pd/meta/lease_deadlines.h"

namespace cairn::pd {

void LeaseDeadlines::clear() {
  by_lease_.clear();
  by_time_.clear();
}

void LeaseDeadlines::set(int64_t lease, Instant deadline) {
  erase(lease);
  by_lease_[lease] = deadline;
  by_time_.emplace(deadline, lease);
}

void LeaseDeadlines::erase(int64_t lease) {
  auto found = by_lease_.find(lease);
  if (found == by_lease_.end()) return;
  by_time_.erase({found->second, lease});
  by_lease_.erase(found);
}

std::optional<Instant> LeaseDeadlines::get(int64_t lease) const {
  auto found = by_lease_.find(lease);
  if (found == by_lease_.end()) return std::nullopt;
  return found->second;
}

std::vector<int64_t> LeaseDeadlines::due(Instant now, size_t count) const {
  std::vector<int64_t> out;
  for (auto it = by_time_.begin(); it != by_time_.end() && it->first <= now && out.size() < count; ++it) {
    out.push_back(it->second);
  }
  return out;
}

}  // namespace cairn::pd
