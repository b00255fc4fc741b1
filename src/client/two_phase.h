// The commit of a transaction in two phases, and the removal of its locks if it fails. Tests: transaction_test.cc.
#pragma once

#include "client/transaction_state.h"

namespace cairn::client {

// Precondition: the transaction has writes. See Transaction::commit().
runtime::Task<Outcome<Timestamp>> commit_two_phase(TransactionState txn);

}  // namespace cairn::client
