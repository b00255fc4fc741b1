#include "txn/actions/lock_key.h"

#include <algorithm>

#include "txn/actions/records.h"

namespace cairn::txn {

using mvcc::LockKind;
using mvcc::Version;
using mvcc::WriteKind;

namespace {

bool exists(const std::optional<Version>& change) { return change && change->write.kind == WriteKind::kPut; }

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

// The transaction holds the key already: an earlier request got through, or a later statement locks it again.
mvcc::Result<LockedKey> lock_again(Computation& c, const PessimisticLock& command,
                                   const PessimisticLock::Target& target, const Key& key, Lock lock) {
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
    if (target.must_not_exist && !result.conflict_ts.is_set() && exists(change)) {
      return Err(KeyError(mvcc::AlreadyExist{key.user}));
    }
    TRY(tell_value(c, command, key, change, result));
  }
  if (command.for_update_ts > lock.for_update_ts) {
    lock.for_update_ts = command.for_update_ts;
    lock.ttl_ms = std::max(lock.ttl_ms, command.lock_ttl_ms);
    lock.min_commit_ts = std::max(lock.min_commit_ts, command.min_commit_ts);
    c.txn.put_lock(key, lock);
  }
  return result;
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
  TRY_ASSIGN(auto existing, c.reader.load_lock(key));
  if (existing && existing->start_ts != command.start_ts) {
    return Err(KeyError(mvcc::KeyIsLocked{existing->info(key.user)}));
  }
  if (existing) return lock_again(c, command, target, key, std::move(*existing));

  LockedKey result;
  TRY_ASSIGN(auto newest, c.reader.seek_write(key, Timestamp::max()));
  const auto conflict = [&] {
    return Err(KeyError(mvcc::WriteConflict{.start_ts = command.start_ts,
                                            .conflict_start_ts = newest->write.start_ts,
                                            .conflict_commit_ts = newest->commit_ts,
                                            .key = key.user,
                                            .primary = command.primary,
                                            .reason = mvcc::ConflictReason::kPessimisticRetry}));
  };
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
  c.acquired.push_back({key, std::move(lock)});
  return result;
}

}  // namespace cairn::txn
