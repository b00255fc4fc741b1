#include "pd/schedule/replica_checker.h"

#include <algorithm>

namespace cairn::pd {
namespace {

const StoreView* view_of(const ClusterView& cluster, uint64_t store) {
  auto found = cluster.find(StoreId(store));
  return found == cluster.end() ? nullptr : &found->second;
}

// Whether a peer there is lost or about to be: a store that PD does not know counts as such.
enum class Standing { kGood, kDown, kOffline };
Standing standing(const RegionInfo& region, const metapb::Peer& peer, const ClusterView& cluster) {
  const auto* store = view_of(cluster, peer.store_id());
  if (store == nullptr || store->health == StoreHealth::kTombstone) return Standing::kDown;
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
  Checker(const RegionInfo& region, const ClusterView& cluster, const ScheduleConfig& config)
      : region_(region), cluster_(cluster), config_(config) {
    for (const auto& peer : region.meta.peers()) {
      const auto* store = view_of(cluster, peer.store_id());
      if (store != nullptr && store->columnar) continue;  // its learners are not ours to judge
      (peer.role() == metapb::Learner ? learners_ : voters_).push_back(&peer);
    }
  }

  std::optional<Plan> run() const {
    if (in_joint_state(region_.meta)) return leave_joint();
    if (auto plan = settle_learner()) return plan;
    if (auto plan = replace(Standing::kDown, "replace-down-replica")) return plan;
    if (auto plan = replace(Standing::kOffline, "replace-offline-replica")) return plan;
    if (voters_.size() + learners_.size() < config_.max_replicas) return make_up();
    if (voters_.size() > config_.max_replicas) return remove_extra();
    return std::nullopt;
  }

 private:
  // A leader that becomes a learner by it would refuse.
  std::optional<Plan> leave_joint() const {
    Plan plan{"leave-joint", {}};
    if (is_demoted(region_.meta, region_.leader.id())) {
      auto hand_over = hand_over_to_heir();
      if (!hand_over) return std::nullopt;
      plan.steps.push_back(*hand_over);
    }
    plan.steps.push_back({StepKind::kLeaveJoint, {}, 0});
    return plan;
  }

  // Gives the lead to another healthy voter that stays one.
  std::optional<Step> hand_over_to_heir() const {
    auto heir = std::find_if(voters_.begin(), voters_.end(), [&](const auto* voter) {
      const auto* store = view_of(cluster_, voter->store_id());
      return voter->id() != region_.leader.id() && voter->role() != metapb::DemotingVoter &&
             is_healthy(region_, *voter) && !voter->is_witness() && store != nullptr &&
             store->health == StoreHealth::kUp;
    });
    if (heir == voters_.end()) return std::nullopt;
    return Step{StepKind::kTransferLeader, StoreId((*heir)->store_id()), (*heir)->id()};
  }

  std::optional<Plan> settle_learner() const {
    for (const auto* learner : learners_) {
      const bool lost = standing(region_, *learner, cluster_) != Standing::kGood;
      if (lost || voters_.size() > config_.max_replicas) return removal(*learner, "remove-orphan-learner");
      // One more than wanted is let in: it is a replacement whose operator was lost, and the extra goes later.
      if (is_healthy(region_, *learner)) {
        return Plan{"promote-learner", {{StepKind::kPromote, StoreId(learner->store_id()), learner->id()}}};
      }
    }
    return std::nullopt;
  }

  std::optional<Plan> replace(Standing what, const char* desc) const {
    for (const auto* voter : voters_) {
      if (standing(region_, *voter, cluster_) != what) continue;
      if (voters_.size() > config_.max_replicas) return removal(*voter, desc);
      if (!learners_.empty()) return std::nullopt;  // a newcomer is on its way
      auto target = best_store(region_, cluster_, config_);
      if (!target) continue;
      auto last = removal(*voter, desc);
      if (!last) continue;
      Plan plan{desc, {{StepKind::kAddLearner, *target, 0}, {StepKind::kPromote, *target, 0}}};
      plan.steps.insert(plan.steps.end(), last->steps.begin(), last->steps.end());
      return plan;
    }
    return std::nullopt;
  }

  std::optional<Plan> make_up() const {
    auto target = best_store(region_, cluster_, config_);
    if (!target) return std::nullopt;
    return Plan{"make-up-replica", {{StepKind::kAddLearner, *target, 0}, {StepKind::kPromote, *target, 0}}};
  }

  std::optional<Plan> remove_extra() const {
    // The worst goes: one that does not answer, else one of the fullest store; the leader last.
    auto rank = [&](const metapb::Peer* peer) {
      const auto* store = view_of(cluster_, peer->store_id());
      return std::tuple(is_healthy(region_, *peer), peer->id() == region_.leader.id(),
                        UINT64_MAX - (store == nullptr ? 0 : store->peers), peer->id());
    };
    const auto* worst = *std::min_element(voters_.begin(), voters_.end(),
                                          [&](const auto* a, const auto* b) { return rank(a) < rank(b); });
    return removal(*worst, "remove-extra-replica");
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
    plan.steps.push_back({StepKind::kRemovePeer, StoreId(peer.store_id()), peer.id()});
    return plan;
  }

  const RegionInfo& region_;
  const ClusterView& cluster_;
  const ScheduleConfig& config_;
  std::vector<const metapb::Peer*> voters_;
  std::vector<const metapb::Peer*> learners_;
};

}  // namespace

std::optional<StoreId> best_store(const RegionInfo& region, const ClusterView& cluster, const ScheduleConfig& config) {
  std::optional<StoreId> best;
  uint64_t best_load = 0;
  for (const auto& [id, store] : cluster) {
    if (store.health != StoreHealth::kUp || store.columnar || store.adding >= config.store_snapshot_limit) continue;
    if (region.peer_on(id) != nullptr) continue;
    const uint64_t load = store.peers + store.adding;
    if (!best || load < best_load) {
      best = id;
      best_load = load;
    }
  }
  return best;
}

std::optional<Plan> check_replicas(const RegionInfo& region, const ClusterView& cluster, const ScheduleConfig& config) {
  if (region.leader.id() == 0) return std::nullopt;
  return Checker(region, cluster, config).run();
}

}  // namespace cairn::pd
