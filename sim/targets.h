// Whom a fault hits: stores, leaders, followers; and what cuts one of them off. The nemesis draws from these by its
// dice.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "engine/region_request.h"
#include "runtime/random.h"
#include "sim/world.h"
#include "store/store.h"

namespace cairn::sim {

// A region's leader, as its store shows it; and that store.
using Leader = std::pair<StoreHost*, store::RegionStatus>;

// One of all leaders; empty: there is none.
std::optional<Leader> draw_leader(World& world, runtime::Random& dice);
// The region's leader; empty: none of the stores that are up leads it.
std::optional<Leader> find_leader(World& world, RegionId region);
// The stores of the region's other peers that are up, in any order.
std::vector<StoreHost*> followers_of(World& world, const Leader& leader, runtime::Random& dice);
// One of the region's voters other than the leader.
std::optional<engine::PeerDescription> draw_heir(const Leader& leader, runtime::Random& dice);
// Cuts a node off from all other nodes. Clients still reach it: a leader that is cut off must not go on answering them.
void cut_off(World& world, NodeId alone);

}  // namespace cairn::sim
