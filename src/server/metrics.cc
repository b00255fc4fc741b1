#include "server/metrics.h"

#include <cctype>

namespace cairn::server {

std::string command_name(std::string_view message) {
  if (message.ends_with("Request")) message.remove_suffix(7);
  if (message.empty()) return "coprocessor";  // its message is just a "Request"
  if (message == "PessimisticLock") return "acquire_pessimistic_lock";
  if (message == "BatchRollback") return "rollback";
  std::string name;
  for (size_t i = 0; i < message.size(); ++i) {
    const char c = message[i];
    // A run of capitals is one word: "RawGetKeyTTL", "RawCAS".
    const bool begins_word = std::isupper(static_cast<unsigned char>(c)) != 0 && i > 0 &&
                             std::isupper(static_cast<unsigned char>(message[i - 1])) == 0;
    if (begins_word) name += '_';
    name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

RequestMetrics::RequestMetrics(const std::string& command)
    : commands(metrics::counter("tikv_storage_command_total", "Commands that were admitted", {{"type", command}})),
      lock_check(metrics::histogram("tikv_storage_check_mem_lock_duration_seconds",
                                    "From a read's admission until locks of memory were looked for",
                                    metrics::kStepTimes, {{"type", command}, {"result", "unlocked"}})),
      work("tikv_storage_rocksdb_perf", command.c_str()) {}

ServerMetrics::ServerMetrics()
    : by_priority({"normal", "low", "high"},
                  [](const char* priority) -> metrics::Counter& {
                    return metrics::counter("tikv_scheduler_commands_pri_total", "Commands that write, by priority",
                                            {{"priority", priority}});
                  }),
      shard_wait(metrics::histogram("tikv_raftstore_request_wait_time_duration_secs",
                                    "From a write's arrival until its shard takes it", metrics::kStepTimes)),
      pool_reads(metrics::gauge("tikv_unified_read_pool_running_tasks", "Reads on the pool, or waiting for it",
                                {{"priority", "medium"}})),
      pool_pending(metrics::gauge("tikv_futurepool_pending_task_total", "Reads on the pool, or waiting for it",
                                  {{"name", "unified-read-pool"}})),
      pool_wait(metrics::histogram("tikv_yatp_pool_schedule_wait_duration", "How long reads wait for the pool",
                                   metrics::kStepTimes, {{"name", "unified-read-pool"}, {"priority", "medium"}})),
      pool_time(metrics::histogram("tikv_yatp_task_exec_duration", "How long reads of the pool take from their begin",
                                   metrics::kStepTimes, {{"name", "unified-read-pool"}})),
      pool_slice_time(metrics::histogram("tikv_yatp_task_poll_duration",
                                         "How long a read of the pool runs until others have their turn",
                                         metrics::kStepTimes, {{"name", "unified-read-pool"}})),
      pool_schedule_time(metrics::histogram(
          "tikv_yatp_pool_schedule_exec_duration", "How long a read of the pool runs until others have their turn",
          metrics::kStepTimes, {{"name", "unified-read-pool"}, {"priority", "medium"}})),
      pool_slices(metrics::histogram("tikv_yatp_task_execute_times", "How many turns a read of the pool takes",
                                     metrics::kNumbers, {{"name", "unified-read-pool"}})),
      pool_handled(metrics::counter("tikv_futurepool_handled_task_total", "Reads that the pool has answered",
                                    {{"name", "unified-read-pool"}})),
      pool_refused(
          metrics::counter("tikv_channel_full_total", "What found its queue full", {{"type", "unified-read-pool"}})) {}

const ServerMetrics& ServerMetrics::get() {
  static const ServerMetrics of_all;
  return of_all;
}

}  // namespace cairn::server
