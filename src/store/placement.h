// Which shard of a store a region lives on: by its id alone, so that it is the same for whoever asks, from the split
// that makes the region on, and after each restart with as many shards. Tests: directory_test.cc, split_shards_test.cc.
#pragma once

#include <cstdint>

#include "base/ids.h"

namespace cairn::store {

// PD gives ids to a region and to its peers in turn: those of regions often lie four apart, and the remainder would
// put them all on one shard of two or four. Multiples of the golden ratio spread evenly whatever the step (Knuth, The
// Art of Computer Programming 3, 6.4: Fibonacci hashing).
constexpr int home_shard(RegionId region, int shards) {
  constexpr uint64_t kGoldenRatio = 0x9E3779B97F4A7C15;  // of 2^64
  const uint64_t place = (region.value * kGoldenRatio) >> 32;
  return static_cast<int>((place * static_cast<uint64_t>(shards)) >> 32);
}

}  // namespace cairn::store
