// The rule of rolling back a transaction on one key, with its lock or without.
//
// A rollback record at start_ts makes a late prewrite fail. Protected ones (of primaries, and those written by a
// resolver that found nothing) must last: they are neither collapsed nor lost when another transaction's record has
// commit_ts = start_ts; that record then carries the overlapped-rollback flag. Unprotected ones save space: the
// previous one is dropped.
#pragma once

#include <optional>

#include "txn/computation.h"

namespace cairn::txn {

enum class Protection : bool { kUnprotected, kProtected };
enum class Collapse : bool { kNo, kYes };

// The transaction holds a lock in the key's record `existing`: removes it and its value, and leaves a rollback record.
engine::Result<void> rollback_lock(Computation& c, const Key& key, const LockRecord& existing, Timestamp start_ts,
                                   Collapse collapse);

// The transaction has neither lock nor record here: leaves a rollback record. `others` is what holds the key, if
// anything does: a lock of another transaction may have to remember the rollback.
engine::Result<void> rollback_missing(Computation& c, const Key& key, Timestamp start_ts, const mvcc::NoRecord& record,
                                      const std::optional<LockRecord>& others, Protection protection);

// Rolls the transaction back whatever it left here; KeyIsLocked if its lock is alive at `current_ts` (0: expired or
// not). Returns the commit timestamp if the transaction is committed.
mvcc::Result<std::optional<Timestamp>> cleanup(Computation& c, const Key& key, Timestamp start_ts, Timestamp current_ts,
                                               Protection protection);

// Whether the lock's time to live has passed at `current_ts`.
inline bool is_expired(const Lock& lock, Timestamp current_ts) {
  // Written so that a huge ttl does not wrap around.
  const uint64_t now_ms = current_ts.physical_ms();
  const uint64_t start_ms = lock.start_ts.physical_ms();
  return now_ms > start_ms && now_ms - start_ms > lock.ttl_ms;
}

}  // namespace cairn::txn
