// StoreLimits: how many peers a minute come to a store and leave it. A bucket for each store and kind fills at the rate
// that is set; an operator takes from it when it begins. A region of usual size costs one peer, a small one a fifth,
// one of nearly nothing nothing, as in PD. Pure: time comes in. Owned by Coordinator. Tests: store_limits_test.cc.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "base/ids.h"
#include "base/time.h"
#include "pd/config.h"

namespace cairn::pd {

enum class LimitKind { kAddPeer, kRemovePeer };
// As PD's tools write it.
const char* limit_name(LimitKind kind);

class StoreLimits {
 public:
  // A rate from which on there is no limit.
  static constexpr double kUnlimited = 1e8;
  // What a peer of usual size costs.
  static constexpr int64_t kPeerCost = 1000;

  explicit StoreLimits(const ScheduleConfig& config) : config_(config) {}

  static int64_t cost_of(uint64_t region_mib);
  // Peers a minute: the store's own rate, or that of all.
  double rate(StoreId store, LimitKind kind) const;
  bool has_own_rate(StoreId store, LimitKind kind) const { return rates_.contains({store, kind}); }
  // Nothing: that of all.
  void set_rate(StoreId store, LimitKind kind, std::optional<double> per_minute);
  bool has_room(StoreId store, LimitKind kind, int64_t cost, Instant now) const;
  void take(StoreId store, LimitKind kind, int64_t cost, Instant now);
  void clear();

 private:
  struct Bucket {
    double tokens = 0;
    Instant at;
  };
  using Key = std::pair<StoreId, LimitKind>;
  double tokens_at(const Key& key, Instant now) const;

  const ScheduleConfig& config_;
  std::map<Key, double> rates_;
  std::map<Key, Bucket> buckets_;  // those that are not full
};

}  // namespace cairn::pd
