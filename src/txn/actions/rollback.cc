#include "txn/actions/rollback.h"

#include "base/redact.h"

namespace cairn::txn {

using mvcc::CommitRecord;
using mvcc::CommittedAt;
using mvcc::LockKind;
using mvcc::NoRecord;
using mvcc::RolledBack;
using mvcc::WriteKind;

namespace {

// A protected record must not be overwritten by a commit at the same timestamp: whoever prewrites the key later and has
// its commit timestamp computed goes above. (Who holds the key now remembers the rollback in its lock.)
void put_rollback(Computation& c, const Key& key, Timestamp start_ts, const NoRecord& record, Protection protection) {
  if (protection == Protection::kProtected) c.concurrency.update_max_ts(start_ts);
  if (!record.overlapped) {
    c.txn.put_write(key, start_ts, Write::rollback(start_ts, protection == Protection::kProtected));
    return;
  }
  CHECK(record.overlapped->commit_ts == start_ts && record.overlapped->write.start_ts < start_ts,
        "the record at {} of transaction {} overlaps the rollback of {}", record.overlapped->commit_ts,
        record.overlapped->write.start_ts, start_ts);
  if (protection == Protection::kUnprotected) return;
  Write write = record.overlapped->write;
  write.has_overlapped_rollback = true;
  write.gc_fence = record.next_change;
  c.txn.put_write(key, start_ts, write);
}

engine::Result<void> collapse_previous(Computation& c, const Key& key, Timestamp start_ts) {
  TRY_ASSIGN(auto previous, c.reader.seek_write(key, start_ts));
  if (previous && previous->write.kind == WriteKind::kRollback && !previous->write.is_protected_rollback()) {
    c.txn.remove_write(key, previous->commit_ts);
  }
  return {};
}

// A commit of `lock` may choose exactly start_ts as its commit timestamp and overwrite the rollback: only async commit
// computes timestamps, and only at or above min_commit_ts. Shared locks are never of async commit.
void remember_rollback(Computation& c, const Key& key, const LockRecord& others, Timestamp start_ts) {
  if (!std::holds_alternative<Lock>(others)) return;
  Lock lock = std::get<Lock>(others);
  CHECK(lock.start_ts != start_ts, "the lock of {} is no other's", start_ts);
  if (!lock.use_async_commit || start_ts < lock.min_commit_ts) return;
  lock.rollback_ts.push_back(start_ts);
  c.txn.put_lock(key, lock);
}

}  // namespace

engine::Result<void> rollback_lock(Computation& c, const Key& key, const LockRecord& existing, Timestamp start_ts,
                                   Collapse collapse) {
  CHECK(mvcc::lock_of(existing, start_ts), "transaction {} has no lock on {}", start_ts, log::user_text(key.user));
  const Lock& lock = *mvcc::lock_of(existing, start_ts);
  TRY_ASSIGN(auto record, c.reader.commit_record(key, lock.start_ts));
  if (const auto* none = std::get_if<NoRecord>(&record)) {
    if (lock.kind == LockKind::kPut && !lock.short_value) c.txn.remove_value(key, lock.start_ts);
    // The primary decides the transaction's fate; a flushed lock's primary may be asked before it is written.
    const bool is_protected = lock.primary == key.user || lock.generation > 0;
    put_rollback(c, key, lock.start_ts, *none, is_protected ? Protection::kProtected : Protection::kUnprotected);
    if (collapse == Collapse::kYes) {
      TRY(collapse_previous(c, key, lock.start_ts));
    }
  } else if (const auto* committed = std::get_if<CommittedAt>(&record)) {
    // Both a prewrite lock and a record (INV-LOCK-OR-WRITE). A stale pessimistic lock is harmless beside its commit.
    if (!lock.is_pessimistic()) {
      return Err(engine::Error{engine::Error::Kind::kCorruption,
                               fmt::format("key {} is locked by {} and committed by it at {}", to_hex(key.user),
                                           lock.start_ts, committed->commit_ts)});
    }
  }
  c.release_lock(key, existing, start_ts);
  return {};
}

engine::Result<void> rollback_missing(Computation& c, const Key& key, Timestamp start_ts, const NoRecord& record,
                                      const std::optional<LockRecord>& others, Protection protection) {
  if (protection == Protection::kUnprotected) {
    TRY(collapse_previous(c, key, start_ts));
  } else if (others && !record.overlapped) {
    remember_rollback(c, key, *others, start_ts);
  }
  put_rollback(c, key, start_ts, record, protection);
  return {};
}

mvcc::Result<std::optional<Timestamp>> cleanup(Computation& c, const Key& key, Timestamp start_ts, Timestamp current_ts,
                                               Protection protection) {
  const auto rolled_back = std::optional<Timestamp>();
  TRY_ASSIGN(const auto existing, c.load_lock(key));
  if (const Lock* lock = existing ? mvcc::lock_of(*existing, start_ts) : nullptr) {
    if (current_ts.is_set() && !is_expired(*lock, current_ts)) {
      return Err(KeyError(mvcc::KeyIsLocked{mvcc::lock_info(*existing, key.user)}));
    }
    const auto collapse = protection == Protection::kProtected ? Collapse::kNo : Collapse::kYes;
    TRY(rollback_lock(c, key, *existing, start_ts, collapse));
    return rolled_back;
  }
  TRY_ASSIGN(auto record, c.reader.commit_record(key, start_ts));
  if (const auto* committed = std::get_if<CommittedAt>(&record)) return std::optional(committed->commit_ts);
  if (const auto* none = std::get_if<NoRecord>(&record)) {
    TRY(rollback_missing(c, key, start_ts, *none, existing, protection));
  }
  return rolled_back;
}

}  // namespace cairn::txn
