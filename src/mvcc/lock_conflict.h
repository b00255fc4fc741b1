// Whether a lock stands in a read's way. Tests: scanner_test.cc; every case in the scripts of txn/testdata.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "mvcc/lock.h"
#include "mvcc/read_options.h"

namespace cairn::mvcc {

enum class LockVerdict : uint8_t {
  kIgnore,       // read below it
  kReadThrough,  // its transaction is known to be committed: its value is the one to read
  kConflict,     // see conflict_error()
};
LockVerdict judge_lock(ByteView user_key, const Lock& lock, const ReadOptions& options);

// The error of a conflicting lock: KeyIsLocked, or WriteConflict under RcCheckTs.
KeyError conflict_error(ByteView user_key, const Lock& lock, const ReadOptions& options);

}  // namespace cairn::mvcc
