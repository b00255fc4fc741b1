// Scatterer: spreads the peers and leaders of the regions of one group, which somebody is about to write to, evenly
// over the stores: each region goes where the group has the fewest so far. Groups are forgotten a while after their
// last region. Pure: time comes in. Owned by Coordinator. Tests: scripts_test.cc.
#pragma once

#include <map>
#include <string>

#include "pd/schedule/operator.h"

namespace cairn::pd {

class Scatterer {
 public:
  // The plan for one more region of the group; no plan: it lies well already. The text says why it cannot be
  // scattered. What it is going to be is counted.
  Result<std::optional<Plan>, std::string> scatter(const RegionInfo& region, const std::string& group,
                                                   const ClusterView& cluster);
  void clear() { groups_.clear(); }

 private:
  struct Group {
    std::map<StoreId, uint64_t> peers;
    std::map<StoreId, uint64_t> leaders;
    Instant used;
  };
  void forget_old(Instant now);

  std::map<std::string, Group> groups_;
};

}  // namespace cairn::pd
