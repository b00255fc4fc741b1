// A batch of keys that garbage collection left over, and what an applier did of it. See gc_worker.h.
#pragma once

#include <cstddef>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

namespace cairn::store {

// A data key without timestamp, and the region that held it when it was sent out.
struct GcKey {
  RegionId region;
  Bytes key;
};

struct GcBatchReport {
  size_t records = 0, values = 0;  // that were deleted
  std::vector<Bytes> unfinished;   // keys that have more
};

}  // namespace cairn::store
