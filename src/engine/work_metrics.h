// The work of an engine's reads as metrics: TiKV's counters of RocksDB's operations.
#pragma once

#include "base/metrics.h"
#include "engine/read_work.h"

namespace cairn::engine {

// Of one kind of request.
class WorkMetrics {
 public:
  WorkMetrics(const char* name, const char* request);
  void note(const ReadWork& work) const {
    if (work.cache_hits > 0) cache_hits_.add(work.cache_hits);
    if (work.keys_skipped > 0) keys_skipped_.add(work.keys_skipped);
    if (work.deletions_skipped > 0) deletions_skipped_.add(work.deletions_skipped);
    if (work.blocks_read == 0) return;
    blocks_read_.add(work.blocks_read);
    bytes_read_.add(work.bytes_read);
    read_time_.add(work.read_time);
  }

 private:
  metrics::Counter& cache_hits_;
  metrics::Counter& blocks_read_;
  metrics::Counter& bytes_read_;
  metrics::Counter& read_time_;
  metrics::Counter& keys_skipped_;
  metrics::Counter& deletions_skipped_;
};

}  // namespace cairn::engine
