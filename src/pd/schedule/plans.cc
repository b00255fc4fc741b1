#include "pd/schedule/plans.h"

#include "pd/schedule/filters.h"
#include "pd/schedule/scores.h"

namespace cairn::pd {
namespace {

bool can_lead(const RegionInfo& region, const metapb::Peer& peer) {
  const bool votes = peer.role() == metapb::Voter || peer.role() == metapb::IncomingVoter;
  return votes && !peer.is_witness() && !region.is_down(peer.id()) && !region.is_pending(peer.id());
}

Plan plan_of(PlanHead head, std::vector<Step> steps) {
  return {.desc = std::move(head.desc), .steps = std::move(steps), .kind = head.kind, .priority = head.priority};
}

}  // namespace

std::optional<Plan> plan_transfer_leader(PlanHead head, const RegionInfo& region, StoreId to) {
  const auto* heir = region.peer_on(to);
  if (heir == nullptr || heir->id() == region.leader.id() || !can_lead(region, *heir)) return std::nullopt;
  return plan_of(std::move(head), {TransferLeader{StoreId(region.leader.store_id()), to, heir->id()}});
}

const metapb::Peer* best_heir(const RegionInfo& region, const ClusterView& cluster) {
  const metapb::Peer* best = nullptr;
  double best_score = 0;
  for (const auto& peer : region.meta.peers()) {
    if (peer.id() == region.leader.id() || !can_lead(region, peer)) continue;
    const auto store = cluster.store(StoreId(peer.store_id()));
    if (!store || refuse_to_take_leaders(cluster, *store) != nullptr) continue;
    const double score = leader_score(*store, cluster.config(), leader_influence(*store, cluster.config()));
    if (best != nullptr && score >= best_score) continue;
    best = &peer;
    best_score = score;
  }
  return best;
}

std::optional<Plan> plan_move_peer(PlanHead head, const RegionInfo& region, const Move& move,
                                   const ClusterView& cluster) {
  const auto* old = region.peer_on(move.from);
  if (old == nullptr || region.peer_on(move.to) != nullptr) return std::nullopt;
  std::vector<Step> steps{AddLearner{move.to}};
  if (old->role() != metapb::Learner) steps.emplace_back(PromoteLearner{move.to});
  if (old->id() == region.leader.id()) {
    const auto target = cluster.store(move.to);
    if (target && refuse_to_take_leaders(cluster, *target) == nullptr) {
      steps.emplace_back(TransferLeader{move.from, move.to, 0});
    } else if (const auto* heir = best_heir(region, cluster)) {
      steps.emplace_back(TransferLeader{move.from, StoreId(heir->store_id()), heir->id()});
    } else {
      return std::nullopt;
    }
  }
  steps.emplace_back(RemovePeer{move.from, old->id()});
  return plan_of(std::move(head), std::move(steps));
}

}  // namespace cairn::pd
