// The raw API's operations as tasks. Tests: client_test.cc.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "client/core.h"
#include "client/range.h"

namespace cairn::client::raw {

runtime::Task<Outcome<std::optional<Bytes>>> get(CorePtr core, Bytes key);
runtime::Task<Outcome<std::map<Bytes, Bytes>>> batch_get(CorePtr core, std::vector<Bytes> keys);
runtime::Task<Outcome<void>> put(CorePtr core, Bytes key, Bytes value, uint64_t ttl_seconds);
runtime::Task<Outcome<void>> batch_put(CorePtr core, std::vector<KeyValue> pairs, uint64_t ttl_seconds);
runtime::Task<Outcome<void>> del(CorePtr core, Bytes key);
runtime::Task<Outcome<void>> batch_delete(CorePtr core, std::vector<Bytes> keys);
runtime::Task<Outcome<std::vector<KeyValue>>> scan(CorePtr core, Bytes begin, Bytes end, uint32_t limit,
                                                   Direction direction);
runtime::Task<Outcome<void>> delete_range(CorePtr core, Bytes begin, Bytes end);
runtime::Task<Outcome<Swapped>> compare_and_swap(CorePtr core, Bytes key, std::optional<Bytes> expected,
                                                 std::optional<Bytes> value);

}  // namespace cairn::client::raw
