#include "pd/schedule/replica_checker.h"

#include <algorithm>

#include "pd/schedule/filters.h"
#include "pd/schedule/location.h"
#include "pd/schedule/plans.h"

namespace cairn::pd {
namespace {

// Whether a peer there is lost or about to be: a store that PD does not know counts as such.
enum class Standing { kGood, kDown, kOffline };
Standing standing(const RegionInfo& region, const metapb::Peer& peer, const ClusterView& cluster) {
  const auto store = cluster.store(StoreId(peer.store_id()));
  if (!store || store->health == StoreHealth::kTombstone) return Standing::kDown;
  if (store->health == StoreHealth::kDown) {
    // The leader must agree: a store that only PD does not hear still serves.
    return peer.id() == region.leader.id() || !region.is_down(peer.id()) ? Standing::kGood : Standing::kDown;
  }
  return store->health == StoreHealth::kOffline ? Standing::kOffline : Standing::kGood;
}

bool is_healthy(const RegionInfo& region, const metapb::Peer& peer) {
  return !region.is_down(peer.id()) && !region.is_pending(peer.id());
}

class Checker {
 public:
  Checker(const RegionInfo& region, const ClusterView& cluster)
      : region_(region), cluster_(cluster), config_(cluster.config()) {
    for (const auto& peer : region.meta.peers()) {
      const auto store = cluster.store(StoreId(peer.store_id()));
      if (store && store->is_columnar()) continue;  // its learners are not ours to judge
      (peer.role() == metapb::Learner ? learners_ : voters_).push_back(&peer);
    }
  }

  std::optional<Plan> run() const {
    if (in_joint_state(region_.meta)) return leave_joint();
    if (auto plan = settle_learner()) return plan;
    if (config_.enable_remove_down_replica) {
      if (auto plan = replace(Standing::kDown, "replace-down-replica")) return urgent(std::move(plan));
    }
    if (config_.enable_replace_offline_replica) {
      if (auto plan = replace(Standing::kOffline, "replace-offline-replica")) return urgent(std::move(plan));
    }
    if (voters_.size() + learners_.size() < config_.max_replicas) {
      return config_.enable_make_up_replica ? urgent(make_up()) : std::nullopt;
    }
    if (voters_.size() > config_.max_replicas) {
      return config_.enable_remove_extra_replica ? remove_extra() : std::nullopt;
    }
    return config_.enable_location_replacement ? improve_location() : std::nullopt;
  }

 private:
  static std::optional<Plan> urgent(std::optional<Plan> plan) {
    if (plan) plan->priority = Priority::kHigh;
    return plan;
  }

  // A leader that becomes a learner by it would refuse.
  std::optional<Plan> leave_joint() const {
    Plan plan{"leave-joint", {}};
    if (is_demoted(region_.meta, region_.leader.id())) {
      auto hand_over = hand_over_to_heir();
      if (!hand_over) return std::nullopt;
      plan.steps.push_back(*hand_over);
    }
    plan.steps.push_back(LeaveJoint{});
    return plan;
  }

  // Gives the lead to another healthy voter that stays one.
  std::optional<TransferLeader> hand_over_to_heir() const {
    auto heir = std::find_if(voters_.begin(), voters_.end(), [&](const auto* voter) {
      const auto store = cluster_.store(StoreId(voter->store_id()));
      return voter->id() != region_.leader.id() && voter->role() != metapb::DemotingVoter &&
             is_healthy(region_, *voter) && !voter->is_witness() && store && store->health == StoreHealth::kUp;
    });
    if (heir == voters_.end()) return std::nullopt;
    return TransferLeader{StoreId(region_.leader.store_id()), StoreId((*heir)->store_id()), (*heir)->id()};
  }

  std::optional<Plan> settle_learner() const {
    for (const auto* learner : learners_) {
      const bool lost = standing(region_, *learner, cluster_) != Standing::kGood;
      if (lost || voters_.size() > config_.max_replicas) return removal(*learner, "remove-orphan-learner");
      // One more than wanted is let in: it is a replacement whose operator was lost, and the extra goes later.
      if (is_healthy(region_, *learner)) {
        return Plan{"promote-learner", {PromoteLearner{StoreId(learner->store_id()), learner->id()}}};
      }
    }
    return std::nullopt;
  }

  std::optional<Plan> replace(Standing what, const char* desc) const {
    for (const auto* voter : voters_) {
      if (standing(region_, *voter, cluster_) != what) continue;
      if (voters_.size() > config_.max_replicas) return removal(*voter, desc);
      if (!learners_.empty()) return std::nullopt;  // a newcomer is on its way
      auto target = best_store(region_, cluster_, {.leaving = StoreId(voter->store_id())});
      if (!target) continue;
      auto last = removal(*voter, desc);
      if (!last) continue;
      Plan plan{desc, {AddLearner{*target}, PromoteLearner{*target}}};
      plan.steps.insert(plan.steps.end(), last->steps.begin(), last->steps.end());
      return plan;
    }
    return std::nullopt;
  }

  std::optional<Plan> make_up() const {
    auto target = best_store(region_, cluster_);
    if (!target) return std::nullopt;
    return Plan{"make-up-replica", {AddLearner{*target}, PromoteLearner{*target}}};
  }

