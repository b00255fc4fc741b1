#include "pd/schedule/store_limits.h"

#include <algorithm>

namespace cairn::pd {
namespace {

constexpr int64_t kSmallPeerCost = 200;
constexpr uint64_t kSmallMib = 20;

double per_second(double per_minute) { return per_minute / 60 * static_cast<double>(StoreLimits::kPeerCost); }
// One peer must fit in.
double capacity_of(double per_minute) {
  return std::max(per_second(per_minute), static_cast<double>(StoreLimits::kPeerCost));
}

}  // namespace

const char* limit_name(LimitKind kind) { return kind == LimitKind::kAddPeer ? "add-peer" : "remove-peer"; }

int64_t StoreLimits::cost_of(uint64_t region_mib) {
  if (region_mib > kSmallMib) return kPeerCost;
  return region_mib > 1 ? kSmallPeerCost : 0;
}

double StoreLimits::rate(StoreId store, LimitKind kind) const {
  if (const auto own = rates_.find({store, kind}); own != rates_.end()) return own->second;
  return kind == LimitKind::kAddPeer ? config_.add_peer_limit : config_.remove_peer_limit;
}

void StoreLimits::set_rate(StoreId store, LimitKind kind, std::optional<double> per_minute) {
  if (per_minute) {
    rates_[{store, kind}] = *per_minute;
  } else {
    rates_.erase({store, kind});
  }
}

double StoreLimits::tokens_at(const Key& key, Instant now) const {
  const double rate_now = rate(key.first, key.second);
  const auto bucket = buckets_.find(key);
  if (bucket == buckets_.end()) return capacity_of(rate_now);
  const double filled = to_seconds(now - bucket->second.at) * per_second(rate_now);
  return std::min(bucket->second.tokens + filled, capacity_of(rate_now));
}

bool StoreLimits::has_room(StoreId store, LimitKind kind, int64_t cost, Instant now) const {
  if (cost == 0 || rate(store, kind) >= kUnlimited) return true;
  return tokens_at({store, kind}, now) >= static_cast<double>(cost);
}

void StoreLimits::take(StoreId store, LimitKind kind, int64_t cost, Instant now) {
  if (cost == 0 || rate(store, kind) >= kUnlimited) return;
  const double left = tokens_at({store, kind}, now) - static_cast<double>(cost);
  buckets_[{store, kind}] = {.tokens = left, .at = now};
}

void StoreLimits::clear() {
  rates_.clear();
  buckets_.clear();
}

}  // namespace cairn::pd
