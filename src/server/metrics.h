// The metrics of requests, under TiKV's names. They decide nothing.
#pragma once

#include <string>
#include <string_view>

#include "base/metrics.h"
#include "engine/region_metrics.h"
#include "engine/work_metrics.h"

namespace cairn::server {

// The name of a command as TiKV labels it, of that of its message: "RawBatchPutRequest" is "raw_batch_put".
std::string command_name(std::string_view message);

// Of the requests of one type.
struct RequestMetrics {
  explicit RequestMetrics(const std::string& command);
  metrics::Counter& commands;
  metrics::Histogram& lock_check;  // for locks of memory, before a read
  engine::WorkMetrics work;
};

template <class Req>
const RequestMetrics& metrics_of() {
  static const RequestMetrics of_all(command_name(std::string_view(Req::descriptor()->name())));
  return of_all;
}

// Of all requests together.
struct ServerMetrics {
  metrics::Family<metrics::Counter> by_priority;  // by kvrpcpb::CommandPri
  engine::RegionRequestMetrics local_view{"snapshot_local_read"};
  engine::RegionRequestMetrics view{"snapshot"};
  metrics::Histogram& shard_wait;  // from a write's arrival until its shard takes it
  // The read pool.
  metrics::Gauge& pool_reads;
  metrics::Gauge& pool_pending;  // the same, under another name
  metrics::Histogram& pool_wait;
  metrics::Histogram& pool_time;
  metrics::Histogram& pool_slice_time;
  metrics::Histogram& pool_schedule_time;  // the same, under another name
  metrics::Histogram& pool_slices;         // of a read
  metrics::Counter& pool_handled;
  metrics::Counter& pool_refused;

  ServerMetrics();
  static const ServerMetrics& get();
};

}  // namespace cairn::server