  std::optional<Plan> remove_extra() const {
    // The worst goes: one that does not answer, else one that lies closest to others, or on the fullest store; the
    // leader last.
    auto rank = [&](const metapb::Peer* peer) {
      const auto store = cluster_.store(StoreId(peer->store_id()));
      return std::tuple(is_healthy(region_, *peer), isolation_of(*peer), peer->id() == region_.leader.id(),
                        UINT64_MAX - (store ? store->count.peers : 0), peer->id());
    };
    const auto* worst = *std::min_element(voters_.begin(), voters_.end(),
                                          [&](const auto* a, const auto* b) { return rank(a) < rank(b); });
    return removal(*worst, "remove-extra-replica");
  }

  double isolation_of(const metapb::Peer& peer) const {
    const auto store = cluster_.store(StoreId(peer.store_id()));
    std::vector<const metapb::Store*> others;
    for (const auto* voter : voters_) {
      const auto other = cluster_.store(StoreId(voter->store_id()));
      if (other) others.push_back(&other->info->meta);
    }
    return store ? isolation_score(store->info->meta, others, config_.location_labels) : 0;
  }

  // The replica that lies closest to others moves to where it lies better.
  std::optional<Plan> improve_location() const {
    if (config_.location_labels.empty() || !learners_.empty() || !region_.pending_peers.empty()) return std::nullopt;
    const metapb::Peer* worst = nullptr;
    for (const auto* voter : voters_) {
      const auto store = cluster_.store(StoreId(voter->store_id()));
      if (!store || refuse_to_give_regions(cluster_, *store) != nullptr) return std::nullopt;
      const auto rank = [&](const metapb::Peer& peer) {
        return std::tuple(isolation_of(peer), UINT64_MAX - cluster_.store(StoreId(peer.store_id()))->count.peers);
      };
      if (worst == nullptr || rank(*voter) < rank(*worst)) worst = voter;
    }
    if (worst == nullptr) return std::nullopt;
    const StoreId from(worst->store_id());
    const auto to = best_store(region_, cluster_, {.leaving = from, .must_lie_better = true});
    if (!to) return std::nullopt;
    return plan_move_peer({"move-to-better-location"}, region_, {from, *to}, cluster_);
  }

  // The steps that take a peer out; none if what is left could not decide, or nobody can take the lead.
  std::optional<Plan> removal(const metapb::Peer& peer, const char* desc) const {
    Plan plan{desc, {}};
    if (peer.id() == region_.leader.id()) {
      auto hand_over = hand_over_to_heir();
      if (!hand_over) return std::nullopt;
      plan.steps.push_back(*hand_over);
    }
    if (peer.role() != metapb::Learner && voters_.size() > config_.max_replicas) {
      const auto healthy = std::count_if(voters_.begin(), voters_.end(), [&](const auto* voter) {
        return voter->id() != peer.id() && is_healthy(region_, *voter);
      });
      if (static_cast<size_t>(healthy) < (voters_.size() - 1) / 2 + 1) return std::nullopt;
    }
    plan.steps.push_back(RemovePeer{StoreId(peer.store_id()), peer.id()});
    return plan;
  }

  const RegionInfo& region_;
  const ClusterView& cluster_;
  const ScheduleConfig& config_;
  std::vector<const metapb::Peer*> voters_;
  std::vector<const metapb::Peer*> learners_;
};

}  // namespace

std::optional<StoreId> best_store(const RegionInfo& region, const ClusterView& cluster, const Wanted& wanted) {
  const auto& config = cluster.config();
  std::vector<const metapb::Store*> others;
  for (const auto& peer : region.meta.peers()) {
    const auto store = cluster.store(StoreId(peer.store_id()));
    if (store && !store->is_columnar() && store->id() != wanted.leaving) others.push_back(&store->info->meta);
  }
  const auto isolation = [&](const StoreView& store) {
    return isolation_score(store.info->meta, others, config.location_labels);
  };
  double least = 0;
  if (wanted.must_lie_better) {
    const auto old = wanted.leaving ? cluster.store(*wanted.leaving) : std::nullopt;
    if (!old) return std::nullopt;
    least = isolation(*old);
  }
  std::vector<StoreView> best;
  double best_isolation = 0;
  for (const auto& store : cluster.stores()) {
    if (store.is_columnar() || region.peer_on(store.id()) != nullptr) continue;
    if (refuse_to_ever_take_regions(cluster, store) != nullptr) continue;
    if (!is_isolated(store.info->meta, others, config.location_labels, config.isolation_level)) continue;
    const double score = isolation(store);
    if (wanted.must_lie_better && score <= least) continue;
    if (!best.empty() && score < best_isolation) continue;
    if (score > best_isolation) best.clear();
    best_isolation = score;
    best.push_back(store);
  }
  std::erase_if(best, [&](const StoreView& store) { return refuse_to_take_regions(cluster, store) != nullptr; });
  const auto load = [](const StoreView& store) {
    return store.count.peers + static_cast<uint64_t>(store.influence.adding);
  };
  const auto emptiest = std::min_element(best.begin(), best.end(),
                                         [&](const StoreView& a, const StoreView& b) { return load(a) < load(b); });
  if (emptiest == best.end()) return std::nullopt;
  return emptiest->id();
}

std::optional<Plan> check_replicas(const RegionInfo& region, const ClusterView& cluster) {
  if (region.leader.id() == 0) return std::nullopt;
  return Checker(region, cluster).run();
}

}  // namespace cairn::pd
