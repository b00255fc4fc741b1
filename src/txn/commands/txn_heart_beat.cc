// KvTxnHeartBeat: a long transaction says that it lives.
#include <algorithm>

#include "txn/computation.h"

namespace cairn::txn {

mvcc::Result<TxnHeartBeatResult> compute(const TxnHeartBeat& command, Computation& c) {
  const Key primary = Key::from_user(command.primary);
  TRY_ASSIGN(const auto existing, c.load_lock(primary));
  const Lock* found = existing ? mvcc::lock_of(*existing, command.start_ts) : nullptr;
  if (!found) return Err(KeyError(mvcc::TxnNotFound{command.start_ts, primary.user}));
  if (std::holds_alternative<SharedLocks>(*existing)) {
    // A key that is shared is nobody's primary.
    return Err(KeyError(mvcc::PrimaryMismatch{mvcc::lock_info(*existing, primary.user)}));
  }
  Lock lock = *found;
  lock.ttl_ms = std::max(lock.ttl_ms, command.advise_ttl_ms);
  // A flushed transaction lives long: its commit may stay above what others have read meanwhile.
  if (lock.generation > 0 && !lock.use_async_commit) {
    lock.min_commit_ts = std::max(lock.min_commit_ts, command.min_commit_ts);
  }
  if (lock != *found) c.txn.put_lock(primary, lock);
  return TxnHeartBeatResult{.error = {}, .lock_ttl_ms = lock.ttl_ms};
}

}  // namespace cairn::txn
