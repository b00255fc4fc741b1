#include "txn/actions/commit_key.h"

#include <algorithm>

namespace cairn::txn {

Write committed_write(const Lock& lock, Timestamp commit_ts) {
  Write write;
  write.kind = mvcc::write_kind_of(lock.kind);
  write.start_ts = lock.start_ts;
  write.short_value = lock.short_value;
  write.last_change = lock.last_change;
  write.txn_source = lock.txn_source;
  // A protected rollback of the transaction with that start_ts stands where this record goes.
  write.has_overlapped_rollback =
      std::find(lock.rollback_ts.begin(), lock.rollback_ts.end(), commit_ts) != lock.rollback_ts.end();
  return write;
}

mvcc::Result<Found> commit_key(Computation& c, const Key& key, Timestamp start_ts, Timestamp commit_ts) {
  TRY_ASSIGN(const auto existing, c.load_lock(key));
  if (const Lock* lock = existing ? mvcc::lock_of(*existing, start_ts) : nullptr) {
    if (commit_ts < lock->min_commit_ts) {
      return Err(KeyError(mvcc::CommitTsExpired{start_ts, commit_ts, key.user, lock->min_commit_ts}));
    }
    c.release_lock(key, *existing, start_ts, lock->is_pessimistic() ? Timestamp() : commit_ts);
    if (lock->is_pessimistic()) return Found::kPessimisticLock;
    c.txn.put_write(key, commit_ts, committed_write(*lock, commit_ts));
    return Found::kLock;
  }
  TRY_ASSIGN(auto record, c.reader.commit_record(key, start_ts));
  if (std::holds_alternative<mvcc::CommittedAt>(record)) return Found::kCommitRecord;
  return Err(KeyError(mvcc::TxnLockNotFound{key.user, start_ts, commit_ts}));
}

}  // namespace cairn::txn
