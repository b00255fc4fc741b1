// How the column families are tuned, and why. Tests: rocks/rocks_engine_test.cc.
#pragma once

#include "engine/rocks/rocks_engine.h"

namespace rocksdb {
struct ColumnFamilyOptions;
struct DBOptions;
class Cache;
class SliceTransform;
}  // namespace rocksdb

namespace cairn::engine::rocks {

// The key without its 8-byte timestamp: what the prefix blooms of the write and default column families hold. Shorter
// keys are outside its domain.
std::shared_ptr<const rocksdb::SliceTransform> timestamp_prefix();

// The tuning of one column family of the ordered store; `cache` is shared by all.
rocksdb::ColumnFamilyOptions column_family_options(Cf cf, const RocksKvOptions& options,
                                                   const std::shared_ptr<rocksdb::Cache>& cache);

// What both databases have in common: small logs, no recovery by itself.
void set_common_options(rocksdb::DBOptions& options);

}  // namespace cairn::engine::rocks
