// The replica checker: looks at one region and says what brings it to the wanted number of healthy replicas. Pure: a
// view of the cluster goes in, the steps of an operator come out.
//
// Order of care: a joint change that was left open; a learner that is ready or useless; replicas on stores that are
// down or being emptied (the replacement first, the removal after it); too few; too many; one that lies better by the
// labels of stores (location.h). A peer comes as a learner and is promoted once it has caught up; a leader hands over
// before its peer is removed.
//
// Tests: replica_checker_test.cc (on modelled clusters).
#pragma once

#include <optional>

#include "pd/schedule/operator.h"

namespace cairn::pd {

std::optional<Plan> check_replicas(const RegionInfo& region, const ClusterView& cluster);

// The store to put one more peer of the region on, in the place of the peer on `leaving` if that is given: ordinary,
// without a peer of it, and one that takes regions now. Of those that lie best beside the other replicas the emptiest,
// then the lowest id; if the best are busy for a while, none, rather than a worse one.
struct Wanted {
  std::optional<StoreId> leaving;
  bool must_lie_better = false;  // than `leaving`
};
std::optional<StoreId> best_store(const RegionInfo& region, const ClusterView& cluster, const Wanted& wanted = {});

}  // namespace cairn::pd
