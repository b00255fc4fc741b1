#include "txn/metrics.h"

namespace cairn::txn {
namespace {

metrics::Counter& details(const char* type, const char* tag) {
  return metrics::counter("tikv_scheduler_kv_scan_details", "What commands read",
                          {{"req", type}, {"cf", "write"}, {"tag", tag}});
}

}  // namespace

CommandMetrics::CommandMetrics(const char* type)
    : stages({"new", "lock_wait", "snapshot", "snapshot_err", "process", "read_finish", "prepare_write_err", "write",
              "pipelined_write", "write_finish", "async_write_err"},
             [&](const char* stage) -> metrics::Counter& {
               return metrics::counter("tikv_scheduler_stage_total", "Commands that came to a stage",
                                       {{"type", type}, {"stage", stage}});
             }),
      too_busy(metrics::counter("tikv_scheduler_too_busy_total",
                                "Commands that were refused because there are too many", {{"type", type}})),
      duration(metrics::histogram("tikv_scheduler_command_duration_seconds", "How long commands take",
                                  metrics::kStepTimes, {{"type", type}})),
      latch_wait(metrics::histogram("tikv_scheduler_latch_wait_duration_seconds",
                                    "How long commands wait for others of the same keys", metrics::kStepTimes,
                                    {{"type", type}})),
      process(metrics::histogram("tikv_scheduler_processing_read_duration_seconds",
                                 "How long commands read and compute", metrics::kStepTimes, {{"type", type}})),
      keys_read(metrics::histogram("tikv_scheduler_kv_command_key_read", "Versions of keys that a command looks at",
                                   metrics::kNumbers, {{"type", type}})),
      keys_written(metrics::histogram("tikv_scheduler_kv_command_key_write", "Pairs that a command changes",
                                      metrics::kNumbers, {{"type", type}})),
      versions_read(details(type, "total_versions")),
      keys_found(details(type, "processed_keys")),
      block_read(metrics::histogram("tikv_scheduler_block_read_duration_seconds",
                                    "How long commands that read files wait for them", metrics::kStepTimes,
                                    {{"type", type}})),
      work("tikv_storage_rocksdb_perf", type) {}

#define CAIRN_COMMAND(Command, type)                 \
  const CommandMetrics& metrics_of(const Command&) { \
    static const CommandMetrics of_all(type);        \
    return of_all;                                   \
  }
CAIRN_COMMAND(Prewrite, "prewrite")
CAIRN_COMMAND(PessimisticLock, "acquire_pessimistic_lock")
CAIRN_COMMAND(PessimisticRollback, "pessimistic_rollback")
CAIRN_COMMAND(Commit, "commit")
CAIRN_COMMAND(BatchRollback, "rollback")
CAIRN_COMMAND(Cleanup, "cleanup")
CAIRN_COMMAND(CheckTxnStatus, "check_txn_status")
CAIRN_COMMAND(CheckSecondaryLocks, "check_secondary_locks")
CAIRN_COMMAND(TxnHeartBeat, "txn_heart_beat")
CAIRN_COMMAND(DeleteRange, "delete_range")
#undef CAIRN_COMMAND

const CommandMetrics& metrics_of(const ResolveLock& command) {
  static const CommandMetrics of_region("resolve_lock");
  static const CommandMetrics of_keys("resolve_lock_lite");
  return command.keys.empty() ? of_region : of_keys;
}

const SchedulerMetrics& SchedulerMetrics::get() {
  static const SchedulerMetrics of_all;
  return of_all;
}
const LockWaitMetrics& LockWaitMetrics::get() {
  static const LockWaitMetrics of_all;
  return of_all;
}
const PessimisticLocksMetrics& PessimisticLocksMetrics::get() {
  static const PessimisticLocksMetrics of_all;
  return of_all;
}

}  // namespace cairn::txn
