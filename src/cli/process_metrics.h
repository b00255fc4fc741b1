// What the operating system and the allocator tell of this process: its CPU time by thread, memory, threads, files.
// Under the names that Prometheus' client libraries and TiKV give them; looked at when somebody asks for the page.
// Tests: process_metrics_test.cc.
#pragma once

#include <memory>
#include <string>

#include "base/metrics.h"

namespace cairn::cli {

// Which process it is: PD's boards ask for some of it by other names.
enum class Part { kStore, kPd };

class ProcessMetrics {
 public:
  explicit ProcessMetrics(Part part);
  ~ProcessMetrics();
  ProcessMetrics(const ProcessMetrics&) = delete;
  ProcessMetrics& operator=(const ProcessMetrics&) = delete;

 private:
  class Look;
  std::unique_ptr<Look> look_;
  metrics::CollectorPtr collector_;  // the first to go
};

// How TiKV's boards call the thread that does the work of ours: a shard is a "raftstore", the log writer a
// "store_write". Those that it has no name for keep theirs.
std::string tikv_thread_name(const std::string& name);

}  // namespace cairn::cli
