// Reads single keys at a timestamp. The default column family is touched only for values too long for their record.
// Used by one thread; opens its iterator once for all its gets. Tests: scanner_test.cc, against a naive model.
#pragma once

#include <memory>
#include <optional>

#include "engine/region_store.h"
#include "mvcc/key.h"
#include "mvcc/key_error.h"
#include "mvcc/mvcc_reader.h"
#include "mvcc/read_options.h"

namespace cairn::mvcc {

struct Value {
  Bytes value;
  Timestamp commit_ts;  // 0 if it was read through a lock
};

class PointGetter {
 public:
  PointGetter(const engine::RegionSnapshot& snapshot, const ReadOptions& options)
      : options_(options), reader_(snapshot) {}

  // Nothing: the key has no value at the timestamp.
  Result<std::optional<Value>> get(const Key& key);
  // What all its gets looked at.
  const ReadFigures& figures() const { return reader_.figures(); }

 private:
  Result<std::optional<Value>> get_committed(const Key& key);

  const ReadOptions& options_;
  MvccReader reader_;
};

}  // namespace cairn::mvcc
