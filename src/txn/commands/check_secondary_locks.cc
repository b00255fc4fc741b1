// KvCheckSecondaryLocks: a resolver asks whether all secondaries of an async-commit transaction are locked; if one is
// not, it never will be.
#include "txn/actions/rollback.h"
#include "txn/computation.h"

namespace cairn::txn {

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
    break;
  }
  return result;
}

}  // namespace cairn::txn
