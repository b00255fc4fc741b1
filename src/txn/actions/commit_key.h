// The rule of committing one key.
#pragma once

#include "txn/computation.h"

namespace cairn::txn {

// What committing found.
enum class Found : uint8_t { kLock, kPessimisticLock, kCommitRecord };

// Turns the transaction's lock into a write record; a pessimistic lock is only removed. Already committed is fine.
// Errors: CommitTsExpired, TxnLockNotFound.
mvcc::Result<Found> commit_key(Computation& c, const Key& key, Timestamp start_ts, Timestamp commit_ts);

// The record that `lock` becomes at `commit_ts`.
Write committed_write(const Lock& lock, Timestamp commit_ts);

}  // namespace cairn::txn
