#include "pd/node/node_metrics.h"

namespace cairn::pd {

NodeMetrics::NodeMetrics()
    : tso_requests(metrics::counter("pd_tso_request_total", "Requests for timestamps", {{"type", "request"}})),
      tso_timestamps(metrics::counter("pd_tso_timestamp_total", "Timestamps handed out")),
      tso_waits(metrics::counter("pd_tso_events", "Events of the timestamp oracle", {{"type", "wait_for_bound"}})),
      heartbeats_ok(metrics::counter("pd_scheduler_region_heartbeat", "Region heartbeats", {{"status", "ok"}})),
      heartbeats_stale(metrics::counter("pd_scheduler_region_heartbeat", "Region heartbeats", {{"status", "err"}})),
      regions(metrics::gauge("pd_cluster_status", "Numbers of the cluster", {{"type", "region_count"}})),
      operators(metrics::gauge("pd_schedule_operators_running", "Operators under way")) {}

void NodeMetrics::observe_stores(const Stores& stores, const RegionTree& regions_known, Instant now) {
  std::map<StoreHealth, int> by_health;
  for (const auto& [id, store] : stores.all()) {
    ++by_health[stores.health(store, now)];
    const auto count = regions_known.count(id);
    const metrics::Labels address{{"address", store.meta.address()}, {"store", fmt::format("{}", id)}};
    auto with_type = [&](const char* type) {
      auto labels = address;
      labels["type"] = type;
      return labels;
    };
    const char* help = "Status of a store";
    metrics::gauge("pd_scheduler_store_status", help, with_type("region_count")).Set(static_cast<double>(count.peers));
    metrics::gauge("pd_scheduler_store_status", help, with_type("leader_count"))
        .Set(static_cast<double>(count.leaders));
    metrics::gauge("pd_scheduler_store_status", help, with_type("store_capacity"))
        .Set(static_cast<double>(store.stats.capacity()));
    metrics::gauge("pd_scheduler_store_status", help, with_type("store_available"))
        .Set(static_cast<double>(store.stats.available()));
  }
  auto set = [&](const char* type, StoreHealth health) {
    metrics::gauge("pd_cluster_status", "Numbers of the cluster", {{"type", type}}).Set(by_health[health]);
  };
  set("store_up_count", StoreHealth::kUp);
  set("store_disconnected_count", StoreHealth::kDisconnected);
  set("store_down_count", StoreHealth::kDown);
  set("store_offline_count", StoreHealth::kOffline);
  set("store_tombstone_count", StoreHealth::kTombstone);
  regions.Set(static_cast<double>(regions_known.size()));
}

}  // namespace cairn::pd
