// What is kept of many values in little room: how many distinct ones there are (Flajolet and Martin, in the form with a
// bounded set), and about how often each came (the count-min sketch). TiDB merges those of all regions, so equal values
// leave the same marks in every store. Tests: analyze_test.cc.
#pragma once

#include <absl/container/flat_hash_set.h>

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace tipb {
class CMSketch;
class FMSketch;
}  // namespace tipb

namespace cairn::coprocessor {

// Keeps the hashes that end in so many zero bits that at most `max` are left.
class FmSketch {
 public:
  explicit FmSketch(size_t max) : max_(max) {}
  void insert(ByteView value);
  void write(tipb::FMSketch& out) const;
  size_t memory() const { return hashes_.capacity() * (sizeof(uint64_t) + 1); }

 private:
  size_t max_;
  uint64_t mask_ = 0;
  absl::flat_hash_set<uint64_t> hashes_;
};

// `depth` rows of `width` counters; a value counts in one of each row.
class CmSketch {
 public:
  CmSketch(size_t depth, size_t width);
  void insert(ByteView value);
  // Takes a value back out that came `times` times, to be told by itself.
  void move_to_top(const Bytes& value, uint64_t times);
  void write(tipb::CMSketch& out) const;
  size_t memory() const { return counters_.size() * sizeof(uint32_t); }

 private:
  struct Frequent {
    Bytes value;
    uint64_t times;
  };
  size_t depth_;
  size_t width_;
  std::vector<uint32_t> counters_;  // row by row
  std::vector<Frequent> top_;
};

}  // namespace cairn::coprocessor
