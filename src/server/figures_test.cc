// The fields of ExecDetailsV2, each from what it must tell of, with times that all differ.
#include "server/figures.h"

#include <gtest/gtest.h>

namespace cairn::server {
namespace {

constexpr Instant at(int64_t us) { return Instant{std::chrono::microseconds(us)}; }
constexpr uint64_t us(uint64_t n) { return n * 1000; }

TEST(Figures, AReadsTimeIsWhatItWaitedRanAndWasSuspended) {
  kvrpcpb::ExecDetailsV2 details;
  put_read_times(details, {.arrived = at(1000), .begun = at(1100), .ready = at(1300), .suspended = 500us}, at(3000));
  const auto& times = details.time_detail_v2();
  EXPECT_EQ(times.wait_wall_time_ns(), us(300)) << "for the pool and for its view";
  EXPECT_EQ(times.process_wall_time_ns(), us(1200)) << "without what it was suspended for";
  EXPECT_EQ(times.process_suspend_wall_time_ns(), us(500));
  EXPECT_EQ(times.kv_read_wall_time_ns(), us(2000));
  EXPECT_EQ(times.total_rpc_wall_time_ns(), us(2000));
  EXPECT_EQ(details.scan_detail_v2().read_pool_schedule_wait_nanos(), us(100));
  EXPECT_EQ(details.scan_detail_v2().get_snapshot_nanos(), us(200));
  const auto& old = details.time_detail();
  EXPECT_EQ(old.kv_read_wall_time_ms(), 2u);
  EXPECT_EQ(old.process_wall_time_ms(), 1u);
  EXPECT_EQ(old.wait_wall_time_ms(), 0u);
  EXPECT_EQ(old.total_rpc_wall_time_ns(), us(2000));
}

TEST(Figures, AWritesStagesAreThoseOfTikv) {
  txn::CommandFigures figures;
  figures.latch_wait = 10us;
  figures.snapshot_wait = 20us;
  figures.process = 40us;
  figures.pool_wait = 80us;
  figures.lock_wait = 160us;
  figures.reads = {.versions = 7, .found = 3, .found_bytes = 300};
  figures.work = {.cache_hits = 11,
                  .blocks_read = 2,
                  .bytes_read = 8192,
                  .read_time = 5us,
                  .keys_skipped = 13,
                  .deletions_skipped = 4};
  figures.write = {.proposed = at(1000),
                   .sent = at(1001),
                   .queued = at(1003),
                   .write_begun = at(1007),
                   .written = at(1015),
                   .persisted = at(1031),
                   .committed = at(1063),
                   .apply_begun = at(1127),
                   .applied = at(1255)};
  kvrpcpb::ExecDetailsV2 details;
  put_write_figures(details, figures);
  const auto& write = details.write_detail();
  EXPECT_EQ(write.latch_wait_nanos(), us(10));
  EXPECT_EQ(write.process_nanos(), us(40));
  EXPECT_EQ(write.pessimistic_lock_wait_nanos(), us(160));
  EXPECT_EQ(write.store_batch_wait_nanos(), us(1)) << "from its proposal until the round that sends it";
  EXPECT_EQ(write.raft_db_write_leader_wait_nanos(), us(4)) << "in the log writer's queue";
  EXPECT_EQ(write.raft_db_sync_log_nanos(), us(8));
  EXPECT_EQ(write.persist_log_nanos(), us(28)) << "from the queue until the shard hears of it";
  EXPECT_EQ(write.commit_log_nanos(), us(62)) << "from the round that sends it until a majority has it";
  EXPECT_EQ(write.apply_batch_wait_nanos(), us(64));
  EXPECT_EQ(write.apply_log_nanos(), us(128));
  const auto& scan = details.scan_detail_v2();
  EXPECT_EQ(scan.get_snapshot_nanos(), us(20));
  EXPECT_EQ(scan.total_versions(), 7u);
  EXPECT_EQ(scan.processed_versions(), 3u);
  EXPECT_EQ(scan.processed_versions_size(), 300u);
  EXPECT_EQ(scan.rocksdb_block_cache_hit_count(), 11u);
  EXPECT_EQ(scan.rocksdb_block_read_count(), 2u);
  EXPECT_EQ(scan.rocksdb_block_read_byte(), 8192u);
  EXPECT_EQ(scan.rocksdb_block_read_nanos(), us(5));
  EXPECT_EQ(scan.rocksdb_key_skipped_count(), 13u);
  EXPECT_EQ(scan.rocksdb_delete_skipped_count(), 4u);
  EXPECT_EQ(details.time_detail_v2().wait_wall_time_ns(), us(10 + 20 + 80 + 160));
  EXPECT_EQ(details.time_detail_v2().process_wall_time_ns(), us(40));
}

TEST(Figures, AStageThatAWriteDidNotComeToTakesNoTime) {
  txn::CommandFigures figures;
  figures.write = {.proposed = at(1000), .sent = at(1001), .committed = at(1005)};
  kvrpcpb::ExecDetailsV2 details;
  put_write_figures(details, figures);
  EXPECT_EQ(details.write_detail().persist_log_nanos(), 0u);
  EXPECT_EQ(details.write_detail().raft_db_sync_log_nanos(), 0u);
  EXPECT_EQ(details.write_detail().apply_log_nanos(), 0u);
  EXPECT_EQ(details.write_detail().commit_log_nanos(), us(4));
}

}  // namespace
}  // namespace cairn::server
