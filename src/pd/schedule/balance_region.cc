#include "pd/schedule/balance_region.h"

#include <algorithm>

#include "pd/schedule/filters.h"
#include "pd/schedule/location.h"
#include "pd/schedule/plans.h"
#include "pd/schedule/scores.h"

namespace cairn::pd {
namespace {

constexpr int kTries = 10;            // regions of a store in one turn
constexpr size_t kSources = 50;       // of the fullest stores, so that a turn stays short with a thousand of them
constexpr int kTargets = 10;          // of the emptiest that a move to is not worth it
constexpr size_t kManyRegions = 100;  // from here on regions of nearly nothing are not worth a move

class Turn {
 public:
  Turn(const ClusterView& cluster, runtime::Random& dice, const std::string& name)
      : cluster_(cluster), dice_(dice), name_(name) {}

  std::optional<Proposal> run() {
    stores_ = select_stores(cluster_, name_.c_str(), Side::kSource, refuse_to_give_regions);
    const auto score = [&](const StoreView& store) {
      return region_score(store, cluster_.config(), region_influence(store));
    };
    std::sort(stores_.begin(), stores_.end(), [&](const StoreView& a, const StoreView& b) {
      return std::tuple(score(b), a.id()) < std::tuple(score(a), b.id());
    });
    for (size_t i = 0; i + 1 < stores_.size() && i < kSources; ++i) {
      for (int tries = 0; tries < kTries; ++tries) {
        const auto region = pick(stores_[i].id());
        if (!region) {
          count_event(name_, "no-region");
          break;
        }
        if (auto proposal = move(region, i)) return proposal;
      }
    }
    return std::nullopt;
  }

 private:
  // A region whose peer lags there tells of a busy disk: it goes first. A leader is the dearest to move.
  RegionPtr pick(StoreId store) {
    using Standing = RegionTree::Standing;
    const auto is_fit = [&](const RegionInfo& region) {
      const auto leads = cluster_.store(StoreId(region.leader.store_id()));
      const bool is_worth = region.approximate_mib > 1 || cluster_.regions().reported() < kManyRegions;
      return region.down_peers.empty() && is_replicated(region, cluster_) && is_worth && leads &&
             !leads->info->stats.is_busy();
    };
    const auto is_quiet = [&](const RegionInfo& region) { return region.pending_peers.empty() && is_fit(region); };
    if (auto region = pick_region(cluster_, store, Standing::kPending, dice_, is_fit)) return region;
    for (const auto standing : {Standing::kFollower, Standing::kLeader}) {
      if (auto region = pick_region(cluster_, store, standing, dice_, is_quiet)) return region;
    }
    return nullptr;
  }

  std::optional<Proposal> move(const RegionPtr& region, size_t source) {
    const auto& from = stores_[source];
    int in_vain = 0;
    for (size_t i = stores_.size() - 1; i > source && in_vain < kTargets; --i) {
      const auto& to = stores_[i];
      if (region->peer_on(to.id()) != nullptr) continue;
      if (const char* reason = refuse_to_take_regions(cluster_, to)) {
        note_refusal(name_.c_str(), Side::kTarget, reason, to.id());
        continue;
      }
      if (!keeps_isolation(*region, cluster_, from.id(), to.id())) continue;
      if (!is_region_move_worth_it(cluster_, from, to, region->weight_mib())) {
        count_event(name_, "skip");
        ++in_vain;
        continue;
      }
      auto plan = plan_move_peer({"balance-region", OperatorKind::kRegion}, *region, {from.id(), to.id()}, cluster_);
      if (plan) return Proposal{region, std::move(*plan)};
    }
    count_event(name_, "no-replacement");
    return std::nullopt;
  }

  const ClusterView& cluster_;
  runtime::Random& dice_;
  const std::string& name_;
  std::vector<StoreView> stores_;  // the fullest first
};

}  // namespace

bool is_replicated(const RegionInfo& region, const ClusterView& cluster) {
  uint32_t voters = 0;
  for (const auto& peer : region.meta.peers()) {
    const auto store = cluster.store(StoreId(peer.store_id()));
    if (!store) return false;
    if (store->is_columnar()) continue;
    if (peer.role() != metapb::Voter) return false;
    ++voters;
  }
  return voters == cluster.config().max_replicas;
}

bool keeps_isolation(const RegionInfo& region, const ClusterView& cluster, StoreId from, StoreId to) {
  const auto& labels = cluster.config().location_labels;
  const auto source = cluster.store(from);
  const auto target = cluster.store(to);
  if (!source || !target) return false;
  std::vector<const metapb::Store*> others;
  for (const auto& peer : region.meta.peers()) {
    const auto store = cluster.store(StoreId(peer.store_id()));
    if (store && store->id() != from && !store->is_columnar()) others.push_back(&store->info->meta);
  }
  return is_isolated(target->info->meta, others, labels, cluster.config().isolation_level) &&
         isolation_score(target->info->meta, others, labels) >= isolation_score(source->info->meta, others, labels);
}

const std::string& BalanceRegion::name() const {
  static const std::string name = "balance-region-scheduler";
  return name;
}

std::optional<Proposal> BalanceRegion::propose(const ClusterView& cluster, runtime::Random& dice) const {
  return Turn(cluster, dice, name()).run();
}

}  // namespace cairn::pd
