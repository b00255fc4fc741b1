// Reads at a transaction's start timestamp, from the store alone: its own writes are laid over them by transaction.cc.
// A lock in the way is resolved, and the read repeated. Tests: transaction_test.cc.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "client/range.h"
#include "client/transaction_state.h"

namespace cairn::client {

runtime::Task<Outcome<std::optional<Bytes>>> snapshot_get(TransactionState txn, Bytes key);

// Keys that do not exist are absent.
runtime::Task<Outcome<std::map<Bytes, Bytes>>> snapshot_batch_get(TransactionState txn, std::vector<Bytes> keys);

// One page of [begin, end) (empty `end`: no bound).
runtime::Task<Outcome<ScanPage>> snapshot_scan_page(TransactionState txn, Bytes begin, Bytes end, uint32_t limit,
                                                    Direction direction);

}  // namespace cairn::client
