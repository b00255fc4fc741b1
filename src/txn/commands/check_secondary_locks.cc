// KvCheckSecondaryLocks: a resolver asks whether all secondaries of an async-commit transaction are locked; if one is
// not, it never will be.
//
// The first key that is not locked decides the transaction, and then all its locks among the keys asked for get its
// fate at once. TiKV leaves them to whoever meets them next; but client-go, up to versions of 2025, takes them for
// finished: it keeps in its cache that the transaction was one of async commit, and asks this question about the same
// lock again for ever.
#include "txn/actions/commit_key.h"
#include "txn/actions/rollback.h"
#include "txn/computation.h"

namespace cairn::txn {
namespace {

// Carries the fate to the transaction's locks on the keys: `commit_ts`, or unset: it is rolled back.
mvcc::Result<void> finish_locks(const CheckSecondaryLocks& command, Timestamp commit_ts, const Key& decided_by,
                                Computation& c) {
  for (const auto& user_key : command.keys) {
    const Key key = Key::from_user(user_key);
    if (key == decided_by) continue;
    TRY_ASSIGN(const auto lock, c.reader.load_lock(key));
    if (!lock || lock->start_ts != command.start_ts) continue;
    if (commit_ts.is_set()) {
      TRY(commit_key(c, key, command.start_ts, commit_ts));
    } else {
      TRY(rollback_lock(c, key, *lock, Collapse::kYes));
    }
  }
  return {};
}

}  // namespace

mvcc::Result<CheckSecondaryLocksResult> compute(const CheckSecondaryLocks& command, Computation& c) {
  c.concurrency.update_max_ts(command.start_ts);
  CheckSecondaryLocksResult result;
  for (const auto& user_key : command.keys) {
    const Key key = Key::from_user(user_key);
    TRY_ASSIGN(auto lock, c.reader.load_lock(key));
    const bool is_own = lock && lock->start_ts == command.start_ts;
    if (is_own && !lock->is_pessimistic()) {
      result.locks.push_back(lock->info(key.user));
      continue;
    }
    // The first key that is not locked tells the transaction's fate.
    result.locks.clear();
    if (is_own) c.release_lock(key, command.start_ts);
    TRY_ASSIGN(auto record, c.reader.commit_record(key, command.start_ts));
    if (const auto* committed = std::get_if<mvcc::CommittedAt>(&record)) {
      result.commit_ts = committed->commit_ts;
    } else if (const auto* none = std::get_if<mvcc::NoRecord>(&record)) {
      const auto other = is_own ? std::nullopt : std::move(lock);
      TRY(rollback_missing(c, key, command.start_ts, *none, other, Protection::kProtected));
    }
    TRY(finish_locks(command, result.commit_ts, key, c));
    break;
  }
  return result;
}

}  // namespace cairn::txn
