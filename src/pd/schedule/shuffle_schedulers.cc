#include "pd/schedule/shuffle_schedulers.h"

#include "pd/schedule/balance_region.h"
#include "pd/schedule/filters.h"
#include "pd/schedule/plans.h"

namespace cairn::pd {
namespace {

bool is_quiet(const RegionInfo& region) { return region.pending_peers.empty() && region.down_peers.empty(); }

}  // namespace

const std::string& ShuffleLeader::name() const {
  static const std::string name = "shuffle-leader-scheduler";
  return name;
}

std::optional<Proposal> ShuffleLeader::propose(const ClusterView& cluster, runtime::Random& dice) const {
  const auto targets = select_stores(cluster, name().c_str(), Side::kTarget, refuse_to_take_leaders);
  if (targets.empty()) return std::nullopt;
  const StoreId to = targets[dice.below(targets.size())].id();
  const auto region = pick_region(cluster, to, RegionTree::Standing::kFollower, dice, is_quiet);
  if (!region) return std::nullopt;
  auto plan = plan_transfer_leader({"shuffle-leader", OperatorKind::kLeader, Priority::kLow}, *region, to);
  if (!plan) return std::nullopt;
  return Proposal{region, std::move(*plan)};
}

const std::string& ShuffleRegion::name() const {
  static const std::string name = "shuffle-region-scheduler";
  return name;
}

std::optional<Proposal> ShuffleRegion::propose(const ClusterView& cluster, runtime::Random& dice) const {
  using Standing = RegionTree::Standing;
  const auto sources = select_stores(cluster, name().c_str(), Side::kSource, refuse_to_give_regions);
  if (sources.empty()) return std::nullopt;
  const StoreId from = sources[dice.below(sources.size())].id();
  const auto is_fit = [&](const RegionInfo& region) { return is_quiet(region) && is_replicated(region, cluster); };
  auto region = pick_region(cluster, from, Standing::kFollower, dice, is_fit);
  if (!region) region = pick_region(cluster, from, Standing::kLeader, dice, is_fit);
  if (!region) return std::nullopt;
  std::vector<StoreId> targets;
  for (const auto& store : select_stores(cluster, name().c_str(), Side::kTarget, refuse_to_take_regions)) {
    if (region->peer_on(store.id()) == nullptr && keeps_isolation(*region, cluster, from, store.id())) {
      targets.push_back(store.id());
    }
  }
  if (targets.empty()) return std::nullopt;
  const StoreId to = targets[dice.below(targets.size())];
  auto plan = plan_move_peer({"shuffle-region", OperatorKind::kRegion, Priority::kLow}, *region, {from, to}, cluster);
  if (!plan) return std::nullopt;
  return Proposal{region, std::move(*plan)};
}

}  // namespace cairn::pd
