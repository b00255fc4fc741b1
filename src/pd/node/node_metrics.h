// The metrics of a PD node, under PD's names. They decide nothing.
#pragma once

#include "base/metrics.h"
#include "pd/cluster/region_tree.h"
#include "pd/cluster/stores.h"

namespace cairn::pd {

class NodeMetrics {
 public:
  NodeMetrics();

  prometheus::Counter& tso_requests;
  prometheus::Counter& tso_timestamps;
  prometheus::Counter& tso_waits;  // requests that had to wait for the bound
  prometheus::Counter& heartbeats_ok;
  prometheus::Counter& heartbeats_stale;
  prometheus::Gauge& regions;
  prometheus::Gauge& operators;

  // Looks at all stores; now and then.
  void observe_stores(const Stores& stores, const RegionTree& regions_known, Instant now);
};

}  // namespace cairn::pd
