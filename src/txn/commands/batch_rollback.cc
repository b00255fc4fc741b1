// KvBatchRollback: the transaction gives up on these keys.
#include "txn/actions/distinct.h"
#include "txn/actions/rollback.h"
#include "txn/computation.h"

namespace cairn::txn {

mvcc::Result<BatchRollbackResult> compute(const BatchRollback& command, Computation& c) {
  for (const Key& key : distinct_keys(command.keys)) {
    TRY_ASSIGN(auto commit_ts, cleanup(c, key, command.start_ts, Timestamp(), Protection::kUnprotected));
    if (commit_ts) return Err(KeyError(mvcc::Committed{key.user, command.start_ts, *commit_ts}));
  }
  return BatchRollbackResult{};
}

}  // namespace cairn::txn
