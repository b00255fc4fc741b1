// The locks of a pessimistic transaction before its commit: taken, kept alive, released. Tests: pessimistic_test.cc.
#pragma once

#include <map>
#include <vector>

#include "client/transaction_state.h"

namespace cairn::client {

// What Transaction::lock_keys() does.
runtime::Task<Outcome<std::map<Bytes, LockedKey>>> lock_pessimistic(TransactionState txn, std::vector<Bytes> keys,
                                                                    LockOptions options);

// Releases, in the background, all locks that the transaction holds; so its heartbeat ends. They expire if that fails.
void release_all(const TransactionState& txn);

}  // namespace cairn::client
