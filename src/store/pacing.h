// Pacing: of things that may come in floods, one of each kind in an interval is heeded. Any thread. Tests:
// pacing_test.cc.
#pragma once

#include <map>

#include "base/ids.h"
#include "base/mutex.h"
#include "base/time.h"

namespace cairn::store {

class Pacing {
 public:
  explicit Pacing(Duration interval) : interval_(interval) {}

  // Whether none of this store was heeded within the interval; then this one is.
  bool is_due(StoreId of, Instant now) {
    MutexLock lock(mutex_);
    auto [last, is_first] = last_.try_emplace(of, now);
    if (!is_first && now - last->second < interval_) return false;
    last->second = now;
    return true;
  }

 private:
  const Duration interval_;
  Mutex mutex_;
  std::map<StoreId, Instant> last_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::store
