// The scheduler's metrics, under TiKV's names. They decide nothing.
#pragma once

#include "base/metrics.h"
#include "engine/region_metrics.h"
#include "engine/work_metrics.h"
#include "txn/commands.h"

namespace cairn::txn {

// What a command comes to: tikv_scheduler_stage_total.
enum class CommandStage : uint8_t {
  kNew,
  kLockWait,  // it goes and waits for its latches
  kSnapshot,  // it asks for a view of the region
  kSnapshotErr,
  kProcess,     // it computes
  kReadFinish,  // it was over without a write
  kPrepareWriteErr,
  kWrite,  // its changes are proposed
  kPipelinedWrite,
  kWriteFinish,
  kAsyncWriteErr,
};

// Of the commands of one type.
struct CommandMetrics {
  // `type` as TiKV calls it.
  explicit CommandMetrics(const char* type);

  metrics::Family<metrics::Counter> stages;  // by CommandStage
  metrics::Counter& too_busy;
  metrics::Histogram& duration;
  metrics::Histogram& latch_wait;
  metrics::Histogram& process;
  metrics::Histogram& keys_read;
  metrics::Histogram& keys_written;
  metrics::Counter& versions_read;
  metrics::Counter& keys_found;
  metrics::Histogram& block_read;  // of commands that read files
  engine::WorkMetrics work;
};

// Those of a command, by its type.
const CommandMetrics& metrics_of(const Prewrite&);
const CommandMetrics& metrics_of(const PessimisticLock&);
const CommandMetrics& metrics_of(const PessimisticRollback&);
const CommandMetrics& metrics_of(const Commit&);
const CommandMetrics& metrics_of(const BatchRollback&);
const CommandMetrics& metrics_of(const Cleanup&);
const CommandMetrics& metrics_of(const CheckTxnStatus&);
const CommandMetrics& metrics_of(const CheckSecondaryLocks&);
const CommandMetrics& metrics_of(const ResolveLock&);
const CommandMetrics& metrics_of(const TxnHeartBeat&);
const CommandMetrics& metrics_of(const DeleteRange&);

// Of all commands together.
struct SchedulerMetrics {
  metrics::Gauge& commands = metrics::gauge("tikv_scheduler_contex_total", "Commands under way");
  metrics::Gauge& running = metrics::gauge("tikv_scheduler_running_commands", "Commands that wait for no lock");
  metrics::Gauge& bytes =
      metrics::gauge("tikv_scheduler_memory_quota_size", "Bytes of the commands under way, and how many there may be",
                     {{"type", "in_use"}});
  metrics::Gauge& bytes_max =
      metrics::gauge("tikv_scheduler_memory_quota_size", "Bytes of the commands under way, and how many there may be",
                     {{"type", "capacity"}});
  engine::RegionRequestMetrics view{"snapshot"};
  // Looks at the locks of memory for those of a whole region.
  metrics::Histogram& locks_read_to_resolve = locks_read("resolve_lock");
  metrics::Histogram& locks_read_to_roll_back = locks_read("pessimistic_rollback");
  metrics::Gauge& writing_bytes = metrics::gauge("tikv_scheduler_writing_bytes", "Bytes of the commands under way");

  static const SchedulerMetrics& get();

 private:
  static metrics::Histogram& locks_read(const char* type) {
    return metrics::histogram("tikv_storage_mvcc_scan_lock_read_duration_seconds",
                              "How long the locks of memory are looked at for those of a region", metrics::kStepTimes,
                              {{"type", type}});
  }
};

// Waiting for locks of other transactions.
struct LockWaitMetrics {
  metrics::Counter& waits = task("wait_for");
  metrics::Counter& wake_ups = task("wake_up");
  metrics::Counter& detections = task("detect");
  metrics::Counter& deadlocks = error("deadlock");
  metrics::Counter& timeouts = error("timeout");
  metrics::Counter& full = error("waiter_is_full");
  metrics::Gauge& waiters = queue("waiters");
  metrics::Gauge& keys = queue("keys");
  metrics::Gauge& table_waiters = table("txns");
  metrics::Gauge& table_keys = table("locks");
  metrics::Histogram& queue_length = metrics::histogram(
      "tikv_lock_wait_queue_length", "Transactions in the queue that a waiter for a lock joins", metrics::kNumbers);
  metrics::Histogram& lifetime =
      metrics::histogram("tikv_lock_manager_waiter_lifetime_duration",
                         "How long transactions wait for the locks of others", metrics::kStepTimes);

  static const LockWaitMetrics& get();

 private:
  static metrics::Counter& task(const char* type) {
    return metrics::counter("tikv_lock_manager_task_counter", "What was done about waits for locks", {{"type", type}});
  }
  static metrics::Counter& error(const char* type) {
    return metrics::counter("tikv_lock_manager_error_counter", "Waits for locks that came to nothing",
                            {{"type", type}});
  }
  static metrics::Gauge& queue(const char* type) {
    return metrics::gauge("tikv_lock_wait_queue_entries_gauge_vec",
                          "Waiters for locks, and the keys that they wait for", {{"type", type}});
  }
  static metrics::Gauge& table(const char* type) {
    return metrics::gauge("tikv_lock_manager_wait_table_status", "Waiters for locks, and the keys that they wait for",
                          {{"type", type}});
  }
};

// Pessimistic locks of memory.
struct PessimisticLocksMetrics {
  metrics::Counter& kept = result("success");
  metrics::Counter& no_room = result("full");
  metrics::Gauge& bytes = metrics::gauge("tikv_pessimistic_lock_memory_size", "Bytes of pessimistic locks of memory");

  static const PessimisticLocksMetrics& get();

 private:
  static metrics::Counter& result(const char* result) {
    return metrics::counter("tikv_in_memory_pessimistic_locking",
                            "Pessimistic locks that stayed in memory, and that found no room there",
                            {{"result", result}});
  }
};

}  // namespace cairn::txn
