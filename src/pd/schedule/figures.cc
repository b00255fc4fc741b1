#include "pd/schedule/figures.h"

#include <fmt/format.h>

#include "base/metrics.h"
#include "pd/schedule/filters.h"
#include "pd/schedule/scores.h"

namespace cairn::pd {
namespace {

constexpr const char* kLeaders = "balance-leader-scheduler";
constexpr const char* kRegions = "balance-region-scheduler";

// Counters that are to be shown before anything has happened.
void show_counters(const std::string& store, StoreId id) {
  note_refusal(kLeaders, Side::kSource, "store-state-down-filter", id, 0);
  note_refusal(kLeaders, Side::kTarget, "store-state-down-filter", id, 0);
  for (const char* scheduler : {kLeaders, kRegions}) {
    count_direction(scheduler, store, "in", 0);
    count_direction(scheduler, store, "out", 0);
  }
  for (const char* is_leader : {"false", "true"}) count_scattered(store, is_leader, 0);
}

void observe_store(const ClusterView& cluster, const StoreView& store, const StoreLimits& limits) {
  const auto id = fmt::format("{}", store.id());
  const auto& address = store.info->meta.address();
  for (const auto kind : {LimitKind::kAddPeer, LimitKind::kRemovePeer}) {
    metrics::gauge("pd_cluster_store_limit", "Peers a minute that may come to a store and leave it",
                   {{"address", address}, {"store", id}, {"type", limit_name(kind)}})
        .set(limits.rate(store.id(), kind));
  }
  show_counters(id, store.id());
  const auto set = [&](const char* type, double value) {
    metrics::gauge("pd_scheduler_store_status", "What is known of a store",
                   {{"address", address}, {"store", id}, {"type", type}})
        .set(value);
  };
  set("leader_score", leader_score(store, cluster.config(), 0));
  set("region_score", region_score(store, cluster.config(), 0));
  set("leader_weight", store.leader_weight);
  set("region_weight", store.region_weight);
  const auto influence = [&](const char* scheduler, int64_t value) {
    metrics::gauge("pd_scheduler_op_influence", "What operators under way will change, as schedulers count it",
                   {{"scheduler", scheduler}, {"store", id}, {"type", value < 0 ? "source" : "target"}})
        .set(static_cast<double>(value));
  };
  influence(kLeaders, leader_influence(store, cluster.config()));
  influence(kRegions, region_influence(store));
}

}  // namespace

void count_direction(const std::string& scheduler, const std::string& store, const char* direction, uint64_t times) {
  metrics::counter("pd_scheduler_balance_direction", "Where schedulers moved from and to",
                   {{"type", scheduler}, {"store", store}, {"direction", direction}})
      .add(times);
}

void count_scattered(const std::string& store, const char* is_leader, uint64_t times) {
  metrics::counter("pd_schedule_scatter_distribution", "Where scattering put peers and leaders",
                   {{"store", store}, {"is_leader", is_leader}, {"engine", "tikv"}})
      .add(times);
}

void count_scatter(const char* type, const char* event, uint64_t times) {
  metrics::counter("pd_schedule_scatter_operators_count", "Regions that were to be scattered, and what came of it",
                   {{"type", type}, {"event", event}})
      .add(times);
}

void count_exceeded_limit(const std::string& desc, uint64_t times) {
  metrics::counter("pd_schedule_operator_exceeded_store_limit", "Operators that the limits of stores held back",
                   {{"desc", desc}})
      .add(times);
}

void observe_schedule(const ClusterView& cluster, const Schedulers& schedulers, const StoreLimits& limits) {
  for (const auto& store : cluster.stores()) {
    if (store.health != StoreHealth::kTombstone) observe_store(cluster, store, limits);
  }
  count_scatter("success", "", 0);
  count_exceeded_limit("balance-region", 0);
  const auto tolerant = [](const char* scheduler, int64_t value) {
    metrics::gauge("pd_scheduler_tolerant_resource", "Differences that schedulers leave as they are",
                   {{"scheduler", scheduler}})
        .set(static_cast<double>(value));
  };
  tolerant(kLeaders, tolerable_leaders(cluster));
  tolerant(kRegions, tolerable_mib(cluster));
  const bool is_halted = cluster.config().halt_scheduling;
  for (const auto& [name, entry] : schedulers.all()) {
    metrics::gauge("pd_scheduler_status", "1 for schedulers that work", {{"kind", name}, {"type", "allow"}})
        .set(is_halted || entry.is_paused(cluster.now()) ? 0 : 1);
  }
  metrics::gauge("pd_scheduling_allowance_status", "1 if scheduling is halted", {{"kind", "halt-scheduling"}})
      .set(is_halted ? 1 : 0);
}

}  // namespace cairn::pd
