// A histogram of values that come in order: buckets of about the same number of them, at most so many; two neighbours
// become one when there are too many. All of equal values are in one bucket. Tests: analyze_test.cc.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace tipb {
class Histogram;
}

namespace cairn::coprocessor {

class Histogram {
 public:
  // `counts_distinct`: buckets tell how many distinct values they have.
  Histogram(size_t buckets_max, bool counts_distinct) : buckets_max_(buckets_max), counts_distinct_(counts_distinct) {}
  // Not smaller than the one before.
  void append(ByteView value);
  void write(tipb::Histogram& out) const;
  size_t memory() const { return buckets_.size() * sizeof(Bucket) + bound_bytes_; }

 private:
  struct Bucket {
    uint64_t count = 0;  // of all up to this one
    Bytes lower;
    Bytes upper;
    uint64_t repeats = 0;  // of the upper bound
    uint64_t distinct = 0;
  };
  bool is_last_full() const;
  void merge_neighbours();

  size_t buckets_max_;
  bool counts_distinct_;
  uint64_t bucket_values_max_ = 1;
  uint64_t distinct_ = 0;
  size_t bound_bytes_ = 0;  // of the buckets' bounds
  std::vector<Bucket> buckets_;
};

}  // namespace cairn::coprocessor
