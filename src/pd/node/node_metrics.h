// The metrics of a PD node, under PD's names. They decide nothing.
#pragma once

#include <map>
#include <string>

#include "base/metrics.h"
#include "pd/cluster/region_tree.h"
#include "pd/cluster/stores.h"
#include "pd/config.h"

namespace cairn::pd {

// What is asked of regions.
struct QueryMetrics {
  metrics::Histogram& time =
      metrics::histogram("pd_server_query_region_duration_seconds", "How long QueryRegion takes", metrics::kStepTimes);
  metrics::Histogram& keys_time = looked_up("by-keys");
  metrics::Histogram& prev_keys_time = looked_up("by-prev-keys");
  metrics::Histogram& ids_time = looked_up("by-ids");
  metrics::Counter& keys = queried("by-keys");
  metrics::Counter& prev_keys = queried("by-prev-keys");
  metrics::Counter& ids = queried("by-ids");
  metrics::Counter& found = requests("success");
  metrics::Counter& not_found = requests("failed");

  static const QueryMetrics& get() {
    static const QueryMetrics of_all;
    return of_all;
  }

 private:
  static metrics::Histogram& looked_up(const char* type) {
    return metrics::histogram("pd_core_query_region_duration_seconds", "How long regions are looked up for QueryRegion",
                              metrics::kStepTimes, {{"type", type}});
  }
  static metrics::Counter& queried(const char* type) {
    return metrics::counter("pd_core_query_region_count", "Regions that were asked for in QueryRegion",
                            {{"type", type}});
  }
  static metrics::Counter& requests(const char* event) {
    return metrics::counter("pd_server_region_request_cnt", "Requests for a region, and whether there was one",
                            {{"request", "GetRegion"}, {"event", event}, {"caller_id", ""}, {"caller_component", ""}});
  }
};

class NodeMetrics {
 public:
  NodeMetrics();

  // Timestamps.
  metrics::Counter& tso_requests;
  metrics::Counter& tso_timestamps;
  metrics::Counter& tso_waits;   // requests that had to wait for the bound
  metrics::Counter& tso_saves;   // of the bound
  metrics::Histogram& tso_time;  // from a request to its answer
  metrics::Histogram& tso_batch;
  metrics::Gauge& tso_physical;  // the newest that may be given out
  metrics::Gauge& tso_gap;       // of the clock to that

  // Regions and stores.
  metrics::Gauge& regions;
  metrics::Counter& region_updates;

  // Operators and the checker that makes them.
  metrics::Gauge& operators;
  metrics::Counter& checks;
  metrics::Counter& checks_found;  // an operator that the region needs
  metrics::Gauge& patrol_time;

  metrics::Gauge& is_leader;

  // Of one store.
  struct OfStore {
    metrics::Counter& heartbeats;
    metrics::Counter& heartbeats_refused;
    metrics::Counter& commands;       // that went to it
    metrics::Counter& commands_lost;  // for which it has no stream
    metrics::Histogram& heartbeat_time;
  };
  // By its id; `address` as its record has it, empty if it is not known.
  OfStore& of_store(uint64_t id, const std::string& address);

  static metrics::Histogram& store_heartbeat_time(const std::string& address, uint64_t id);

  // One region as a patrol sees it. A patrol that began at `began` has seen them all.
  void note_patrolled(const RegionInfo& region, const ScheduleConfig& schedule);
  void end_patrol(Duration took);
  // Looks at the settings, and at all stores; now and then.
  void observe_settings(const ScheduleConfig& schedule);
  void observe_stores(const Stores& stores, const RegionTree& regions_known, Instant now);
  // The state of the group and of the durable records.
  struct GroupState {
    uint64_t term, applied, last, store_bytes, disk_bytes;
  };
  void observe_group(const GroupState& state);
  // This member leads.
  void observe_leader(uint64_t cluster, uint64_t last_id);

 private:
  std::map<uint64_t, OfStore> by_store_;
  // Of the patrol under way, by what is the matter with regions.
  std::map<const char*, uint64_t> patrolled_;
};

}  // namespace cairn::pd
