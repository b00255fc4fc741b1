// An iterator over a column family with a few more pairs laid into it. Where both have a key, the family's value
// counts. Used by one thread. Tests: pessimistic_locks_test.cc.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "engine/kv_engine.h"

namespace cairn::txn {

using Pairs = std::vector<std::pair<Bytes, Bytes>>;

// `pairs` are in order and within the bounds of `base`.
std::unique_ptr<engine::Iterator> merged_iterator(std::unique_ptr<engine::Iterator> base, Pairs pairs);

}  // namespace cairn::txn
