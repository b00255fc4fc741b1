#include "engine/rocks/perf.h"

#include "engine/rocks/watched_reads.h"

namespace cairn::engine::rocks {

ReadWork read_work_of_thread() {
  const auto& perf = *rocksdb::get_perf_context();
  return {.cache_hits = perf.block_cache_hit_count,
          .blocks_read = perf.block_read_count,
          .bytes_read = perf.block_read_byte,
          .read_time = file_time_of_thread(),
          .keys_skipped = perf.internal_key_skipped_count,
          .deletions_skipped = perf.internal_delete_skipped_count};
}

WritePerf::WritePerf(const char* name)
    : parts_({"write_wal_time", "write_memtable_time", "pre_and_post_process", "write_thread_wait", "write_delay_time",
              "write_scheduling_flushes_compactions_time", "db_mutex_lock_nanos", "db_condition_wait_nanos"},
             [name](const char* type) -> metrics::Histogram& {
               return metrics::histogram(name, "Where the time of writes to RocksDB goes", metrics::kStepTimes,
                                         {{"type", type}});
             }) {}

WritePerf::Times WritePerf::now() {
  const auto& perf = *rocksdb::get_perf_context();
  return {perf.write_wal_time,          perf.write_memtable_time,    perf.write_pre_and_post_process_time,
          perf.write_thread_wait_nanos, perf.write_delay_time,       perf.write_scheduling_flushes_compactions_time,
          perf.db_mutex_lock_nanos,     perf.db_condition_wait_nanos};
}

void WritePerf::note(const Times& before) const {
  const Times after = now();
  for (size_t i = 0; i < kParts; ++i) parts_[i].observe(after[i] - before[i]);
}

}  // namespace cairn::engine::rocks
