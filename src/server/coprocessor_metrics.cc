#include "server/coprocessor_metrics.h"

#include <map>
#include <string_view>

#include "base/mutex.h"

namespace cairn::server {
namespace {

metrics::Histogram& wait_of(const char* request, const char* type) {
  return metrics::histogram("tikv_coprocessor_request_wait_seconds", "How long requests wait until they run",
                            metrics::kStepTimes, {{"req", request}, {"type", type}});
}
metrics::Histogram& keys_of(const char* request, const char* kind) {
  return metrics::histogram("tikv_coprocessor_scan_keys", "Keys that a request scans", metrics::kNumbers,
                            {{"req", request}, {"kind", kind}});
}
metrics::Counter& details(const char* request, const char* tag) {
  return metrics::counter("tikv_coprocessor_scan_details", "What requests scan",
                          {{"req", request}, {"cf", "write"}, {"tag", tag}});
}

}  // namespace

CoprocessorMetrics::CoprocessorMetrics(const char* request)
    : time(metrics::histogram("tikv_coprocessor_request_duration_seconds", "How long requests take",
                              metrics::kStepTimes, {{"req", request}})),
      handle(metrics::histogram("tikv_coprocessor_request_handle_seconds", "How long requests run", metrics::kStepTimes,
                                {{"req", request}})),
      wait(wait_of(request, "all")),
      schedule_wait(wait_of(request, "schedule")),
      snapshot_wait(wait_of(request, "snapshot")),
      keys_looked_at(keys_of(request, "total")),
      keys_found(keys_of(request, "processed_keys")),
      versions(details(request, "total")),
      found(details(request, "processed_keys")),
      work("tikv_coprocessor_rocksdb_perf", request) {}

const CoprocessorMetrics& coprocessor_metrics_of(int64_t kind, const coprocessor::Request::Shape& shape) {
  static const CoprocessorMetrics select("select"), index("index"), table_sum("checksum_table"),
      index_sum("checksum_index"), table_sample("analyze_full_sampling"), index_histogram("analyze_index");
  if (kind == static_cast<int64_t>(coprocessor::Kind::kAnalyze)) {
    return shape.is_over_index ? index_histogram : table_sample;
  }
  if (kind == static_cast<int64_t>(coprocessor::Kind::kChecksum)) return shape.is_over_index ? index_sum : table_sum;
  return shape.is_over_index ? index : select;
}

void note_executors(const std::vector<const char*>& executors) {
  struct Known {
    Mutex mutex;
    std::map<std::string_view, metrics::Counter*> by_name CAIRN_GUARDED_BY(mutex);
  };
  static auto* known = new Known();
  MutexLock lock(known->mutex);
  for (const char* name : executors) {
    auto& counter = known->by_name[name];
    if (counter == nullptr) {
      counter = &metrics::counter("tikv_coprocessor_executor_count", "Executors of plans that ran", {{"type", name}});
    }
    counter->add();
  }
}

void note_coprocessor_error(const char* reason) {
  metrics::counter("tikv_coprocessor_request_error", "Requests that failed", {{"reason", reason}}).add();
}

const char* reason_of(const errorpb::Error& error) {
  if (error.has_not_leader()) return "not_leader";
  if (error.has_region_not_found()) return "region_not_found";
  if (error.has_key_not_in_region()) return "key_not_in_region";
  if (error.has_epoch_not_match()) return "epoch_not_match";
  if (error.has_server_is_busy()) return "server_is_busy";
  if (error.has_stale_command()) return "stale_command";
  if (error.has_store_not_match()) return "store_not_match";
  if (error.has_raft_entry_too_large()) return "raft_entry_too_large";
  return "other";
}

const CoprocessorTotals& CoprocessorTotals::get() {
  static const CoprocessorTotals of_all;
  return of_all;
}

}  // namespace cairn::server
