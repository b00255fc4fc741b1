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
    TRY_ASSIGN(const auto existing, c.load_lock(key));
    if (!existing || !mvcc::lock_of(*existing, command.start_ts)) continue;
    if (commit_ts.is_set()) {
      TRY(commit_key(c, key, command.start_ts, commit_ts));
    } else {
      TRY(rollback_lock(c, key, *existing, command.start_ts, Collapse::kYes));
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
    TRY_ASSIGN(auto existing, c.load_lock(key));
    const Lock* lock = existing ? mvcc::lock_of(*existing, command.start_ts) : nullptr;
    // A shared one, too: its transaction fell back to two phases when it met the key, and may be committed by now.
    if (lock && !lock->is_pessimistic()) {
      result.locks.push_back(lock->info(key.user));
      continue;
    }
    // The first key that is not locked tells the transaction's fate.
    result.locks.clear();
    if (lock) c.release_lock(key, *existing, command.start_ts);
    TRY_ASSIGN(auto record, c.reader.commit_record(key, command.start_ts));
    if (const auto* committed = std::get_if<mvcc::CommittedAt>(&record)) {
      result.commit_ts = committed->commit_ts;
    } else if (const auto* none = std::get_if<mvcc::NoRecord>(&record)) {
      const auto others = lock ? std::nullopt : std::move(existing);
      TRY(rollback_missing(c, key, command.start_ts, *none, others, Protection::kProtected));
    }
    TRY(finish_locks(command, result.commit_ts, key, c));
    break;
  }
  return result;
}

}  // namespace cairn::txn
