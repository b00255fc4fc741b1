// Does harm to a world, by dice, for a while: see Fault (profile.h) for its kinds. The seed's profile says which come
// most. Tests: world_test.cc.
#pragma once

#include "runtime/random.h"
#include "runtime/task.h"
#include "sim/world.h"

namespace cairn::sim {

// Runs on `executor` for `span`, and on until the world has seen what each seed must see (World::is_eventful) or thrice
// the span has passed. What it broke stays broken, World::heal() ends it.
runtime::Task<void> rage(World* world, runtime::Executor* executor, Duration span, uint64_t seed, bool* is_over);
// The store crashes soon, and starts again: it has just received a snapshot.
runtime::Task<void> crash_installer(StoreHost* host, runtime::Executor* executor, runtime::Random dice);

// A vote has just left the store: the candidate gets it and is then cut off; the voter crashes, perhaps before the vote
// is on its disk, starts again, and is asked by another candidate.
runtime::Task<void> crash_voter(World* world, StoreHost* voter, NodeId candidate, runtime::Executor* executor,
                                runtime::Random dice);

}  // namespace cairn::sim
