// What a stopped store holds, region by region, as checksums: to see that replicas are equal byte for byte. Reads the
// ordered store alone; run it on the engine of a store that is not running. Tests: tests/process compares replicas by
// it.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "engine/kv_engine.h"

namespace cairn::store {

struct RegionDigest {
  RegionId region;
  LogIndex applied;
  uint64_t entries = 0;  // pairs over the three data column families
  // CRC-64 over each pair's key and value, lengths before them, in key order; by position in engine::kDataCfs.
  std::array<uint64_t, 3> cfs{};
};

// All regions with a living peer here, by id.
engine::Result<std::vector<RegionDigest>> digest_regions(const engine::KvEngine& kv);

}  // namespace cairn::store
