// MurmurHash3 of 128 bits in its form for 64-bit machines, seed 0: what the sketches of TiKV and TiDB hash with.
// Tests: analyze_test.cc.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace cairn::coprocessor {

struct Hash128 {
  uint64_t first = 0;
  uint64_t second = 0;
};

Hash128 murmur3(ByteView bytes);

}  // namespace cairn::coprocessor
