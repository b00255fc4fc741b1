// Does harm to a world, by dice, for a while: crashes and restarts of stores and PD, partitions, bad weather, clogs,
// pauses, clocks that drift and jump, and what is no fault but stirs: splits and transfers of leadership.
// Tests: world_test.cc.
#pragma once

#include "runtime/random.h"
#include "runtime/task.h"
#include "sim/world.h"

namespace cairn::sim {

// Runs on `executor` until `span` is over; what it broke stays broken, World::heal() ends it.
runtime::Task<void> rage(World* world, runtime::Executor* executor, Duration span, uint64_t seed, bool* is_over);

}  // namespace cairn::sim
