// What is asked of regions' replicated stores, and what comes of it, under TiKV's names. They decide nothing.
#pragma once

#include "base/metrics.h"
#include "engine/region_request.h"

namespace cairn::engine {

// Requests of one type: "snapshot", "write".
class RegionRequestMetrics {
 public:
  explicit RegionRequestMetrics(const char* type);
  // One is answered: a success, or an error by its kind.
  void note(const RegionError* error, Duration took) const;

 private:
  const char* type_;
  metrics::Counter& all_;
  metrics::Counter& success_;
  metrics::Histogram& time_;
};

// The error's kind, as TiKV labels it: "err_not_leader".
const char* label_of(const RegionError& error);

}  // namespace cairn::engine
