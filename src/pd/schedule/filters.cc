#include "pd/schedule/filters.h"

#include <fmt/format.h>

#include "base/metrics.h"
#include "pd/schedule/scores.h"

namespace cairn::pd {
namespace {

bool has_many_snapshots(const ClusterView& cluster, const StoreView& store) {
  const auto& stats = store.info->stats;
  const auto limit = cluster.config().store_snapshot_limit;
  return stats.sending_snap_count() > limit || stats.receiving_snap_count() > limit;
}

bool has_many_pending(const ClusterView& cluster, const StoreView& store) {
  const auto limit = cluster.config().max_pending_peer_count;
  const auto pending = cluster.regions().on_store(store.id(), RegionTree::Standing::kPending).size();
  return limit > 0 && pending > limit;
}

}  // namespace

const char* refuse_to_give_leaders(const ClusterView& cluster, const StoreView& store) {
  if (store.health == StoreHealth::kTombstone) return "store-state-tombstone-filter";
  if (store.health == StoreHealth::kDown) return "store-state-down-filter";
  if (!cluster.may_lose_leaders(store.id())) return "store-state-pause-leader-filter";
  if (cluster.now() - store.info->last_heartbeat > cluster.config().store_disconnect_time) {
    return "store-state-disconnect-filter";
  }
  return nullptr;
}

const char* refuse_to_take_leaders(const ClusterView& cluster, const StoreView& store) {
  if (store.health == StoreHealth::kTombstone) return "store-state-tombstone-filter";
  if (store.health == StoreHealth::kOffline) return "store-state-offline-filter";
  if (store.health == StoreHealth::kDown) return "store-state-down-filter";
  if (!cluster.may_gain_leaders(store.id())) return "store-state-pause-leader-filter";
  if (store.health == StoreHealth::kDisconnected) return "store-state-disconnect-filter";
  if (store.info->stats.is_busy()) return "store-state-busy-filter";
  return nullptr;
}

const char* refuse_to_give_regions(const ClusterView& cluster, const StoreView& store) {
  if (store.health == StoreHealth::kTombstone) return "store-state-tombstone-filter";
  if (store.info->stats.is_busy()) return "store-state-busy-filter";
  if (!cluster.has_room(store.id(), LimitKind::kRemovePeer)) return "store-state-exceed-remove-limit-filter";
  if (has_many_snapshots(cluster, store)) return "store-state-too-many-snapshots-filter";
  return nullptr;
}

const char* refuse_to_ever_take_regions(const ClusterView& cluster, const StoreView& store) {
  if (store.health == StoreHealth::kTombstone) return "store-state-tombstone-filter";
  if (store.health == StoreHealth::kOffline) return "store-state-offline-filter";
  if (store.health == StoreHealth::kDown) return "store-state-down-filter";
  if (is_low_on_space(store, cluster.config())) return "storage-threshold-filter";
  return nullptr;
}

const char* refuse_to_take_regions(const ClusterView& cluster, const StoreView& store) {
  if (const char* reason = refuse_to_ever_take_regions(cluster, store)) return reason;
  if (store.health == StoreHealth::kDisconnected) return "store-state-disconnect-filter";
  if (store.info->stats.is_busy()) return "store-state-busy-filter";
  if (!cluster.has_room(store.id(), LimitKind::kAddPeer)) return "store-state-exceed-add-limit-filter";
  const bool is_fetching = static_cast<uint64_t>(store.influence.adding) >= cluster.config().store_snapshot_limit;
  if (is_fetching || has_many_snapshots(cluster, store)) return "store-state-too-many-snapshots-filter";
  if (has_many_pending(cluster, store)) return "store-state-too-many-pending-peers-filter";
  return nullptr;
}

void note_refusal(const char* scope, Side side, const char* reason, StoreId store, uint64_t times) {
  const bool is_source = side == Side::kSource;
  metrics::counter(is_source ? "pd_schedule_source_filter" : "pd_schedule_target_filter",
                   is_source ? "Stores that were no source, by why" : "Stores that were no target, by why",
                   {{"scope", scope}, {"type", reason}, {is_source ? "source" : "target", fmt::format("{}", store)}})
      .add(times);
}

std::vector<StoreView> select_stores(const ClusterView& cluster, const char* scope, Side side, Refuse refuse) {
  std::vector<StoreView> out;
  for (const auto& store : cluster.stores()) {
    if (store.is_columnar()) continue;
    if (const char* reason = refuse(cluster, store)) {
      if (store.health != StoreHealth::kTombstone) note_refusal(scope, side, reason, store.id());
    } else {
      out.push_back(store);
    }
  }
  return out;
}

}  // namespace cairn::pd
