// The rules of prewriting one key of an optimistic transaction: locks, write conflicts, existence, assertions.
#pragma once

#include <optional>

#include "txn/computation.h"

namespace cairn::txn {

// What a key's prewrite comes to.
struct PrewrittenKey {
  enum class Kind : uint8_t {
    kWrite,        // `lock` is to be written
    kDuplicate,    // it is locked by this transaction already: nothing to write
    kNothingToDo,  // CheckNotExists, and it does not exist
  };
  Kind kind = Kind::kWrite;
  Key key;
  Lock lock;                        // to be written, or found
  std::optional<Bytes> long_value;  // for the default column family
};

// Errors: KeyIsLocked, WriteConflict, AlreadyExist, AssertionFailed.
mvcc::Result<PrewrittenKey> prewrite_key(Computation& c, const Prewrite& command, const Mutation& mutation);

}  // namespace cairn::txn
