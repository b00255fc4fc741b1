// Pacing: of things that may come in floods, one of each kind in an interval is heeded. Any thread. Tests:
// pacing_test.cc.
#pragma once

#include <map>
#include <mutex>

#include "base/ids.h"
#include "base/time.h"

namespace cairn::store {

class Pacing {
 public:
  explicit Pacing(Duration interval) : interval_(interval) {}

  // Whether none of this store was heeded within the interval; then this one is.
  bool is_due(StoreId of, Instant now) {
    std::lock_guard lock(mutex_);
    auto [last, is_first] = last_.try_emplace(of, now);
    if (!is_first && now - last->second < interval_) return false;
    last->second = now;
    return true;
  }

 private:
  const Duration interval_;
  std::mutex mutex_;
  std::map<StoreId, Instant> last_;  // guarded by mutex_
};

}  // namespace cairn::store
