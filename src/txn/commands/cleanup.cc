// KvCleanup: an older client resolves one key of an expired transaction.
#include "txn/actions/rollback.h"
#include "txn/computation.h"

namespace cairn::txn {

mvcc::Result<CleanupResult> compute(const Cleanup& command, Computation& c) {
  // Whatever is answered of the transaction is as binding as a read.
  c.concurrency.update_max_ts(command.start_ts);
  TRY_ASSIGN(auto commit_ts,
             cleanup(c, Key::from_user(command.key), command.start_ts, command.current_ts, Protection::kProtected));
  return CleanupResult{.error = {}, .commit_ts = commit_ts.value_or(Timestamp())};
}

}  // namespace cairn::txn
