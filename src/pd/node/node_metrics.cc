#include "pd/node/node_metrics.h"

#include <fmt/format.h>

#include <utility>

namespace cairn::pd {
namespace {

// What may be the matter with a region, as pd_regions_status labels it.
constexpr const char* kMissPeer = "miss-peer-region-count";
constexpr const char* kExtraPeer = "extra-peer-region-count";
constexpr const char* kDownPeer = "down-peer-region-count";
constexpr const char* kPendingPeer = "pending-peer-region-count";
constexpr const char* kLearnerPeer = "learner-peer-region-count";
constexpr const char* kEmptyRegion = "empty-region-count";
constexpr const char* kMatters[] = {kMissPeer, kExtraPeer, kDownPeer, kPendingPeer, kLearnerPeer, kEmptyRegion};

metrics::Counter& tso_events(const char* type) {
  return metrics::counter("pd_tso_events", "Events of the timestamp oracle", {{"type", type}});
}
metrics::Counter& checker(const char* name) {
  return metrics::counter("pd_checker_event_count", "What the checkers did",
                          {{"type", "replica_checker"}, {"name", name}});
}
metrics::Gauge& cluster_status(const char* type) {
  return metrics::gauge("pd_cluster_status", "Numbers of the cluster", {{"type", type}});
}

}  // namespace

NodeMetrics::NodeMetrics()
    : tso_requests(metrics::counter("pd_tso_request_total", "Requests for timestamps", {{"type", "request"}})),
      tso_timestamps(metrics::counter("pd_tso_timestamp_total", "Timestamps handed out")),
      tso_waits(tso_events("wait_for_bound")),
      tso_saves(tso_events("save")),
      tso_time(metrics::histogram("pd_server_handle_tso_duration_seconds", "How long requests for timestamps take",
                                  metrics::kStepTimes, {{"type", "tso"}})),
      tso_batch(metrics::histogram("pd_server_handle_tso_batch_size", "Timestamps in a request", metrics::kNumbers)),
      tso_physical(metrics::gauge("pd_cluster_tso", "The newest timestamp's physical part, in milliseconds",
                                  {{"type", "tso"}, {"dc", "global"}})),
      tso_gap(metrics::gauge("pd_cluster_tso_gap_millionseconds", "Milliseconds from the newest timestamp to the clock",
                             {{"dc", "global"}})),
      regions(cluster_status("region_count")),
      region_updates(metrics::counter("pd_cluster_region_event", "Reports of regions that were taken in",
                                      {{"event", "update_cache"}})),
      operators(metrics::gauge("pd_schedule_operators_running", "Operators under way")),
      checks(checker("check")),
      checks_found(checker("new-operator")),
      patrol_time(
          metrics::gauge("pd_checker_patrol_regions_time", "Seconds that the last round over all regions took")),
      is_leader(metrics::gauge("service_member_role", "1 if this member leads", {{"service", "PD"}})) {}

NodeMetrics::OfStore& NodeMetrics::of_store(uint64_t id, const std::string& address) {
  if (auto found = by_store_.find(id); found != by_store_.end()) return found->second;
  const metrics::Labels store{{"address", address}, {"store", fmt::format("{}", id)}};
  const auto with = [&](std::initializer_list<std::pair<const char*, const char*>> more) {
    auto labels = store;
    for (const auto& [name, value] : more) labels[name] = value;
    return labels;
  };
  const char* beats = "Region heartbeats of a store";
  const char* pushed = "Commands to a store about its regions";
  return by_store_
      .emplace(id, OfStore{.heartbeats = metrics::counter("pd_scheduler_region_heartbeat", beats,
                                                          with({{"type", "report"}, {"status", "ok"}})),
                           .heartbeats_refused = metrics::counter("pd_scheduler_region_heartbeat", beats,
                                                                  with({{"type", "report"}, {"status", "err"}})),
                           .commands = metrics::counter("pd_hbstream_region_message", pushed,
                                                        with({{"type", "push"}, {"status", "ok"}})),
                           .commands_lost = metrics::counter("pd_hbstream_region_message", pushed,
                                                             with({{"type", "push"}, {"status", "err"}})),
                           .heartbeat_time =
                               metrics::histogram("pd_scheduler_handle_region_heartbeat_duration_seconds",
                                                  "How long a region heartbeat takes", metrics::kStepTimes, store)})
      .first->second;
}

metrics::Histogram& NodeMetrics::store_heartbeat_time(const std::string& address, uint64_t id) {
  return metrics::histogram("pd_scheduler_handle_store_heartbeat_duration_seconds", "How long a store heartbeat takes",
                            metrics::kStepTimes, {{"address", address}, {"store", fmt::format("{}", id)}});
}

void NodeMetrics::note_patrolled(const RegionInfo& region, const ScheduleConfig& schedule) {
  if (region.is_remnant) return;
  const auto peers = static_cast<uint32_t>(region.meta.peers_size());
  if (peers < schedule.max_replicas) ++patrolled_[kMissPeer];
  if (peers > schedule.max_replicas) ++patrolled_[kExtraPeer];
  if (!region.down_peers.empty()) ++patrolled_[kDownPeer];
  if (!region.pending_peers.empty()) ++patrolled_[kPendingPeer];
  for (const auto& peer : region.meta.peers()) {
    if (peer.role() != metapb::Learner) continue;
    ++patrolled_[kLearnerPeer];
    break;
  }
  if (region.approximate_mib <= 1) ++patrolled_[kEmptyRegion];
}

void NodeMetrics::end_patrol(Duration took) {
  patrol_time.set(to_seconds(took));
  const auto seen = std::exchange(patrolled_, {});
  for (const char* matter : kMatters) {
    const auto found = seen.find(matter);
    metrics::gauge("pd_regions_status", "Regions by what is the matter with them", {{"type", matter}})
        .set(found == seen.end() ? 0 : static_cast<double>(found->second));
  }
}

void NodeMetrics::observe_settings(const ScheduleConfig& schedule) {
  const auto set = [](const char* type, double value) {
    metrics::gauge("pd_config_status", "Settings", {{"type", type}}).set(value);
  };
  set("max-replicas", schedule.max_replicas);
  set("replica-schedule-limit", schedule.replica_schedule_limit);
  set("max-snapshot-count", schedule.store_snapshot_limit);
  metrics::gauge("pd_schedule_operator_limit", "Operators that may be under way",
                 {{"type", "replica-checker"}, {"name", "replica"}})
      .set(schedule.replica_schedule_limit);
}

void NodeMetrics::observe_stores(const Stores& stores, const RegionTree& regions_known, Instant now) {
  std::map<StoreHealth, int> by_health;
  uint64_t leaders = 0;
  uint64_t capacity = 0;
  uint64_t used = 0;
  int slow = 0;
  for (const auto& [id, store] : stores.all()) {
    ++by_health[stores.health(store, now)];
    if (store.is_tombstone()) continue;
    const auto count = regions_known.count(id);
    leaders += count.leaders;
    capacity += store.stats.capacity();
    used += store.stats.used_size();
    if (store.stats.slow_score() > 80) ++slow;
    const auto set = [&](const char* type, uint64_t value) {
      metrics::gauge("pd_scheduler_store_status", "What is known of a store",
                     {{"address", store.meta.address()}, {"store", fmt::format("{}", id)}, {"type", type}})
          .set(static_cast<double>(value));
    };
    set("region_count", count.peers);
    set("leader_count", count.leaders);
    set("region_size", count.mib);
    set("store_capacity", store.stats.capacity());
    set("store_available", store.stats.available());
    set("store_used", store.stats.used_size());
    const auto& interval = store.stats.interval();
    const uint64_t seconds = interval.end_timestamp() - interval.start_timestamp();
    if (interval.end_timestamp() > interval.start_timestamp()) {
      set("store_write_rate_bytes", store.stats.bytes_written() / seconds);
      set("store_write_rate_keys", store.stats.keys_written() / seconds);
    }
  }
  const auto set = [](const char* type, uint64_t value) { cluster_status(type).set(static_cast<double>(value)); };
  const auto stores_in = [&](StoreHealth health) { return static_cast<uint64_t>(by_health[health]); };
  set("store_up_count", stores_in(StoreHealth::kUp));
  set("store_disconnected_count", stores_in(StoreHealth::kDisconnected));
  set("store_down_count", stores_in(StoreHealth::kDown));
  set("store_unhealth_count", stores_in(StoreHealth::kDisconnected) + stores_in(StoreHealth::kDown));
  set("store_offline_count", stores_in(StoreHealth::kOffline));
  set("store_tombstone_count", stores_in(StoreHealth::kTombstone));
  set("store_slow_count", static_cast<uint64_t>(slow));
  set("leader_count", leaders);
  set("storage_capacity", capacity);
  set("storage_size", used);
  regions.set(static_cast<double>(regions_known.size()));
}

void NodeMetrics::observe_leader(uint64_t cluster, uint64_t last_id) {
  is_leader.set(1);
  metrics::gauge("pd_cluster_metadata", "Which cluster it is", {{"type", fmt::format("cluster{}", cluster)}}).set(1);
  static auto& ids = metrics::gauge("pd_cluster_id", "The last id that was given out", {{"type", "idalloc"}});
  ids.set(static_cast<double>(last_id));
}

void NodeMetrics::observe_group(const GroupState& state) {
  const auto set = [](const char* type, uint64_t value) {
    metrics::gauge("pd_server_etcd_state", "Where the group of PD's members stands", {{"type", type}})
        .set(static_cast<double>(value));
  };
  set("term", state.term);
  set("appliedIndex", state.applied);
  set("committedIndex", state.last);
  static auto& disk = metrics::gauge("etcd_mvcc_db_total_size_in_bytes", "Bytes of the records on the disk");
  static auto& in_use = metrics::gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the records themselves");
  disk.set(static_cast<double>(state.disk_bytes));
  in_use.set(static_cast<double>(state.store_bytes));
}

}  // namespace cairn::pd
