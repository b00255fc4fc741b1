// Coordinator: what the checkers want becomes operators, and operators' steps become commands to the leaders: when a
// region reports, and on a patrol over all regions. Owned by NodeCore, on "pd". Tests: node_stores_test.cc,
// replica_checker_test.cc.
#pragma once

#include <optional>
#include <vector>

#include "api/pd.h"
#include "pd/cluster/heartbeat_service.h"
#include "pd/cluster/region_tree.h"
#include "pd/cluster/stores.h"
#include "pd/member/leadership.h"
#include "pd/node/node_metrics.h"
#include "pd/schedule/operator_controller.h"
#include "pd/tso/id_service.h"

namespace cairn::pd {

class Coordinator {
 public:
  // All must outlive the coordinator.
  struct Parts {
    const ScheduleConfig& config;
    const Stores& stores;
    const RegionTree& regions;
    HeartbeatService& heartbeats;
    IdService& ids;
    NodeMetrics& metrics;
  };
  Coordinator(Leadership& leadership, const Parts& parts)
      : leadership_(leadership),
        config_(parts.config),
        stores_(parts.stores),
        regions_(parts.regions),
        heartbeats_(parts.heartbeats),
        ids_(parts.ids),
        metrics_(parts.metrics),
        operators_(parts.config) {}

  // A leadership begins, with no operator.
  void begin();
  void on_report(const RegionPtr& region, const std::vector<RegionId>& removed);
  // Looks at the operators under way and at the next regions.
  void patrol();

  void get_operator(api::Call<pdpb::GetOperatorRequest, pdpb::GetOperatorResponse> call);
  void scatter_region(api::Call<pdpb::ScatterRegionRequest, pdpb::ScatterRegionResponse> call);

 private:
  ClusterView view() const;
  void check_region(const RegionPtr& region, ClusterView& cluster);
  void dispatch(const RegionInfo& region);

  Leadership& leadership_;
  const ScheduleConfig& config_;
  const Stores& stores_;
  const RegionTree& regions_;
  HeartbeatService& heartbeats_;
  IdService& ids_;
  NodeMetrics& metrics_;
  OperatorController operators_;
  std::optional<Bytes> patrol_at_;
  Instant patrol_began_;
};

}  // namespace cairn::pd
