// The rules of prewriting one key: locks, write conflicts, existence, assertions.
//
// A pessimistic transaction has checked most of this when it locked the key; its lock is taken over. If the lock is
// lost nothing but the transaction's start bounds what the checks saw, so only a key without newer versions is
// prewritten.
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
  bool replaces_pessimistic = false;
};

// Errors: KeyIsLocked, WriteConflict, AlreadyExist, AssertionFailed, PessimisticLockNotFound.
mvcc::Result<PrewrittenKey> prewrite_key(Computation& c, const Prewrite& command, const Mutation& mutation);

}  // namespace cairn::txn
