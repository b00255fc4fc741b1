// KvPessimisticLock: all keys or none. A lock of another transaction is the answer here; the scheduler waits for it.
#include "txn/actions/distinct.h"
#include "txn/actions/lock_key.h"
#include "txn/computation.h"

namespace cairn::txn {

mvcc::Result<PessimisticLockResult> compute(const PessimisticLock& command, Computation& c) {
  if (command.lock_only_if_exists && !command.return_values) {
    return Err(
        KeyError(mvcc::Aborted{fmt::format("LockIfExistsFailed start_ts={} for_update_ts={}: it needs return_values",
                                           command.start_ts, command.for_update_ts)}));
  }
  if (command.wake_up_mode == WakeUpMode::kForceLock && command.keys.size() != 1) {
    return Err(KeyError(
        mvcc::Aborted{fmt::format("the force-lock mode takes one key, and {} were given", command.keys.size())}));
  }
  TRY(check_distinct(command.keys));
  PessimisticLockResult result;
  result.keys.reserve(command.keys.size());
  for (const auto& target : command.keys) {
    TRY_ASSIGN(auto locked, lock_key(c, command, target));
    result.keys.push_back(std::move(locked));
  }
  return result;
}

}  // namespace cairn::txn
