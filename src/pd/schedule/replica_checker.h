// The replica checker: looks at one region and says what brings it to the wanted number of healthy replicas. Pure: a
// view of the cluster goes in, the steps of an operator come out.
//
// Order of care: a joint change that was left open; a learner that is ready or useless; replicas on stores that are
// down or being emptied (the replacement first, the removal after it); too few; too many. A peer comes as a learner and
// is promoted once it has caught up; a leader hands over before its peer is removed.
//
// Tests: replica_checker_test.cc (on modelled clusters).
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pd/cluster/region_tree.h"
#include "pd/cluster/stores.h"
#include "pd/config.h"

namespace cairn::pd {

// A store as far as placing replicas goes.
struct StoreView {
  StoreHealth health = StoreHealth::kUp;
  bool columnar = false;
  uint64_t peers = 0;   // regions with a peer there
  uint64_t adding = 0;  // peers on their way there
};
using ClusterView = std::map<StoreId, StoreView>;

enum class StepKind { kAddLearner, kPromote, kTransferLeader, kRemovePeer, kLeaveJoint };

// One thing for the leader of a region to do. `peer_id` is 0 for a peer that has no id yet.
struct Step {
  StepKind kind = StepKind::kAddLearner;
  StoreId store;
  uint64_t peer_id = 0;
  friend bool operator==(const Step&, const Step&) = default;
};

struct Plan {
  std::string desc;
  std::vector<Step> steps;
};

std::optional<Plan> check_replicas(const RegionInfo& region, const ClusterView& cluster, const ScheduleConfig& config);

// The store to put one more peer of the region on: up, ordinary, without a peer of it; the emptiest, then the lowest
// id.
std::optional<StoreId> best_store(const RegionInfo& region, const ClusterView& cluster, const ScheduleConfig& config);

}  // namespace cairn::pd
