#include "engine/rocks/rocks_options.h"

#include <rocksdb/cache.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>

#include <algorithm>

#include "base/codec.h"
#include "engine/rocks/watched_reads.h"

namespace cairn::engine::rocks {
namespace {

class TimestampPrefix final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "cairn.without_timestamp"; }
  // Iterators call it for any key, in the domain or not.
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override {
    return InDomain(key) ? rocksdb::Slice(key.data(), key.size() - codec::kTimestampSize) : key;
  }
  bool InDomain(const rocksdb::Slice& key) const override { return key.size() >= codec::kTimestampSize; }
};

}  // namespace

std::shared_ptr<const rocksdb::SliceTransform> timestamp_prefix() { return std::make_shared<TimestampPrefix>(); }

rocksdb::ColumnFamilyOptions column_family_options(Cf cf, const RocksKvOptions& options,
                                                   const std::shared_ptr<rocksdb::Cache>& cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache;
  table.block_size = 16 << 10;
  table.format_version = 5;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  // Indexes and filters live in the cache, so that memory stays bounded however much data there is.
  table.cache_index_and_filter_blocks = true;
  table.cache_index_and_filter_blocks_with_high_priority = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  // Keys of the write column family are looked for by prefix only. The default one also holds raw keys, which have no
  // timestamp, and values sought by their whole key.
  table.whole_key_filtering = cf != Cf::kWrite;

  rocksdb::ColumnFamilyOptions family;
  family.comparator = rocksdb::BytewiseComparator();
  family.compression = rocksdb::kLZ4Compression;
  family.bottommost_compression = rocksdb::kZSTD;
  family.level_compaction_dynamic_level_bytes = true;
  family.target_file_size_base = uint64_t{32} << 20;
  family.max_bytes_for_level_base = uint64_t{256} << 20;
  // A flush takes all column families at once, so a small one may queue several memtables behind a large one's.
  family.max_write_buffer_number = options.memtables_max;
  family.level0_slowdown_writes_trigger = options.l0_files_slow;
  family.level0_stop_writes_trigger = std::max(36, options.l0_files_slow * 2);
  family.soft_pending_compaction_bytes_limit = options.compaction_bytes_slow;
  family.hard_pending_compaction_bytes_limit = options.compaction_bytes_stop;
  family.memtable_huge_page_size = 0;
  switch (cf) {
    case Cf::kDefault:
    case Cf::kWrite:
      family.write_buffer_size = options.write_buffer_bytes;
      family.prefix_extractor = timestamp_prefix();
      family.memtable_prefix_bloom_size_ratio = 0.05;
      family.memtable_whole_key_filtering = cf == Cf::kDefault;
      break;
    case Cf::kLock:
      family.write_buffer_size = options.lock_write_buffer_bytes;
      family.memtable_prefix_bloom_size_ratio = 0.05;
      family.memtable_whole_key_filtering = true;
      family.compression = rocksdb::kNoCompression;  // locks are short and short-lived
      family.bottommost_compression = rocksdb::kDisableCompressionOption;
      break;
    case Cf::kRaft:
      family.write_buffer_size = options.raft_write_buffer_bytes;
      family.compression = rocksdb::kNoCompression;
      family.bottommost_compression = rocksdb::kDisableCompressionOption;
      break;
  }
  family.table_factory =
      watched_tables(std::shared_ptr<rocksdb::TableFactory>(rocksdb::NewBlockBasedTableFactory(table)));
  return family;
}

void set_common_options(rocksdb::DBOptions& options) {
  options.create_if_missing = true;
  options.info_log_level = rocksdb::WARN_LEVEL;
  options.keep_log_file_num = 3;
  options.max_log_file_size = 4 << 20;
  options.max_manifest_file_size = uint64_t{64} << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.max_bgerror_resume_count = 0;
  options.bytes_per_sync = 1 << 20;
  options.recycle_log_file_num = 0;  // a recycled log has old records behind its tail: damage could not be told
}

}  // namespace cairn::engine::rocks
