// The metrics of the collector. They decide nothing.
#pragma once

#include "base/metrics.h"

namespace cairn::gc {

struct Metrics {
  metrics::Counter& rounds_done = rounds("done");
  metrics::Counter& rounds_yielded = rounds("yielded");
  metrics::Counter& rounds_failed = rounds("failed");
  metrics::Counter& locks_committed = locks("committed");
  metrics::Counter& locks_rolled_back = locks("rolled_back");
  metrics::Gauge& locks_left =
      metrics::gauge("pd_gc_locks_left", "Locks that the last round met and left, for their transactions live");
  metrics::Gauge& txn_safe_point = safe_point("txn_safe_point");
  metrics::Gauge& gc_safe_point = safe_point("gc_safe_point");
  metrics::Gauge& is_owner = metrics::gauge("pd_gc_is_owner", "1 if this PD collects garbage, 0 if another does");

 private:
  static metrics::Counter& rounds(const char* result) {
    return metrics::counter("pd_gc_rounds_total", "Rounds of the collector of garbage", {{"result", result}});
  }
  static metrics::Counter& locks(const char* fate) {
    return metrics::counter("pd_gc_locks_ended_total", "Locks that the collector of garbage ended", {{"fate", fate}});
  }
  static metrics::Gauge& safe_point(const char* type) {
    return metrics::gauge("pd_gc_safe_point_seconds", "Safe points, as Unix times", {{"type", type}});
  }
};

}  // namespace cairn::gc
