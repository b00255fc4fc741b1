// The coprocessor's metrics, under TiKV's names. They decide nothing. Tests: coprocessor_test.cc.
#pragma once

#include <vector>

#include "base/metrics.h"
#include "coprocessor.pb.h"
#include "coprocessor/request.h"
#include "engine/work_metrics.h"
#include "errorpb.pb.h"
#include "mvcc/write_cursor.h"

namespace cairn::server {

// Of requests of one kind: TiKV's `req`.
struct CoprocessorMetrics {
  explicit CoprocessorMetrics(const char* request);

  metrics::Histogram& time;           // from its arrival to its answer
  metrics::Histogram& handle;         // running its plan
  metrics::Histogram& wait;           // until it runs
  metrics::Histogram& schedule_wait;  // of that, for the pool
  metrics::Histogram& snapshot_wait;
  metrics::Histogram& keys_looked_at;
  metrics::Histogram& keys_found;
  metrics::Counter& versions;
  metrics::Counter& found;
  engine::WorkMetrics work;
};

// Of a request that began. `kind` is its Request.tp.
const CoprocessorMetrics& coprocessor_metrics_of(int64_t kind, const coprocessor::Request::Shape& shape);

// Counts the executors of a plan that runs.
void note_executors(const std::vector<const char*>& executors);
// A part of an answer says what went wrong: TiKV's `reason`.
void note_coprocessor_error(const char* reason);
const char* reason_of(const errorpb::Error& error);

struct CoprocessorTotals {
  metrics::Counter& plans =
      metrics::counter("tikv_coprocessor_dag_request_count", "Plans of executors that ran", {{"vec_type", "batch"}});
  metrics::Counter& answer_bytes = metrics::counter("tikv_coprocessor_response_bytes", "Bytes of answers");
  metrics::Histogram& lock_check = metrics::histogram("tikv_coprocessor_mem_lock_check_duration_seconds",
                                                      "How long locks of memory are looked for before a plan runs",
                                                      metrics::kStepTimes, {{"result", "unlocked"}});
  metrics::Histogram& lock_check_locked = metrics::histogram(
      "tikv_coprocessor_mem_lock_check_duration_seconds", "How long locks of memory are looked for before a plan runs",
      metrics::kStepTimes, {{"result", "locked"}});
  // Of ANALYZE.
  metrics::Counter& analyze_reads = analyzed("read_iops");  // of files
  metrics::Counter& analyze_looks = analyzed("read_total_op_count");
  metrics::Counter& analyze_steps = analyzed("next_batch_count");
  metrics::Gauge& memory = quota("in_use");
  metrics::Gauge& memory_max = quota("capacity");

  static const CoprocessorTotals& get();

 private:
  static metrics::Counter& analyzed(const char* metric) {
    return metrics::counter("tikv_analyze_metrics_total", "What ANALYZE reads, and in how many steps",
                            {{"metric", metric}});
  }
  static metrics::Gauge& quota(const char* type) {
    return metrics::gauge("tikv_coprocessor_memory_quota", "Bytes that plans hold, and how many they may",
                          {{"type", type}});
  }
};

}  // namespace cairn::server
