// Regions as PD's HTTP API shows them. Pure: a region never changes once it is in the tree, so lists are written on
// another thread. Tests: pages_test.cc.
#pragma once

#include <string>
#include <vector>

#include "pd/cluster/region_tree.h"
#include "pd/http/pages.h"

namespace cairn::pd {

Json region_json(const RegionInfo& region);
// {"count": ..., "regions": [...]}
std::string regions_json(const std::vector<RegionPtr>& regions);

}  // namespace cairn::pd
