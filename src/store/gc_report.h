// What an applier did of a batch of keys that garbage collection left over. See gc_worker.h.
#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"

namespace cairn::store {

struct GcBatchReport {
  size_t records = 0, values = 0;  // that were deleted
  std::vector<Bytes> unfinished;   // keys that have more
};

}  // namespace cairn::store
