// Scores: how full a store is of leaders or regions, by its weight and by the room on its disk. Balance takes from high
// scores and gives to low ones. PD's formulas. Pure. Tests: scores_test.cc.
#pragma once

#include "pd/schedule/view.h"

namespace cairn::pd {

// Little room is left on its disk: nothing more is to come. A store of few regions has room as long as a few gigabytes
// are left, so that a small cluster on a machine with other work is one that works.
bool is_low_on_space(const StoreView& store, const ScheduleConfig& config);

// With `delta` leaders, or MiB of them, more: as config.leader_schedule_policy has it.
double leader_score(const StoreView& store, const ScheduleConfig& config, int64_t delta);
// With `delta_mib` more.
double region_score(const StoreView& store, const ScheduleConfig& config, int64_t delta_mib);

// What operators under way will change of that.
int64_t leader_influence(const StoreView& store, const ScheduleConfig& config);
inline int64_t region_influence(const StoreView& store) { return store.influence.size_mib; }

// A difference of so much is left as it is: in leaders (or MiB of them), in MiB.
int64_t tolerable_leaders(const ClusterView& cluster);
int64_t tolerable_mib(const ClusterView& cluster);

// Whether to move something of so many MiB from a store to another: afterwards the first one would still be the fuller
// one, with what is tolerated and with what operators under way change in the direction that speaks against it. So
// nothing that was moved for the sake of balance is moved back for it.
bool is_leader_move_worth_it(const ClusterView& cluster, const StoreView& source, const StoreView& target,
                             uint64_t mib);
bool is_region_move_worth_it(const ClusterView& cluster, const StoreView& source, const StoreView& target,
                             uint64_t mib);

}  // namespace cairn::pd
