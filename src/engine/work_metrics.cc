#include "engine/work_metrics.h"

namespace cairn::engine {
namespace {

metrics::Counter& operations(const char* name, const char* request, const char* metric) {
  return metrics::counter(name, "Operations of RocksDB for requests; times in nanoseconds",
                          {{"req", request}, {"metric", metric}});
}

}  // namespace

WorkMetrics::WorkMetrics(const char* name, const char* request)
    : cache_hits_(operations(name, request, "block_cache_hit_count")),
      blocks_read_(operations(name, request, "block_read_count")),
      bytes_read_(operations(name, request, "block_read_byte")),
      read_time_(operations(name, request, "block_read_time")),
      keys_skipped_(operations(name, request, "internal_key_skipped_count")),
      deletions_skipped_(operations(name, request, "internal_delete_skipped_count")) {}

}  // namespace cairn::engine
