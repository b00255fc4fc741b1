// The metrics of the collector. They decide nothing.
#pragma once

#include "base/metrics.h"

namespace cairn::gc {

struct Metrics {
  prometheus::Counter& rounds_done = rounds("done");
  prometheus::Counter& rounds_yielded = rounds("yielded");
  prometheus::Counter& rounds_failed = rounds("failed");
  prometheus::Counter& locks_committed = locks("committed");
  prometheus::Counter& locks_rolled_back = locks("rolled_back");
  prometheus::Gauge& locks_left =
      metrics::gauge("pd_gc_locks_left", "Locks that the last round met and left, for their transactions live");
  prometheus::Gauge& txn_safe_point = safe_point("txn_safe_point");
  prometheus::Gauge& gc_safe_point = safe_point("gc_safe_point");
  prometheus::Gauge& is_owner = metrics::gauge("pd_gc_is_owner", "1 if this PD collects garbage, 0 if another does");

 private:
  static prometheus::Counter& rounds(const char* result) {
    return metrics::counter("pd_gc_rounds_total", "Rounds of the collector of garbage", {{"result", result}});
  }
  static prometheus::Counter& locks(const char* fate) {
    return metrics::counter("pd_gc_locks_ended_total", "Locks that the collector of garbage ended", {{"fate", fate}});
  }
  static prometheus::Gauge& safe_point(const char* type) {
    return metrics::gauge("pd_gc_safe_point_seconds", "Safe points, as Unix times", {{"type", type}});
  }
};

}  // namespace cairn::gc
