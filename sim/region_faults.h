// Faults of the regions' shape: they are split, and their peers change, at the worst moment that can be arranged.
#pragma once

#include "runtime/async.h"
#include "runtime/random.h"
#include "sim/world.h"

namespace cairn::sim {

// Splits one of the regions, at one key or two.
void split_region(World* world, runtime::Executor* executor, runtime::Random& dice);

// A change of a region's membership, as an operator of PD would order it: a peer more, a peer less, or one for another
// at once. PD's own checkers then see a region that is not as they want it, and go on from there.
runtime::Task<void> change_membership(World* world, runtime::Executor* executor, runtime::Random dice);

}  // namespace cairn::sim
