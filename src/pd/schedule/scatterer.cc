#include "pd/schedule/scatterer.h"

#include <algorithm>
#include <set>

#include "pd/schedule/balance_region.h"
#include "pd/schedule/figures.h"
#include "pd/schedule/filters.h"

namespace cairn::pd {
namespace {

constexpr Duration kKept = std::chrono::minutes(3);

uint64_t count_on(const std::map<StoreId, uint64_t>& counts, StoreId store) {
  const auto found = counts.find(store);
  return found == counts.end() ? 0 : found->second;
}

// A store that a peer could go to, or stays on.
bool may_hold(const ClusterView& cluster, const StoreView& store) {
  return !store.is_columnar() && refuse_to_ever_take_regions(cluster, store) == nullptr &&
         store.health == StoreHealth::kUp && !store.info->stats.is_busy();
}

}  // namespace

void Scatterer::forget_old(Instant now) {
  std::erase_if(groups_, [&](const auto& item) { return now - item.second.used > kKept; });
}

Result<std::optional<Plan>, std::string> Scatterer::scatter(const RegionInfo& region, const std::string& group,
                                                            const ClusterView& cluster) {
  if (region.leader.id() == 0) {
    count_scatter("fail", "no-leader", 1);
    return Err(fmt::format("region {} has no leader", region.id()));
  }
  if (!is_replicated(region, cluster)) {
    count_scatter("fail", "not-replicated", 1);
    return Err(fmt::format("region {} is not fully replicated", region.id()));
  }
  forget_old(cluster.now());
  auto& counts = groups_[group];
  counts.used = cluster.now();

  // Each peer goes where the group has the fewest; it stays where nothing is better.
  std::map<StoreId, uint64_t> places;  // of the region as it will be; peer ids of those that stay
  std::vector<Step> comings;
  std::vector<Step> goings;
  for (const auto& peer : region.meta.peers()) {
    const StoreId from(peer.store_id());
    const auto held = cluster.store(from);
    if (held && held->is_columnar()) continue;
    StoreId best = from;
    for (const auto& store : cluster.stores()) {
      if (region.peer_on(store.id()) != nullptr || places.contains(store.id()) || !may_hold(cluster, store)) continue;
      if (!keeps_isolation(region, cluster, from, store.id())) continue;
      if (count_on(counts.peers, store.id()) < count_on(counts.peers, best)) best = store.id();
    }
    places[best] = best == from ? peer.id() : 0;
    ++counts.peers[best];
    if (best == from) continue;
    comings.emplace_back(AddLearner{best});
    comings.emplace_back(PromoteLearner{best});
    goings.emplace_back(RemovePeer{from, peer.id()});
  }

  // So does the leader.
  const StoreId led(region.leader.store_id());
  std::optional<StoreId> leader;
  for (const auto& [id, peer_id] : places) {
    const auto store = cluster.store(id);
    if (!store || (id != led && refuse_to_take_leaders(cluster, *store) != nullptr)) continue;
    if (id != led && peer_id != 0 && (region.is_down(peer_id) || region.is_pending(peer_id))) continue;
    const auto rank = [&](StoreId one) { return std::tuple(count_on(counts.leaders, one), one != led); };
    if (!leader || rank(id) < rank(*leader)) leader = id;
  }
  if (!leader) return Err(fmt::format("region {} finds no store for its leader", region.id()));
  ++counts.leaders[*leader];
  for (const auto& [id, peer_id] : places) count_scattered(fmt::format("{}", id), "false", 1);
  count_scattered(fmt::format("{}", *leader), "true", 1);
  count_scatter("success", "", 1);
  if (comings.empty() && *leader == led) return std::optional<Plan>();
  Plan plan{
      .desc = "scatter-region", .steps = std::move(comings), .kind = OperatorKind::kAdmin, .priority = Priority::kHigh};
  if (*leader != led) plan.steps.emplace_back(TransferLeader{led, *leader, places[*leader]});
  plan.steps.insert(plan.steps.end(), goings.begin(), goings.end());
  return std::optional<Plan>(std::move(plan));
}

}  // namespace cairn::pd
