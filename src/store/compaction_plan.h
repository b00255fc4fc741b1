// Which ranges of a column family are worth compacting by hand: those of tables that consist of waste to a good part.
// RocksDB itself compacts by size, so versions that nobody reads and tombstones may lie for ever where nothing is
// written any more. Pure. Tests: compaction_plan_test.cc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/kv_engine.h"
#include "store/options.h"

namespace cairn::store {

struct CompactionRange {
  Bytes begin, end;    // both included
  uint64_t waste = 0;  // tombstones, and versions that may go
  friend bool operator==(const CompactionRange&, const CompactionRange&) = default;
};

// Whether old versions count as waste: not if none can go that could not go at the last look.
enum class OldVersions : uint8_t { kCount, kIgnore };

// The ranges, disjoint, most waste first, `ranges_max` at most.
std::vector<CompactionRange> plan_compactions(const std::vector<engine::TableStats>& tables, const GcOptions& options,
                                              OldVersions old_versions, size_t ranges_max);

}  // namespace cairn::store
