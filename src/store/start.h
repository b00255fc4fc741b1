// How a store begins (protocol d.1): who it is, the cluster's first region if there is none, and the regions it has.
// Tests: store_test.cc.
#pragma once

#include <memory>
#include <vector>

#include "runtime/task.h"
#include "store/pd_session.h"
#include "store/shard.h"
#include "store/shared.h"

namespace cairn::store {

// Sets shared.cluster and shared.store; bootstraps the cluster if need be. On the session's executor.
runtime::Task<Result<void, StoreError>> identify(Shared& shared, std::shared_ptr<PdSession> pd);

// Finishes what a crash interrupted (snapshots, destroyed peers and their data) and reads the regions. Nothing else may
// use the engines yet. By region id.
engine::Result<std::vector<Shard::LoadedRegion>> load_regions(Shared& shared);

}  // namespace cairn::store
