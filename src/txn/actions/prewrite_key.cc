#include "txn/actions/prewrite_key.h"

namespace cairn::txn {

using mvcc::ConflictReason;
using mvcc::LastChange;
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
      return LockKind::kLock;
    case Mutation::Op::kCheckNotExists:
      break;
  }
  CHECK(false, "operation {} takes no lock", static_cast<int>(op));
  return LockKind::kLock;
}

bool must_not_exist(Mutation::Op op) { return op == Mutation::Op::kInsert || op == Mutation::Op::kCheckNotExists; }

// No record of the key may be newer than the transaction, nor say that it was rolled back. Returns the newest record.
mvcc::Result<std::optional<Version>> check_conflict(Computation& c, const Prewrite& command, const Mutation& mutation,
                                                    const Key& key) {
  TRY_ASSIGN(auto newest, c.reader.seek_write(key, Timestamp::max()));
  if (!newest) return newest;
  const auto conflict = [&](ConflictReason reason) {
    return Err(KeyError(mvcc::WriteConflict{.start_ts = command.start_ts,
                                            .conflict_start_ts = newest->write.start_ts,
                                            .conflict_commit_ts = newest->commit_ts,
                                            .key = key.user,
                                            .primary = command.primary,
                                            .reason = reason}));
  };
  const bool says_rolled_back = newest->write.kind == WriteKind::kRollback || newest->write.has_overlapped_rollback;
  if (newest->commit_ts == command.start_ts && says_rolled_back) return conflict(ConflictReason::kSelfRolledBack);
  if (newest->commit_ts > command.start_ts) return conflict(ConflictReason::kOptimistic);
  if (must_not_exist(mutation.op)) {
    TRY_ASSIGN(auto change, c.reader.get_change(key, Timestamp::max()));
    if (change && change->write.kind == WriteKind::kPut) return Err(KeyError(mvcc::AlreadyExist{key.user}));
  }
  return newest;
}

// `newest` is what check_conflict() loaded; none if it was skipped.
mvcc::Result<void> check_assertion(Computation& c, const Prewrite& command, const Mutation& mutation, const Key& key,
                                   bool is_conflict_checked) {
  if (mutation.assertion == Assertion::kNone || command.assertion_level == AssertionLevel::kOff) return {};
  if (command.assertion_level == AssertionLevel::kFast && !is_conflict_checked) return {};
  TRY_ASSIGN(auto change, c.reader.get_change(key, Timestamp::max()));
  const bool exists = change && change->write.kind == WriteKind::kPut;
  if (exists == (mutation.assertion == Assertion::kExist)) return {};
  if (!is_conflict_checked) {
    TRY(check_conflict(c, command, mutation, key));  // a conflict says more: the transaction may be rolled back
  }
  return Err(KeyError(mvcc::AssertionFailed{.start_ts = command.start_ts,
                                            .key = key.user,
                                            .assertion = mutation.assertion,
                                            .existing_start_ts = change ? change->write.start_ts : Timestamp(),
                                            .existing_commit_ts = change ? change->commit_ts : Timestamp()}));
}

// Where the newest change below a LOCK record stands that goes on top of `newest`.
LastChange last_change_below(const std::optional<Version>& newest) {
  if (!newest) return LastChange::not_exist();
  if (newest->write.changes_value()) return LastChange::at(newest->commit_ts, 1);
  const LastChange& below = newest->write.last_change;
  return below.is_at() ? LastChange::at(below.commit_ts, below.versions + 1) : below;
}

}  // namespace

mvcc::Result<PrewrittenKey> prewrite_key(Computation& c, const Prewrite& command, const Mutation& mutation) {
  Key key = Key::from_user(mutation.key);
  TRY_ASSIGN(auto existing, c.reader.load_lock(key));
  if (existing && existing->start_ts != command.start_ts) {
    return Err(KeyError(mvcc::KeyIsLocked{existing->info(key.user)}));
  }
  if (existing && existing->is_pessimistic()) {
    return Err(KeyError(mvcc::Aborted{
        fmt::format("LockTypeNotMatch key={} start_ts={} pessimistic=true", to_hex(key.user), command.start_ts)}));
  }
  if (existing) {
    return PrewrittenKey{PrewrittenKey::Kind::kDuplicate, std::move(key), std::move(*existing), {}};
  }

  // Its answer depends on what is not there, as a read's does.
  if (must_not_exist(mutation.op)) c.concurrency.update_max_ts(command.start_ts);
  const bool is_conflict_checked = !command.skip_constraint_check;
  std::optional<Version> newest;
  if (is_conflict_checked) {
    TRY_ASSIGN(newest, check_conflict(c, command, mutation, key));
  }
  TRY(check_assertion(c, command, mutation, key, is_conflict_checked));
  if (mutation.op == Mutation::Op::kCheckNotExists) {
    return PrewrittenKey{PrewrittenKey::Kind::kNothingToDo, std::move(key), {}, {}};
  }

  PrewrittenKey result{PrewrittenKey::Kind::kWrite, std::move(key), {}, {}};
  Lock& lock = result.lock;
  lock.kind = lock_kind_of(mutation.op);
  lock.primary = command.primary;
  lock.start_ts = command.start_ts;
  lock.ttl_ms = command.lock_ttl_ms;
  lock.txn_size = command.txn_size;
  lock.min_commit_ts = command.min_commit_ts;
  lock.txn_source = command.txn_source;
  if (lock.kind == LockKind::kPut) {
    if (mutation.value.size() <= mvcc::kShortValueBytesMax) {
      lock.short_value = mutation.value;
    } else {
      result.long_value = mutation.value;
    }
  }
  if (lock.kind == LockKind::kLock && is_conflict_checked) lock.last_change = last_change_below(newest);
  return result;
}

}  // namespace cairn::txn
