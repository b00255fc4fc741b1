// Coordinator: what the checkers and schedulers want becomes operators, and operators' steps become commands to the
// leaders: when a region reports, on a patrol over all regions, and when a scheduler's turn comes. Owned by NodeCore,
// on "pd". Files: coordinator.cc (turns), coordinator_calls.cc (what clients ask for),
// coordinator_records.cc (what is kept). Tests: node_stores_test.cc,
// pages_test.cc.
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
#include "pd/schedule/replica_checker.h"
#include "pd/schedule/scatterer.h"
#include "pd/schedule/schedulers.h"
#include "pd/schedule/store_limits.h"
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
    uint64_t seed;
    std::vector<std::string> schedulers;  // of a new cluster
  };
  Coordinator(Leadership& leadership, const Parts& parts)
      : leadership_(leadership),
        config_(parts.config),
        stores_(parts.stores),
        regions_(parts.regions),
        heartbeats_(parts.heartbeats),
        ids_(parts.ids),
        metrics_(parts.metrics),
        default_schedulers_(parts.schedulers),
        operators_(parts.config),
        limits_(parts.config),
        dice_(parts.seed) {}

  // A leadership begins, with no operator.
  void begin();
  void on_report(const RegionPtr& region, const std::vector<RegionId>& removed);
  // Looks at the operators under way and at the next regions.
  void patrol();
  // Asks the schedulers whose turn it is.
  void schedule();
  // For the boards.
  void observe() const;

  const OperatorController& operators() const { return operators_; }
  const Schedulers& schedulers() const { return schedulers_; }
  const StoreLimits& limits() const { return limits_; }
  // As it is now; not to be kept.
  ClusterView view() const;

  // What people ask for; the text says why not. What is to outlive this leadership is to be saved after it.
  using Done = Result<void, std::string>;
  Done add_scheduler(const std::string& name, std::vector<StoreId> stores);
  Done remove_scheduler(const std::string& name);
  // `name` may be "all". No time: it goes on.
  Done pause_scheduler(const std::string& name, Duration duration);
  // Of evict-leader-scheduler and grant-leader-scheduler; without a store it goes.
  Done set_scheduler_stores(const std::string& name, std::vector<StoreId> stores);
  // Nothing: the limit of all.
  void set_store_limit(StoreId store, LimitKind kind, std::optional<double> per_minute);
  struct Weights {
    double leader, region;
  };
  void set_store_weights(StoreId store, Weights weights);
  // Makes what was changed of schedulers, limits and weights durable.
  void save(std::function<void(api::Status)> done);

  Done add_operator(const RegionPtr& region, Plan plan);
  Done cancel_operator(RegionId region);
  void cancel_all_operators();
  Done scatter(const RegionPtr& region, const std::string& group);
  // The checker of replicas stands still for so long.
  void pause_checks(Duration duration) { checks_paused_until_ = leadership_.clock().now() + duration; }
  bool are_checks_paused() const { return leadership_.clock().now() < checks_paused_until_; }

  void get_operator(api::Call<pdpb::GetOperatorRequest, pdpb::GetOperatorResponse> call);
  void scatter_region(api::Call<pdpb::ScatterRegionRequest, pdpb::ScatterRegionResponse> call);

 private:
  Done begin_operator(const RegionInfo& region, Plan plan, const ClusterView& cluster);
  void send(const RegionInfo& region, std::optional<StepCommand> command);
  void load();
  runtime::Task<void> save_records(std::function<void(api::Status)> done);
  // Whether enough regions have reported to judge the whole.
  bool knows_the_cluster() const;
  void check_region(const RegionPtr& region, const ClusterView& cluster);
  void dispatch(const RegionInfo& region, const ClusterView& cluster);

  Leadership& leadership_;
  const ScheduleConfig& config_;
  const Stores& stores_;
  const RegionTree& regions_;
  HeartbeatService& heartbeats_;
  IdService& ids_;
  NodeMetrics& metrics_;
  const std::vector<std::string> default_schedulers_;
  OperatorController operators_;
  StoreLimits limits_;
  Schedulers schedulers_;
  StoreWeights weights_;
  LeaderPauses pauses_;
  Instant checks_paused_until_;
  Scatterer scatterer_;
  runtime::Random dice_;
  Instant began_;
  std::optional<Bytes> patrol_at_;
  Instant patrol_began_;
};

}  // namespace cairn::pd
