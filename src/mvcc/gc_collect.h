// Garbage collection of one key by hand: what compactions leave over (gc_filter.h). Tests: gc_test.cc.
#pragma once

#include <cstddef>

#include "base/bytes.h"
#include "base/ids.h"
#include "engine/kv_engine.h"

namespace cairn::mvcc {

struct Collected {
  size_t records = 0;
  size_t values = 0;
  bool is_done = true;  // nothing more is to be collected of the key at this safe point
};

// Adds to the batch the deletion of each record that may go by GcRule and of its value, at most about `changes_max` of
// them; older ones first where the order matters. `key` is as in the write column family, without timestamp.
//
// The batch must be written before anything else changes the key: a record that was put below a DELETE after the
// snapshot would come to light.
engine::Result<Collected> collect_garbage(const engine::Snapshot& snapshot, ByteView key, Timestamp safe_point,
                                          size_t changes_max, engine::WriteBatch& batch);

}  // namespace cairn::mvcc
