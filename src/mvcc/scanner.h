// Scans a range of keys at a timestamp, forward or backward, merging the lock and the write column families by key.
// A key whose lock conflicts is a row with an error; the scan goes on behind it. Used by one thread.
//
// Each key costs a few next() when it has few versions, and one seek otherwise (version_search.h).
// Tests: scanner_test.cc, against a naive model.
#pragma once

#include <memory>
#include <optional>

#include "engine/region_store.h"
#include "mvcc/key.h"
#include "mvcc/key_error.h"
#include "mvcc/mvcc_reader.h"
#include "mvcc/read_options.h"

namespace cairn::mvcc {

// A key's value at the timestamp, or why it cannot be told.
struct Row {
  Bytes user_key;
  Bytes value;
  Timestamp commit_ts;
  std::optional<KeyError> error;
};

struct ScanBounds {
  Bytes lower;  // engine keys without timestamps; included; empty: the region's
  Bytes upper;  // excluded; empty: the region's
  bool key_only = false;
};

class Scanner {
 public:
  virtual ~Scanner() = default;
  // Looks at one key more: there is a row if it has one. Values of key_only scans are empty.
  struct Step {
    std::optional<Row> row;
    bool is_at_end = false;  // there was no key
  };
  virtual engine::Result<Step> step() = 0;
  // The next row; nothing at the end. Takes as long as there are keys without one.
  engine::Result<std::optional<Row>> next() {
    while (true) {
      TRY_ASSIGN(Step step, this->step());
      if (step.row || step.is_at_end) return std::move(step.row);
    }
  }
  // What was looked at so far.
  virtual const ReadFigures& figures() const = 0;
};

// `snapshot` and `options` must outlive the scanner.
std::unique_ptr<Scanner> forward_scanner(const engine::RegionSnapshot& snapshot, const ReadOptions& options,
                                         ScanBounds bounds);
std::unique_ptr<Scanner> backward_scanner(const engine::RegionSnapshot& snapshot, const ReadOptions& options,
                                          ScanBounds bounds);

}  // namespace cairn::mvcc
