#include "pd/schedule/balance_leader.h"

#include <algorithm>

#include "pd/schedule/filters.h"
#include "pd/schedule/plans.h"
#include "pd/schedule/scores.h"

namespace cairn::pd {
namespace {

constexpr int kTries = 10;  // regions of a store in one turn

bool is_quiet(const RegionInfo& region) { return region.pending_peers.empty() && region.down_peers.empty(); }

class Turn {
 public:
  Turn(const ClusterView& cluster, runtime::Random& dice, const std::string& name)
      : cluster_(cluster), dice_(dice), name_(name) {}

  std::optional<Proposal> run() {
    auto sources = select_stores(cluster_, name_.c_str(), Side::kSource, refuse_to_give_leaders);
    auto targets = select_stores(cluster_, name_.c_str(), Side::kTarget, refuse_to_take_leaders);
    sort(sources);
    std::reverse(sources.begin(), sources.end());
    sort(targets);
    for (size_t i = 0; i < std::max(sources.size(), targets.size()); ++i) {
      for (int tries = 0; i < sources.size() && tries < kTries; ++tries) {
        if (auto out = move_out(sources[i])) return out;
      }
      for (int tries = 0; i < targets.size() && tries < kTries; ++tries) {
        if (auto in = move_in(targets[i])) return in;
      }
    }
    return std::nullopt;
  }

 private:
  double score(const StoreView& store) const {
    return leader_score(store, cluster_.config(), leader_influence(store, cluster_.config()));
  }
  // The fewest first; of equals the newest store, which is to get its share soon.
  void sort(std::vector<StoreView>& stores) const {
    std::sort(stores.begin(), stores.end(), [&](const StoreView& a, const StoreView& b) {
      return std::tuple(score(a), b.id()) < std::tuple(score(b), a.id());
    });
  }

  std::optional<Proposal> move_out(const StoreView& source) {
    const auto region = pick_region(cluster_, source.id(), RegionTree::Standing::kLeader, dice_, is_quiet);
    if (!region) {
      count_event(name_, "no-leader-region");
      return std::nullopt;
    }
    std::vector<StoreView> targets;
    for (const auto& peer : region->meta.peers()) {
      const auto store = cluster_.store(StoreId(peer.store_id()));
      if (store && peer.id() != region->leader.id() && refuse_to_take_leaders(cluster_, *store) == nullptr) {
        targets.push_back(*store);
      }
    }
    sort(targets);
    for (const auto& target : targets) {
      if (auto proposal = transfer(region, source, target)) return proposal;
    }
    return std::nullopt;
  }

  std::optional<Proposal> move_in(const StoreView& target) {
    const auto region = pick_region(cluster_, target.id(), RegionTree::Standing::kFollower, dice_, is_quiet);
    if (!region) {
      count_event(name_, "no-follower-region");
      return std::nullopt;
    }
    const auto source = cluster_.store(StoreId(region->leader.store_id()));
    if (!source || refuse_to_give_leaders(cluster_, *source) != nullptr) return std::nullopt;
    return transfer(region, *source, target);
  }

  std::optional<Proposal> transfer(const RegionPtr& region, const StoreView& source, const StoreView& target) {
    if (!is_leader_move_worth_it(cluster_, source, target, region->weight_mib())) {
      count_event(name_, "skip");
      return std::nullopt;
    }
    auto plan = plan_transfer_leader({"balance-leader", OperatorKind::kLeader}, *region, target.id());
    if (!plan) return std::nullopt;
    return Proposal{region, std::move(*plan)};
  }

  const ClusterView& cluster_;
  runtime::Random& dice_;
  const std::string& name_;
};

}  // namespace

const std::string& BalanceLeader::name() const {
  static const std::string name = "balance-leader-scheduler";
  return name;
}

std::optional<Proposal> BalanceLeader::propose(const ClusterView& cluster, runtime::Random& dice) const {
  return Turn(cluster, dice, name()).run();
}

}  // namespace cairn::pd
