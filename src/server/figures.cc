#include "server/figures.h"

#include <algorithm>

namespace cairn::server {
namespace {

constexpr uint64_t kNsPerMs = 1'000'000;

uint64_t ns(Duration duration) { return static_cast<uint64_t>(std::max<int64_t>(0, duration.count())); }

// Between two stages of a write; 0 if it did not come to both. A leader may learn of a commit before its own disk has
// the entry.
uint64_t between(Instant from, Instant to) { return from == Instant() || to == Instant() ? 0 : ns(to - from); }

}  // namespace

void put_read_figures(kvrpcpb::ExecDetailsV2& details, const mvcc::ReadFigures& figures) {
  auto& scan = *details.mutable_scan_detail_v2();
  scan.set_total_versions(figures.versions);
  scan.set_processed_versions(figures.found);
  scan.set_processed_versions_size(figures.found_bytes);
}

void put_read_work(kvrpcpb::ExecDetailsV2& details, const engine::ReadWork& work) {
  auto& scan = *details.mutable_scan_detail_v2();
  scan.set_rocksdb_block_cache_hit_count(work.cache_hits);
  scan.set_rocksdb_block_read_count(work.blocks_read);
  scan.set_rocksdb_block_read_byte(work.bytes_read);
  scan.set_rocksdb_block_read_nanos(ns(work.read_time));
  scan.set_rocksdb_key_skipped_count(work.keys_skipped);
  scan.set_rocksdb_delete_skipped_count(work.deletions_skipped);
}

void put_total_time(kvrpcpb::ExecDetailsV2& details, Duration took) {
  details.mutable_time_detail_v2()->set_total_rpc_wall_time_ns(ns(took));
  details.mutable_time_detail()->set_total_rpc_wall_time_ns(ns(took));
}

void put_read_times(kvrpcpb::ExecDetailsV2& details, const ReadStages& stages, Instant now) {
  const uint64_t total = ns(now - stages.arrived);
  const uint64_t wait = ns(stages.ready - stages.arrived);
  const uint64_t process = ns(now - stages.ready - stages.suspended);
  auto& scan = *details.mutable_scan_detail_v2();
  scan.set_read_pool_schedule_wait_nanos(ns(stages.begun - stages.arrived));
  scan.set_get_snapshot_nanos(ns(stages.ready - stages.begun));
  auto& times = *details.mutable_time_detail_v2();
  times.set_wait_wall_time_ns(wait);
  times.set_process_wall_time_ns(process);
  times.set_process_suspend_wall_time_ns(ns(stages.suspended));
  times.set_kv_read_wall_time_ns(total);
  auto& old = *details.mutable_time_detail();
  old.set_wait_wall_time_ms(wait / kNsPerMs);
  old.set_process_wall_time_ms(process / kNsPerMs);
  old.set_kv_read_wall_time_ms(total / kNsPerMs);
  put_total_time(details, now - stages.arrived);
}

void put_write_figures(kvrpcpb::ExecDetailsV2& details, const txn::CommandFigures& figures) {
  put_read_figures(details, figures.reads);
  put_read_work(details, figures.work);
  details.mutable_scan_detail_v2()->set_get_snapshot_nanos(ns(figures.snapshot_wait));
  auto& write = *details.mutable_write_detail();
  write.set_latch_wait_nanos(ns(figures.latch_wait));
  write.set_process_nanos(ns(figures.process));
  write.set_pessimistic_lock_wait_nanos(ns(figures.lock_wait));
  const auto& times = figures.write;
  write.set_store_batch_wait_nanos(between(times.proposed, times.sent));
  write.set_persist_log_nanos(between(times.queued, times.persisted));
  write.set_raft_db_write_leader_wait_nanos(between(times.queued, times.write_begun));
  write.set_raft_db_sync_log_nanos(between(times.write_begun, times.written));
  write.set_commit_log_nanos(between(times.sent, times.committed));
  write.set_apply_batch_wait_nanos(between(times.committed, times.apply_begun));
  write.set_apply_log_nanos(between(times.apply_begun, times.applied));
  auto& total = *details.mutable_time_detail_v2();
  total.set_wait_wall_time_ns(ns(figures.latch_wait + figures.snapshot_wait + figures.lock_wait + figures.pool_wait));
  total.set_process_wall_time_ns(ns(figures.process));
}

}  // namespace cairn::server
