#include "txn/actions/prewrite_key.h"

#include <algorithm>
#include <limits>

#include "txn/actions/records.h"

namespace cairn::txn {

using mvcc::ConflictReason;
using mvcc::LockKind;
using mvcc::Version;
using mvcc::WriteKind;

namespace {

LockKind lock_kind_of(Mutation::Op op) {
  switch (op) {
    case Mutation::Op::kPut:
    case Mutation::Op::kInsert:
      return LockKind::kPut;
    case Mutation::Op::kDelete:
      return LockKind::kDelete;
    case Mutation::Op::kLock:
    case Mutation::Op::kSharedLock:
      return LockKind::kLock;
    case Mutation::Op::kCheckNotExists:
      break;
  }
  CHECK(false, "operation {} takes no lock", static_cast<int>(op));
  return LockKind::kLock;
}

bool must_not_exist(Mutation::Op op) { return op == Mutation::Op::kInsert || op == Mutation::Op::kCheckNotExists; }

using Pessimistic = Mutation::PessimisticAction;

Err<KeyError> lost(const Prewrite& command, const Key& key, const char* reason) {
  return Err(KeyError(mvcc::PessimisticLockNotFound{command.start_ts, key.user, reason}));
}

// No record of the key may be newer than the transaction, nor say that it was rolled back. A pessimistic transaction
// looks for what is newer than its for_update_ts, unless its check was only put off. Returns the newest record.
mvcc::Result<std::optional<Version>> check_conflict(Computation& c, const Prewrite& command, const Mutation& mutation,
                                                    const Key& key) {
  const bool is_pessimistic = command.for_update_ts.is_set();
  const bool is_put_off = is_pessimistic && mutation.pessimistic_action == Pessimistic::kConstraintCheck;
  TRY_ASSIGN(auto newest, c.reader.seek_write(key, Timestamp::max()));
  for (auto record = newest; record;) {
    const auto conflict = [&](ConflictReason reason) {
      return Err(KeyError(mvcc::WriteConflict{.start_ts = command.start_ts,
                                              .conflict_start_ts = record->write.start_ts,
                                              .conflict_commit_ts = record->commit_ts,
                                              .key = key.user,
                                              .primary = command.primary,
                                              .reason = reason}));
    };
    if (says_rolled_back(*record, command.start_ts)) return conflict(ConflictReason::kSelfRolledBack);
    if (record->commit_ts > command.start_ts) {
      if (!is_pessimistic) return conflict(ConflictReason::kOptimistic);
      if (is_put_off) return conflict(ConflictReason::kLazyUniquenessCheck);
    }
    if (!is_pessimistic || record->commit_ts <= command.for_update_ts) break;
    // Another's rollback is no change; what it hides may be.
    if (record->write.kind != WriteKind::kRollback) return lost(command, key, "NonLockKeyConflict");
    TRY_ASSIGN(record, c.reader.seek_write(key, record->commit_ts.prev()));
  }
  if (newest && must_not_exist(mutation.op)) {
    TRY_ASSIGN(auto change, c.reader.get_change(key, Timestamp::max()));
    if (change && change->write.kind == WriteKind::kPut) return Err(KeyError(mvcc::AlreadyExist{key.user}));
  }
  return newest;
}

// Which of the key's records a prewrite has looked at; what it did not look at it knows nothing of.
struct Looked {
  bool at_conflicts = false;
  std::optional<std::optional<Version>> newest;  // set: the newest record was loaded (there may be none)
};

mvcc::Result<void> check_assertion(Computation& c, const Prewrite& command, const Mutation& mutation, const Key& key,
                                   const Looked& looked) {
  if (mutation.assertion == Assertion::kNone || command.assertion_level == AssertionLevel::kOff) return {};
  if (command.assertion_level == AssertionLevel::kFast && !looked.newest) return {};
  TRY_ASSIGN(auto change, c.reader.get_change(key, Timestamp::max()));
  const bool exists = change && change->write.kind == WriteKind::kPut;
  if (exists == (mutation.assertion == Assertion::kExist)) return {};
  if (!looked.at_conflicts) {
    TRY(check_conflict(c, command, mutation, key));  // a conflict says more: the transaction may be rolled back
  }
  return Err(KeyError(mvcc::AssertionFailed{.start_ts = command.start_ts,
                                            .key = key.user,
                                            .assertion = mutation.assertion,
                                            .existing_start_ts = change ? change->write.start_ts : Timestamp(),
                                            .existing_commit_ts = change ? change->commit_ts : Timestamp()}));
}

// Another transaction holds the key.
KeyError held_by_other(const Prewrite& command, const Mutation& mutation, const Key& key, const Lock& lock) {
  const bool is_pessimistic = command.for_update_ts.is_set();
  if (is_pessimistic && mutation.pessimistic_action == Pessimistic::kPessimisticCheck) {
    return mvcc::PessimisticLockNotFound{command.start_ts, key.user, "LockTsMismatch"};
  }
  LockInfo info = lock.info(key.user);
  // The client is about to commit and has waited long enough: it resolves the lock at once.
  if (is_pessimistic) info.ttl_ms = 0;
  return mvcc::KeyIsLocked{std::move(info)};
}

// The key's lock record, as it concerns the transaction: its own lock there, alone or shared. Shared locks are taken by
// KvPessimisticLock only; there is no prewrite without that.
struct OwnLock {
  std::optional<Lock> lock;
  std::optional<SharedLocks> shared;
};
mvcc::Result<OwnLock> find_own_lock(Computation& c, const Prewrite& command, const Mutation& mutation, const Key& key) {
  TRY_ASSIGN(auto record, c.reader.load_lock_record(key));
  const bool is_shared_asked = mutation.op == Mutation::Op::kSharedLock;
  if (!record) {
    const bool must_be_there = is_shared_asked && mutation.pessimistic_action == Pessimistic::kPessimisticCheck;
    if (must_be_there) return lost(command, key, "LockMissingAmendFail");
    return OwnLock{};
  }
  const Lock* own = mvcc::lock_of(*record, command.start_ts);
  if (auto* lock = std::get_if<Lock>(&*record)) {
    if (own) return OwnLock{std::move(*lock), {}};
    if (is_shared_asked) return Err(KeyError(mvcc::KeyIsLocked{lock->info(key.user)}));
    return Err(held_by_other(command, mutation, key, *lock));
  }
  if (!own && is_shared_asked) return lost(command, key, "LockMissingAmendFail");
  if (!own) return Err(KeyError(mvcc::KeyIsLocked{mvcc::lock_info(*record, key.user)}));
  if (!is_shared_asked) return Err(KeyError(mvcc::Aborted{"use Op::SharedLock to prewrite on a shared lock"}));
  if (command.generation > 0) {
    return Err(KeyError(mvcc::Aborted{"shared lock prewrite does not support non-zero generation"}));
  }
  Lock lock = *own;
  return OwnLock{std::move(lock), std::get<SharedLocks>(std::move(*record))};
}

// A key that needs no check against others: but a request that comes late, when the transaction has ended, must not
// lock it again.
mvcc::Result<void> check_not_ended(Computation& c, const Prewrite& command, const Key& key) {
  TRY_ASSIGN(auto record, c.reader.commit_record(key, command.start_ts));
  if (std::holds_alternative<mvcc::CommittedAt>(record)) return lost(command, key, "Committed");
  if (std::holds_alternative<mvcc::RolledBack>(record)) {
    return Err(KeyError(mvcc::WriteConflict{.start_ts = command.start_ts,
                                            .conflict_start_ts = command.start_ts,
                                            .conflict_commit_ts = command.start_ts,
                                            .key = key.user,
                                            .primary = command.primary,
                                            .reason = ConflictReason::kSelfRolledBack}));
  }
  return {};
}

// The transaction's own pessimistic lock may become a prewrite lock if it is the one that the client means.
mvcc::Result<void> check_own_pessimistic(Computation& c, const Prewrite& command, const Mutation& mutation,
                                         const Key& key, const Lock& lock) {
  if (!command.for_update_ts.is_set()) {
    return Err(KeyError(mvcc::Aborted{
        fmt::format("LockTypeNotMatch key={} start_ts={} pessimistic=true", to_hex(key.user), command.start_ts)}));
  }
  if (mutation.expected_for_update_ts && *mutation.expected_for_update_ts != lock.for_update_ts) {
    return lost(command, key, "ForUpdateTsMismatch");
  }
  // By force a late request locks the key even over the transaction's own commit.
  if (lock.locked_with_conflict) return check_not_ended(c, command, key);
  return {};
}

// The pessimistic lock is gone, as it may be after a crash. If nobody has written since the transaction began, it is as
// good as there. Returns the newest record.
mvcc::Result<std::optional<Version>> amend(Computation& c, const Prewrite& command, const Key& key) {
  TRY_ASSIGN(auto newest, c.reader.seek_write(key, Timestamp::max()));
  if (newest && newest->commit_ts >= command.start_ts) return lost(command, key, "LockMissingAmendFail");
  return newest;
}

// The checks against records of a key that nobody has locked.
mvcc::Result<Looked> check_unlocked(Computation& c, const Prewrite& command, const Mutation& mutation, const Key& key) {
  Looked looked;
  if (command.for_update_ts.is_set()) {
    if (mutation.pessimistic_action == Pessimistic::kPessimisticCheck) {
      TRY_ASSIGN(looked.newest, amend(c, command, key));
      return looked;
    }
    if (mutation.pessimistic_action == Pessimistic::kSkipCheck) {
      TRY(check_not_ended(c, command, key));
      if (!command.is_retry_request) return looked;
    }
  } else if (command.skip_constraint_check) {
    return looked;
  }
  TRY_ASSIGN(looked.newest, check_conflict(c, command, mutation, key));
  looked.at_conflicts = true;
  return looked;
}

Lock new_lock(const Prewrite& command, const Mutation& mutation) {
  Lock lock;
  lock.kind = lock_kind_of(mutation.op);
  lock.primary = command.primary;
  lock.start_ts = command.start_ts;
  lock.for_update_ts = command.for_update_ts;
  lock.ttl_ms = command.lock_ttl_ms;
  lock.txn_size = command.txn_size;
  lock.min_commit_ts = command.min_commit_ts;
  lock.txn_source = command.txn_source;
  lock.generation = command.generation;
  if (lock.generation > 0) {
    // How large it becomes nobody knows; it is too large for resolvers to handle its keys one by one. And readers may
    // push it, which only a lock with a min_commit_ts permits.
    lock.txn_size = std::numeric_limits<uint64_t>::max();
    lock.min_commit_ts = std::max(lock.min_commit_ts, Timestamp(lock.start_ts.next()));
  }
  if (lock.kind == LockKind::kPut && mutation.value.size() <= mvcc::kShortValueBytesMax) {
    lock.short_value = mutation.value;
  }
  return lock;
}

// What others may have been told of the transaction's earlier lock holds for the lock that takes its place.
void take_over(Lock& lock, const Lock& earlier) {
  lock.ttl_ms = std::max(lock.ttl_ms, earlier.ttl_ms);
  lock.min_commit_ts = std::max(lock.min_commit_ts, earlier.min_commit_ts);
  lock.for_update_ts = std::max(lock.for_update_ts, earlier.for_update_ts);
  lock.rollback_ts = earlier.rollback_ts;
  if (lock.kind == LockKind::kLock && lock.last_change.is_unknown()) lock.last_change = earlier.last_change;
}

bool has_long_value(const Lock& lock) { return lock.kind == LockKind::kPut && !lock.short_value; }

}  // namespace

mvcc::Result<PrewrittenKey> prewrite_key(Computation& c, const Prewrite& command, const Mutation& mutation) {
  Key key = Key::from_user(mutation.key);
  TRY_ASSIGN(OwnLock own, find_own_lock(c, command, mutation, key));
  const std::optional<Lock>& existing = own.lock;
  const bool is_flushed_again = existing && !existing->is_pessimistic() && command.generation > existing->generation;
  if (existing && !existing->is_pessimistic()) {
    const bool is_late = command.generation > 0 && !is_flushed_again;
    if (!is_late && existing->generation > 0 && must_not_exist(mutation.op) && existing->kind == LockKind::kPut) {
      return Err(KeyError(mvcc::AlreadyExist{key.user}));  // the transaction itself put it there
    }
    if (!is_flushed_again) {
      return PrewrittenKey{PrewrittenKey::Kind::kDuplicate, std::move(key), *existing, {}};
    }
  }

  // Its answer depends on what is not there, as a read's does.
  if (must_not_exist(mutation.op)) c.concurrency.update_max_ts(command.start_ts);
  Looked looked;
  if (existing && existing->is_pessimistic()) {
    TRY(check_own_pessimistic(c, command, mutation, key, *existing));
  } else if (!existing || existing->kind == LockKind::kLock) {
    TRY_ASSIGN(looked, check_unlocked(c, command, mutation, key));
  }
  if (!is_flushed_again) {
    TRY(check_assertion(c, command, mutation, key, looked));
  }
  if (mutation.op == Mutation::Op::kCheckNotExists) {
    return PrewrittenKey{PrewrittenKey::Kind::kNothingToDo, std::move(key), {}, {}};
  }

  PrewrittenKey result{PrewrittenKey::Kind::kWrite, std::move(key), new_lock(command, mutation), {}};
  Lock& lock = result.lock;
  if (has_long_value(lock)) result.long_value = mutation.value;
  if (lock.kind == LockKind::kLock && looked.newest) lock.last_change = last_change_below(*looked.newest);
  if (existing) {
    take_over(lock, *existing);
    result.replaces_pessimistic = existing->is_pessimistic();
    result.drops_long_value = has_long_value(*existing) && !result.long_value;
    result.shared = std::move(own.shared);
  }
  return result;
}

}  // namespace cairn::txn
