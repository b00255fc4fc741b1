// How much room the stores' disks have, and which writes are taken for it. Pure.
//
// A store keeps `reserve` bytes: below it the disk counts as almost full, and only what ends transactions is written;
// below half of it as full, and nothing is but what says that it may: that half is for the engine's own work (flushes,
// compactions, the log). Stores tell one another with their Raft messages, so that a leader refuses what too few
// replicas would have room for. Tests: disk_room_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "base/ids.h"
#include "disk_usage.pb.h"
#include "engine/kv_engine.h"
#include "engine/region_request.h"
#include "metapb.pb.h"

namespace cairn::store {

using disk_usage::DiskUsage;

// A reserve of 0 turns it off; a disk that does not tell its size has room.
DiskUsage judge_disk(const engine::KvEngine::Space& space, uint64_t reserve);

// The disks that have little room; others are not listed.
using DiskUsages = std::map<StoreId, DiskUsage>;

// Nothing if a leader on store `self` may take the write.
std::optional<engine::DiskFull> refuse_for_disk(const metapb::Region& region, StoreId self, const DiskUsages& usages,
                                                engine::DiskFullOpt opt);

}  // namespace cairn::store
