// KvCheckTxnStatus: a resolver asks the primary what became of a transaction, and ends it if its time has passed.
#include <algorithm>

#include "txn/actions/rollback.h"
#include "txn/computation.h"

namespace cairn::txn {
namespace {

using Action = TxnStatusAction;

CheckTxnStatusResult committed_at(Timestamp commit_ts) {
  CheckTxnStatusResult result;
  result.commit_ts = commit_ts;
  return result;
}

CheckTxnStatusResult ended_by(Action action) {
  CheckTxnStatusResult result;
  result.action = action;
  return result;
}

CheckTxnStatusResult running(const Key& primary, const Lock& lock, Action action) {
  CheckTxnStatusResult result;
  result.lock_ttl_ms = lock.ttl_ms;
  result.action = action;
  result.lock = lock.info(primary.user);
  return result;
}

// The primary holds no lock of the transaction; `others` is what else holds it.
mvcc::Result<CheckTxnStatusResult> without_lock(const CheckTxnStatus& command, Computation& c, const Key& primary,
                                                const std::optional<LockRecord>& others) {
  TRY_ASSIGN(auto record, c.reader.commit_record(primary, command.lock_ts));
  if (const auto* committed = std::get_if<mvcc::CommittedAt>(&record)) return committed_at(committed->commit_ts);
  if (std::holds_alternative<mvcc::RolledBack>(record)) return ended_by(Action::kNoAction);
  if (!command.rollback_if_not_exist) {
    return Err(KeyError(mvcc::TxnNotFound{command.lock_ts, primary.user}));
  }
  if (command.resolving_pessimistic_lock) return ended_by(Action::kLockNotExistDoNothing);
  TRY(rollback_missing(c, primary, command.lock_ts, std::get<mvcc::NoRecord>(record), others, Protection::kProtected));
  return ended_by(Action::kLockNotExistRollback);
}

// The lock is alive: pushes its min_commit_ts above the caller, so that the caller may read below it.
CheckTxnStatusResult push_min_commit_ts(const CheckTxnStatus& command, Computation& c, const Key& primary, Lock lock) {
  const Timestamp caller = command.caller_start_ts;
  // 0: an old client's, which would not learn of the push.
  if (lock.min_commit_ts.is_set() && !caller.is_max() && caller >= lock.min_commit_ts) {
    lock.min_commit_ts = std::max(Timestamp(caller.next()), command.current_ts);
    c.txn.put_lock(primary, lock);
  }
  const bool is_pushed = (caller.is_set() && lock.min_commit_ts > caller) || caller.is_max();
  return running(primary, lock, is_pushed ? Action::kMinCommitTsPushed : Action::kNoAction);
}

mvcc::Result<CheckTxnStatusResult> with_lock(const CheckTxnStatus& command, Computation& c, const Key& primary,
                                             const LockRecord& existing) {
  if (std::holds_alternative<SharedLocks>(existing)) {
    // A key that is shared is nobody's primary.
    return Err(KeyError(mvcc::PrimaryMismatch{mvcc::lock_info(existing, primary.user)}));
  }
  const Lock& lock = std::get<Lock>(existing);
  if (command.verify_is_primary && lock.primary != primary.user) {
    if (command.resolving_pessimistic_lock || !lock.is_pessimistic()) {
      return Err(KeyError(mvcc::PrimaryMismatch{lock.info(primary.user)}));
    }
    // The transaction changed its primary after this lock was taken: the lock is stale.
    TRY_ASSIGN(auto result, without_lock(command, c, primary, std::nullopt));
    c.release_lock(primary, existing, command.lock_ts);
    return result;
  }
  if (lock.use_async_commit && !command.force_sync_commit) return running(primary, lock, Action::kNoAction);
  if (lock.is_pessimistic() && lock.locked_with_conflict) {
    // Such a lock may be acquired by a request that comes after the transaction's end.
    TRY_ASSIGN(auto record, c.reader.commit_record(primary, command.lock_ts));
    if (!std::holds_alternative<mvcc::NoRecord>(record)) {
      c.release_lock(primary, existing, command.lock_ts);
      const auto* committed = std::get_if<mvcc::CommittedAt>(&record);
      return committed ? committed_at(committed->commit_ts) : ended_by(Action::kNoAction);
    }
  }
  if (is_expired(lock, command.current_ts)) {
    if (lock.is_pessimistic() && command.resolving_pessimistic_lock) {
      c.release_lock(primary, existing, command.lock_ts);
      return ended_by(Action::kTtlExpirePessimisticRollback);
    }
    TRY(rollback_lock(c, primary, existing, command.lock_ts, Collapse::kYes));
    return ended_by(Action::kTtlExpireRollback);
  }
  return push_min_commit_ts(command, c, primary, lock);
}

}  // namespace

mvcc::Result<CheckTxnStatusResult> compute(const CheckTxnStatus& command, Computation& c) {
  // What is answered here is as binding as a read.
  for (Timestamp ts : {command.lock_ts, command.current_ts, command.caller_start_ts}) c.concurrency.update_max_ts(ts);
  const Key primary = Key::from_user(command.primary);
  TRY_ASSIGN(const auto existing, c.load_lock(primary));
  if (existing && mvcc::lock_of(*existing, command.lock_ts)) return with_lock(command, c, primary, *existing);
  return without_lock(command, c, primary, existing);
}

}  // namespace cairn::txn
