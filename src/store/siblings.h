// The regions that a client with an old picture of a region should hear of, beside the region itself: what was split
// off it lies to its left. Tests: siblings_test.cc.
#pragma once

#include "engine/region_request.h"
#include "store/directory.h"

namespace cairn::store {

// Adds to the error, which names the region asked for, those to its left that may have come of it since `asked`: as
// many as the versions tell of splits. A region too many does no harm, so they are not told apart from older
// neighbours. Any thread.
void add_siblings(engine::EpochNotMatch& error, const engine::RegionEpoch& asked, const RegionDirectory& directory);

}  // namespace cairn::store
