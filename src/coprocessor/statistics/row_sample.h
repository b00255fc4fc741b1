// A sample of the rows that pass by: of a size that is given, each row as likely as any other (the rows with the
// highest dice are kept), or each row with a probability that is given. Tests: analyze_test.cc.
#pragma once

#include <vector>

#include "base/bytes.h"
#include "runtime/random.h"

namespace tipb {
class RowSampleCollector;
}

namespace cairn::coprocessor {

class RowSample {
 public:
  // `rows_max` 0: each row with probability `rate`.
  RowSample(size_t rows_max, double rate, uint64_t seed) : rows_max_(rows_max), rate_(rate), dice_(seed) {}
  // A row as its columns' datums.
  void offer(const std::vector<Bytes>& row);
  void write(tipb::RowSampleCollector& out) const;
  size_t memory() const { return bytes_; }

 private:
  struct Kept {
    int64_t weight = 0;
    std::vector<Bytes> row;
  };
  void keep(int64_t weight, const std::vector<Bytes>& row);

  size_t rows_max_;
  double rate_;
  runtime::Random dice_;
  std::vector<Kept> kept_;  // of a given size: a heap, the lowest weight first
  size_t bytes_ = 0;
};

}  // namespace cairn::coprocessor
