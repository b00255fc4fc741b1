// LeaseDeadlines: until when each lease of the etcd key space lasts, in the order in which they end. A lease that is
// not kept is over at its deadline; then it stands here until its end has gone through the log. Pure. Owned by
// EtcdService. Tests: lease_deadlines_test.cc.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/time.h"

namespace cairn::pd {

class LeaseDeadlines {
 public:
  void clear();
  void set(int64_t lease, Instant deadline);
  void erase(int64_t lease);
  std::optional<Instant> get(int64_t lease) const;
  // Those whose deadline has come, the first ones, at most `count`.
  std::vector<int64_t> due(Instant now, size_t count) const;

 private:
  std::map<int64_t, Instant> by_lease_;
  std::set<std::pair<Instant, int64_t>> by_time_;
};

}  // namespace cairn::pd
