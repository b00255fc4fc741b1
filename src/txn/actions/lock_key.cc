#include "txn/actions/lock_key.h"

#include <algorithm>

#include "txn/actions/records.h"

namespace cairn::txn {

using mvcc::LockKind;
using mvcc::Version;
using mvcc::WriteKind;

namespace {

bool exists(const std::optional<Version>& change) { return change && change->write.kind == WriteKind::kPut; }

KeyError conflict_with(const PessimisticLock& command, const Key& key, const Version& newer) {
  return mvcc::WriteConflict{.start_ts = command.start_ts,
                             .conflict_start_ts = newer.write.start_ts,
                             .conflict_commit_ts = newer.commit_ts,
                             .key = key.user,
                             .primary = command.primary,
                             .reason = mvcc::ConflictReason::kPessimisticRetry};
}

void put_among(Computation& c, const Key& key, SharedLocks shared, Lock lock) {
  shared.put(std::move(lock));
  c.put_shared(key, std::move(shared));
}

// Fills in what the client asked to know of the key's value; of a key locked over a newer version, all.
mvcc::Result<void> tell_value(Computation& c, const PessimisticLock& command, const Key& key,
                              const std::optional<Version>& change, LockedKey& result) {
  const bool is_over_conflict = result.conflict_ts.is_set();
  if (!command.return_values && !command.check_existence && !is_over_conflict) return {};
  result.exists = exists(change);
  if (result.exists && (command.return_values || is_over_conflict)) {
    TRY_ASSIGN(result.value, c.reader.load_value(key, change->write.start_ts, change->write.short_value));
  }
  return {};
}

// The transaction holds the key already, in `existing`: an earlier request got through, or a later statement locks it
// again.
mvcc::Result<LockedKey> lock_again(Computation& c, const PessimisticLock& command,
                                   const PessimisticLock::Target& target, const Key& key, const LockRecord& existing) {
  Lock lock = *mvcc::lock_of(existing, command.start_ts);
  if (!lock.is_pessimistic()) {
    return Err(KeyError(mvcc::Aborted{
        fmt::format("LockTypeNotMatch key={} start_ts={} pessimistic=false", to_hex(key.user), command.start_ts)}));
  }
  LockedKey result;
  Timestamp read_ts = command.for_update_ts;
  if (command.wake_up_mode == WakeUpMode::kForceLock && lock.for_update_ts > read_ts) {
    result.conflict_ts = read_ts = lock.for_update_ts;
  }
  const bool looks = command.return_values || command.check_existence || target.must_not_exist;
  if (looks || result.conflict_ts.is_set()) {
    TRY_ASSIGN(auto change, c.reader.get_change(key, read_ts));
    if (target.must_not_exist && exists(change)) {
      // What the client could not have seen it is told as a conflict.
      if (change->commit_ts > command.for_update_ts) return Err(conflict_with(command, key, *change));
      return Err(KeyError(mvcc::AlreadyExist{key.user}));
    }
    TRY(tell_value(c, command, key, change, result));
  }
  if (command.for_update_ts > lock.for_update_ts) {
    lock.primary = command.primary;  // it may have changed with the statement
    lock.for_update_ts = command.for_update_ts;
    lock.ttl_ms = std::max(lock.ttl_ms, command.lock_ttl_ms);
    lock.min_commit_ts = std::max(lock.min_commit_ts, command.min_commit_ts);
    if (const auto* shared = std::get_if<SharedLocks>(&existing)) {
      put_among(c, key, *shared, std::move(lock));
    } else {
      c.txn.put_lock(key, lock);
    }
  }
  return result;
}

// Whether the lock may be taken although the key is held.
bool may_join(const PessimisticLock::Target& target, const LockRecord& existing) {
  const auto* shared = std::get_if<SharedLocks>(&existing);
  return shared && target.is_shared && !shared->is_closed();
}

// Whether what the transaction itself holds is as much as it wants now. Its share in a key is not the key.
bool suffices(const PessimisticLock::Target& target, const LockRecord& existing, Timestamp start_ts) {
  return mvcc::lock_of(existing, start_ts) && (target.is_shared || std::holds_alternative<Lock>(existing));
}

// The transaction's rollback came before its lock request. It may lie below newer versions.
mvcc::Result<void> check_not_rolled_back(Computation& c, const PessimisticLock& command, const Key& key,
                                         const Version& newest) {
  std::optional<Version> record = newest;
  if (newest.commit_ts > command.start_ts) {
    TRY_ASSIGN(record, c.reader.seek_write(key, command.start_ts));
  }
  if (!record || !says_rolled_back(*record, command.start_ts)) return {};
  return Err(KeyError(
      mvcc::Aborted{fmt::format("PessimisticLockRolledBack start_ts={} key={}", command.start_ts, to_hex(key.user))}));
}

}  // namespace

mvcc::Result<LockedKey> lock_key(Computation& c, const PessimisticLock& command,
                                 const PessimisticLock::Target& target) {
  const Key key = Key::from_user(target.key);
  // Its answer depends on what is not there, as a read's does.
  if (target.must_not_exist || command.return_values || command.check_existence) {
    c.concurrency.update_max_ts(command.for_update_ts);
  }
  TRY_ASSIGN(const auto existing, c.load_lock(key));
  if (existing && suffices(target, *existing, command.start_ts)) return lock_again(c, command, target, key, *existing);
  if (existing && !may_join(target, *existing)) {
    return Err(KeyError(mvcc::KeyIsLocked{mvcc::lock_info(*existing, key.user)}));
  }

  LockedKey result;
  TRY_ASSIGN(auto newest, c.reader.seek_write(key, Timestamp::max()));
  const auto conflict = [&] { return Err(conflict_with(command, key, *newest)); };
  if (newest) {
    if (newest->commit_ts > command.for_update_ts) {
      if (command.wake_up_mode == WakeUpMode::kNormal) return conflict();
      result.conflict_ts = newest->commit_ts;
    }
    TRY(check_not_rolled_back(c, command, key, *newest));
  }

  const bool is_over_conflict = result.conflict_ts.is_set();
  if (target.must_not_exist || command.return_values || command.check_existence || is_over_conflict) {
    TRY_ASSIGN(auto change, c.reader.get_change(key, Timestamp::max()));
    if (target.must_not_exist && exists(change)) {
      if (is_over_conflict) return conflict();
      return Err(KeyError(mvcc::AlreadyExist{key.user}));
    }
    if (command.lock_only_if_exists && !exists(change)) {
      if (is_over_conflict) return conflict();
      result.is_locked = false;
      return result;
    }
    TRY(tell_value(c, command, key, change, result));
  }

  Lock lock;
  lock.kind = LockKind::kPessimistic;
  lock.primary = command.primary;
  lock.start_ts = command.start_ts;
  lock.ttl_ms = command.lock_ttl_ms;
  lock.for_update_ts = is_over_conflict ? result.conflict_ts : command.for_update_ts;
  lock.min_commit_ts = command.min_commit_ts;
  lock.last_change = last_change_below(newest);
  lock.locked_with_conflict = is_over_conflict;
  if (target.is_shared) {
    put_among(c, key, existing ? std::get<SharedLocks>(*existing) : SharedLocks(), std::move(lock));
  } else {
    c.acquired.push_back({key, std::move(lock)});
  }
  return result;
}

}  // namespace cairn::txn
