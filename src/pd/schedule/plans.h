// Plans that several checkers and schedulers make. Pure. Tests: those of who makes them.
#pragma once

#include "pd/schedule/operator.h"

namespace cairn::pd {

struct PlanHead {
  std::string desc;
  OperatorKind kind = OperatorKind::kReplica;
  Priority priority = Priority::kMedium;
};

// The lead goes to the voter on the store. Nothing if there is none that could take it.
std::optional<Plan> plan_transfer_leader(PlanHead head, const RegionInfo& region, StoreId to);
// A peer moves: the newcomer catches up and votes before the other one goes; if that one leads, the lead goes to the
// newcomer, or to another voter where the newcomer's store takes no leaders. Nothing if nobody can take it.
struct Move {
  StoreId from;
  StoreId to;
};
std::optional<Plan> plan_move_peer(PlanHead head, const RegionInfo& region, const Move& move,
                                   const ClusterView& cluster);
// Another healthy voter that could lead now, on a store that takes leaders; the one whose store has the fewest.
const metapb::Peer* best_heir(const RegionInfo& region, const ClusterView& cluster);

}  // namespace cairn::pd
