// KvCommit: all keys or none.
#include "txn/actions/commit_key.h"
#include "txn/actions/distinct.h"
#include "txn/computation.h"

namespace cairn::txn {

mvcc::Result<CommitResult> compute(const Commit& command, Computation& c) {
  if (command.commit_ts <= command.start_ts) {
    return Err(KeyError(
        mvcc::Aborted{fmt::format("InvalidTxnTso start_ts={} commit_ts={}", command.start_ts, command.commit_ts)}));
  }
  for (const Key& key : distinct_keys(command.keys)) {
    TRY(commit_key(c, key, command.start_ts, command.commit_ts));
  }
  c.committed.emplace_back(command.start_ts, command.commit_ts);
  return CommitResult{.error = {}, .commit_ts = command.commit_ts};
}

}  // namespace cairn::txn
