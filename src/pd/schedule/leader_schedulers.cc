#include "pd/schedule/leader_schedulers.h"

#include "pd/schedule/filters.h"
#include "pd/schedule/plans.h"

namespace cairn::pd {
namespace {

bool has_no_down_peer(const RegionInfo& region) { return region.down_peers.empty(); }

}  // namespace

const std::string& EvictLeader::name() const {
  static const std::string name = "evict-leader-scheduler";
  return name;
}

std::optional<Proposal> EvictLeader::propose(const ClusterView& cluster, runtime::Random& dice) const {
  for (const StoreId store : stores_) {
    const auto region =
        pick_region(cluster, store, RegionTree::Standing::kLeader, dice, [](const auto&) { return true; });
    if (!region) {
      count_event(name(), "no-leader");
      continue;
    }
    const auto* heir = best_heir(*region, cluster);
    if (heir == nullptr) {
      count_event(name(), "no-target-store");
      continue;
    }
    auto plan = plan_transfer_leader({"evict-leader", OperatorKind::kLeader, Priority::kUrgent}, *region,
                                     StoreId(heir->store_id()));
    if (plan) return Proposal{region, std::move(*plan)};
  }
  return std::nullopt;
}

const std::string& GrantLeader::name() const {
  static const std::string name = "grant-leader-scheduler";
  return name;
}

std::optional<Proposal> GrantLeader::propose(const ClusterView& cluster, runtime::Random& dice) const {
  for (const StoreId id : stores_) {
    const auto store = cluster.store(id);
    if (!store || refuse_to_take_leaders(cluster, *store) != nullptr) continue;
    const auto region = pick_region(cluster, id, RegionTree::Standing::kFollower, dice, has_no_down_peer);
    if (!region) {
      count_event(name(), "no-follower");
      continue;
    }
    auto plan = plan_transfer_leader({"grant-leader", OperatorKind::kLeader, Priority::kHigh}, *region, id);
    if (plan) return Proposal{region, std::move(*plan)};
  }
  return std::nullopt;
}

}  // namespace cairn::pd
