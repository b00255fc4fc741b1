// ClusterView: the cluster as checkers and schedulers see it. It owns nothing and copies nothing: a store's view is put
// together when somebody asks for it, so that a heartbeat costs the stores of its region and not all of them.
//
// Whoever holds the parts makes one for a turn; it is not kept. Pure. Tests: replica_checker_test.cc and the others
// with ModelledCluster (testing/modelled_cluster.h).
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "pd/cluster/region_tree.h"
#include "pd/cluster/stores.h"
#include "pd/config.h"
#include "pd/schedule/influence.h"
#include "pd/schedule/store_limits.h"

namespace cairn::pd {

// A store as far as scheduling goes.
struct StoreView {
  const StoreInfo* info = nullptr;
  StoreHealth health = StoreHealth::kUp;
  RegionTree::Count count;  // what is there
  Influence influence;      // what operators under way will change
  double leader_weight = 1;
  double region_weight = 1;

  StoreId id() const { return info->id(); }
  bool is_columnar() const { return pd::is_columnar(info->meta); }
};

// How much of the leaders and regions stores are to have beside the others; 1 for those that are not named.
struct StoreWeights {
  std::map<StoreId, double> leader;
  std::map<StoreId, double> region;
};

// Stores that leaders are not to come to, or not to leave, whatever balance says.
struct LeaderPauses {
  std::set<StoreId> in;
  std::set<StoreId> out;
};

class ClusterView {
 public:
  // All must outlive the view.
  struct Parts {
    const ScheduleConfig& config;
    const Stores& stores;
    const RegionTree& regions;
    const Influences& influences;
    const StoreLimits& limits;
    const StoreWeights& weights;
    const LeaderPauses& pauses;
  };
  ClusterView(const Parts& parts, Instant now) : parts_(parts), now_(now) {}

  const ScheduleConfig& config() const { return parts_.config; }
  const RegionTree& regions() const { return parts_.regions; }
  Instant now() const { return now_; }
  bool has_operator(RegionId region) const { return parts_.influences.has(region); }
  // Whether the limit lets one more peer, of usual size if nothing else is said, come to the store or leave it.
  bool has_room(StoreId store, LimitKind kind, int64_t cost = StoreLimits::kPeerCost) const {
    return parts_.limits.has_room(store, kind, cost, now_);
  }
  bool may_gain_leaders(StoreId store) const { return !parts_.pauses.in.contains(store); }
  bool may_lose_leaders(StoreId store) const { return !parts_.pauses.out.contains(store); }

  // Nothing for a store that was never seen.
  std::optional<StoreView> store(StoreId id) const;
  // All, by their ids; tombstones, too.
  std::vector<StoreView> stores() const;
  // The most peers that a store has.
  uint64_t most_peers() const;

 private:
  StoreView view_of(const StoreInfo& info) const;

  Parts parts_;
  Instant now_;
  mutable std::optional<uint64_t> most_peers_;  // once somebody has asked
};

}  // namespace cairn::pd
