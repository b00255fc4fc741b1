// The rules of taking a pessimistic lock on one key.
#pragma once

#include "txn/computation.h"

namespace cairn::txn {

// Locks the key, alone or together with others, or finds it locked by this transaction already. Errors: KeyIsLocked,
// WriteConflict, AlreadyExist, Aborted.
mvcc::Result<LockedKey> lock_key(Computation& c, const PessimisticLock& command, const PessimisticLock::Target& target);

}  // namespace cairn::txn
