// KvPessimisticLock: all keys or none. A lock of another transaction is the answer here; the scheduler waits for it.
//
// A shared key, asked for by one who wants it alone, is the one case in which there is both an error and a change.
#include "txn/actions/distinct.h"
#include "txn/actions/lock_key.h"
#include "txn/computation.h"

namespace cairn::txn {
namespace {

KeyError wanted_both_ways(const Key& key) {
  return mvcc::Aborted{fmt::format("the key {} is to be locked both alone and together with others", to_hex(key.user))};
}

// Who wants a shared key alone closes it to newcomers, or they might keep it for ever: that is all that the command
// then changes. Returns what it is told of the lock; other errors stay what they are.
mvcc::Result<KeyError> close_if_shared(Computation& c, const PessimisticLock::Target& target, mvcc::Error error) {
  const auto* of_key = std::get_if<KeyError>(&error);
  const auto* locked = of_key ? std::get_if<mvcc::KeyIsLocked>(of_key) : nullptr;
  if (!locked || locked->lock.kind != mvcc::LockKind::kShared || target.is_shared) return Err(std::move(error));
  c.start_over();
  const Key key = Key::from_user(target.key);
  TRY_ASSIGN(auto existing, c.load_lock(key));
  if (!existing) return Err(wanted_both_ways(key));
  SharedLocks shared = std::get<SharedLocks>(std::move(*existing));
  if (shared.is_closed()) return Err(std::move(error));
  shared.close();
  c.put_shared(key, std::move(shared));
  return *of_key;
}

}  // namespace

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
  PessimisticLockResult result;
  result.keys.reserve(command.keys.size());
  for (const auto& target : command.keys) {
    auto locked = lock_key(c, command, target);
    if (!locked.ok()) {
      TRY_ASSIGN(result.error, close_if_shared(c, target, std::move(locked).error()));
      result.keys.clear();
      return result;
    }
    result.keys.push_back(std::move(*locked));
  }
  // A key that stands twice is answered twice and locked once.
  keep_last_of_each_key(c.acquired, [](const Computation::Acquired& acquired) { return acquired.key.user; });
  for (const auto& [key, lock] : c.acquired) {
    if (c.shared_changes.contains(key.user)) return Err(wanted_both_ways(key));
  }
  return result;
}

}  // namespace cairn::txn
