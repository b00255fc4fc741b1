// Why a transaction may not do what it asked of a key: the plain form of kvrpcpb.KeyError. Closed; each alternative
// carries what the client acts on. server/ translates it to protobuf in one place.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "engine/error.h"

namespace cairn::mvcc {

// Numbers are those of kvrpcpb.Op, as LockInfo.lock_type carries them.
enum class LockKind : uint8_t { kPut = 0, kDelete = 1, kLock = 2, kPessimistic = 5, kShared = 7 };

// A lock as a client sees it (kvrpcpb.LockInfo). Keys are user keys.
struct LockInfo {
  Bytes primary;
  Timestamp start_ts;  // lock_version
  Bytes key;
  uint64_t ttl_ms = 0;
  uint64_t txn_size = 0;
  LockKind kind = LockKind::kPut;
  Timestamp for_update_ts;
  bool use_async_commit = false;
  Timestamp min_commit_ts;
  std::vector<Bytes> secondaries;
  // Told to a waiter whose time was over: how long ago the lock was taken, as far as is known. 0: not told.
  uint64_t duration_to_last_update_ms = 0;
  // Of kShared: the locks of all who share the key; the rest but for the key is then empty.
  std::vector<LockInfo> shared;
  // Who holds the lock.
  std::vector<Timestamp> holders() const;
  friend bool operator==(const LockInfo&, const LockInfo&) = default;
};

// Another transaction holds the key; the client resolves it or waits.
struct KeyIsLocked {
  LockInfo lock;
};
// Numbers are those of kvrpcpb.WriteConflict.Reason.
enum class ConflictReason : uint8_t {
  kUnknown = 0,
  kOptimistic = 1,
  kPessimisticRetry = 2,
  kSelfRolledBack = 3,
  kRcCheckTs = 4,
  kLazyUniquenessCheck = 5,
  kNotLockedKeyConflict = 6,
};
// A newer version exists than the transaction may see. Sets `conflict` and `retryable`.
struct WriteConflict {
  Timestamp start_ts;
  Timestamp conflict_start_ts;
  Timestamp conflict_commit_ts;
  Bytes key;
  Bytes primary;
  ConflictReason reason = ConflictReason::kUnknown;
};
struct AlreadyExist {
  Bytes key;
};
struct CommitTsExpired {
  Timestamp start_ts;
  Timestamp attempted_commit_ts;
  Bytes key;
  Timestamp min_commit_ts;
};
// CheckTxnStatus or a heartbeat found neither lock nor record on the primary.
struct TxnNotFound {
  Timestamp start_ts;
  Bytes primary;
};
// Numbers are those of kvrpcpb.Assertion.
enum class Assertion : uint8_t { kNone = 0, kExist = 1, kNotExist = 2 };
struct AssertionFailed {
  Timestamp start_ts;
  Bytes key;
  Assertion assertion = Assertion::kNone;
  Timestamp existing_start_ts;
  Timestamp existing_commit_ts;
};
// The key asked about is not the primary of the lock found there.
struct PrimaryMismatch {
  LockInfo lock;
};
// Commit found no lock of the transaction: it was rolled back, or never prewritten. Sets `txn_lock_not_found` and
// `retryable`.
struct TxnLockNotFound {
  Bytes key;
  Timestamp start_ts;
  Timestamp commit_ts;  // as asked
};
// A rollback found that the transaction is committed. On the wire: `abort`.
struct Committed {
  Bytes key;
  Timestamp start_ts;
  Timestamp commit_ts;
};
// A prewrite relied on a pessimistic lock that is not there, and others may have written since. On the wire: `abort`.
struct PessimisticLockNotFound {
  Timestamp start_ts;
  Bytes key;
  const char* reason = "";  // a word for the text
};
// One wait: transaction `txn` waits for `wait_for`, which holds the lock on `key`.
struct WaitForEdge {
  Timestamp txn;
  Timestamp wait_for;
  uint64_t key_hash = 0;
  Bytes key;
  Bytes resource_group_tag;  // the client's own label of the statement
  friend bool operator==(const WaitForEdge&, const WaitForEdge&) = default;
};
// Waiting for the lock would never end.
struct Deadlock {
  Timestamp lock_ts;  // start_ts of the holder of the lock on `lock_key`
  Bytes lock_key;     // that this transaction would wait for
  uint64_t deadlock_key_hash = 0;
  Bytes deadlock_key;                   // held by this transaction, waited for by the last but one of the cycle
  std::vector<WaitForEdge> wait_chain;  // the cycle; this transaction's own wait is the last
};
// Everything else: the client fails the transaction with this text.
struct Aborted {
  std::string text;
};

using KeyError = std::variant<KeyIsLocked, WriteConflict, AlreadyExist, CommitTsExpired, TxnNotFound, AssertionFailed,
                              PrimaryMismatch, TxnLockNotFound, Committed, PessimisticLockNotFound, Deadlock, Aborted>;

// One line for logs, `abort` and `retryable` texts; stable.
std::string to_string(const KeyError& error);

// What reading or deciding over versions may end in besides its result.
using Error = std::variant<KeyError, engine::Error>;

template <class T>
using Result = cairn::Result<T, Error>;

}  // namespace cairn::mvcc
