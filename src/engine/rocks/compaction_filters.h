// The seam between RocksDB's compaction filters and ours, and the counts that our tables carry about themselves.
// Tests: kv_contract_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "engine/kv_engine.h"

namespace rocksdb {
class CompactionFilterFactory;
class TablePropertiesCollectorFactory;
struct TableProperties;
}  // namespace rocksdb

namespace cairn::engine::rocks {

// Holds the filters of an engine, which come when it has long been open. Thread-safe.
class FilterSlot {
 public:
  void set(std::shared_ptr<CompactionFilterFactory> factory) {
    MutexLock lock(mutex_);
    factory_ = std::move(factory);
  }
  std::shared_ptr<CompactionFilterFactory> get() const {
    MutexLock lock(mutex_);
    return factory_;
  }

 private:
  mutable Mutex mutex_;
  std::shared_ptr<CompactionFilterFactory> factory_ CAIRN_GUARDED_BY(mutex_);
};

// What RocksDB asks for a filter at each compaction of the column family.
std::shared_ptr<rocksdb::CompactionFilterFactory> filter_factory(Cf cf, std::shared_ptr<FilterSlot> slot);

// Counts versions, rows and deletions of each table of the write column family, under TiKV's property names.
std::shared_ptr<rocksdb::TablePropertiesCollectorFactory> version_counter();

// The counts of a table; versions, rows and deletes are 0 if it was not counted. Without its keys.
TableStats stats_of(const rocksdb::TableProperties& properties);

}  // namespace cairn::engine::rocks
