// What regions of a range are together, as PD's /stats/region tells it. Pure. Tests: pages_test.cc.
#pragma once

#include <vector>

#include "pd/cluster/region_tree.h"
#include "pd/http/pages.h"

namespace cairn::pd {

Json region_stats_json(const std::vector<RegionPtr>& regions);

}  // namespace cairn::pd
