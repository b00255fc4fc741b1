// The rules of prewriting one key: locks, write conflicts, existence, assertions.
//
// A pessimistic transaction has checked most of this when it locked the key; its lock is taken over. If the lock is
// lost nothing but the transaction's start bounds what the checks saw, so only a key without newer versions is
// prewritten.
//
// A flushed key may be flushed again: the later generation takes the earlier one's place, never the other way round.
// Only the first flush looks for what the transaction asserts, because only then the key is as others left it.
#pragma once

#include <optional>

#include "txn/computation.h"

namespace cairn::txn {

// What a key's prewrite comes to.
struct PrewrittenKey {
  enum class Kind : uint8_t {
    kWrite,        // `lock` is to be written
    kDuplicate,    // it is locked by this transaction already, or flushed by a later request: nothing to write
    kNothingToDo,  // CheckNotExists, and it does not exist
  };
  Kind kind = Kind::kWrite;
  Key key;
  Lock lock;                        // to be written, or found
  std::optional<Bytes> long_value;  // for the default column family
  bool replaces_pessimistic = false;
  bool drops_long_value = false;  // of the earlier flush that it replaces
  // The locks of those who share the key: `lock` takes its transaction's place among them.
  std::optional<SharedLocks> shared = {};
};

// Errors: KeyIsLocked, WriteConflict, AlreadyExist, AssertionFailed, PessimisticLockNotFound.
mvcc::Result<PrewrittenKey> prewrite_key(Computation& c, const Prewrite& command, const Mutation& mutation);

}  // namespace cairn::txn
