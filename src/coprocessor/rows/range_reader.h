// The pairs of a request's ranges at its timestamp, in one direction; how many each range had, and how far it came.
// Tests: request_test.cc.
#pragma once

#include <vector>

#include "coprocessor/failure.h"
#include "coprocessor/rows/row_decoder.h"
#include "mvcc/view_scanner.h"

namespace cairn::coprocessor {

// Of user keys, [start, end).
struct KeyRange {
  Bytes start;
  Bytes end;
  friend bool operator==(const KeyRange&, const KeyRange&) = default;
};

// An error in words if the ranges are not of a table, empty, or not ascending and apart.
Result<void> check_ranges(const std::vector<KeyRange>& ranges);

class RangeReader {
 public:
  // Ascending ranges, of which there is one at least. All else outlives the reader.
  RangeReader(const engine::RegionSnapshot& snapshot, const mvcc::ReadOptions& options,
              const std::vector<KeyRange>& ranges, mvcc::ViewScanner::Direction direction, bool key_only);

  // The next pair. False: there are no more.
  Result<bool> next(Pair& pair);

  // Rows of each range that was begun, in the order in which they are read.
  const std::vector<int64_t>& counts() const { return counts_; }
  // What was read so far, from the first range's begin to just behind the last pair.
  KeyRange consumed() const;
  bool met_newer_data() const { return scanner_.met_newer_data(); }
  const mvcc::ReadFigures& figures() const { return scanner_.figures(); }

 private:
  bool begin_range();

  const std::vector<KeyRange>& ranges_;
  const bool is_backward_;
  mvcc::ViewScanner scanner_;
  size_t begun_ = 0;  // ranges
  bool is_in_range_ = false;
  std::vector<int64_t> counts_;
};

}  // namespace cairn::coprocessor
