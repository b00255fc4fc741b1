// The transaction commands as plain structs: what each is asked and what it answers, named after the RPCs of tikvpb and
// without protobuf. Scheduler::run() executes them; commands/<name>.cc decides each. Keys are user keys; timestamps 0
// are "none".
//
// An answer carries the errors of keys (kvrpcpb.KeyError); region errors and broken engines are Failure (failure.h).
// Whenever an answer has an error, nothing was written.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "mvcc/key_error.h"

namespace cairn::txn {

using mvcc::Assertion;
using mvcc::KeyError;
using mvcc::LockInfo;

// One change of a prewrite. Insert is a put that fails if the key exists; CheckNotExists writes nothing; SharedLock is
// a lock on a key that the transaction has locked together with others.
struct Mutation {
  enum class Op : uint8_t { kPut, kDelete, kLock, kInsert, kCheckNotExists, kSharedLock };
  Op op = Op::kPut;
  Bytes key;
  Bytes value;
  Assertion assertion = Assertion::kNone;
  // Only in a pessimistic transaction: what is to be checked of a key without a lock. Numbers are those of
  // kvrpcpb.PrewriteRequest.PessimisticAction.
  enum class PessimisticAction : uint8_t {
    kSkipCheck = 0,         // the key was not locked on purpose: nothing
    kPessimisticCheck = 1,  // the key was locked: its lock must be there
    kConstraintCheck = 2,   // as an optimistic transaction: the check was put off until now
  };
  PessimisticAction pessimistic_action = PessimisticAction::kSkipCheck;
  std::optional<Timestamp> expected_for_update_ts = {};  // of the pessimistic lock, if it is there
};

enum class AssertionLevel : uint8_t { kOff = 0, kFast = 1, kStrict = 2 };

// KvPrewrite: locks all keys or none. KvFlush is one, too: a part of a transaction too large to be kept at the client
// until its end. A key may be flushed again, with what the transaction makes of it later; `generation` says in which
// order.
struct PrewriteResult {
  std::vector<KeyError> errors;  // all locked keys, or one other error
  Timestamp min_commit_ts;       // 0: not async commit, or fell back to two phases
  Timestamp one_pc_commit_ts;    // not 0: committed by this very call
};
struct Prewrite {
  using Result = PrewriteResult;
  std::vector<Mutation> mutations;
  Bytes primary;
  Timestamp start_ts;
  Timestamp for_update_ts;  // set: the transaction is pessimistic
  uint64_t lock_ttl_ms = 0;
  uint64_t txn_size = 0;
  Timestamp min_commit_ts;
  Timestamp max_commit_ts;  // 0: none
  bool use_async_commit = false;
  std::vector<Bytes> secondaries;  // of the whole transaction; for the primary's lock
  bool try_one_pc = false;
  AssertionLevel assertion_level = AssertionLevel::kOff;
  bool skip_constraint_check = false;
  bool is_retry_request = false;  // Context.is_retry_request
  uint64_t txn_source = 0;        // Context.txn_source
  uint64_t generation = 0;        // KvFlush: above 0, later flushes have larger ones; then neither async commit nor 1PC
};

// KvPessimisticLock: locks all keys or none, without values, against everybody but readers. Unless a lock is in the way
// or a version is newer than for_update_ts: then it waits for the lock, and is told of the newer version. A key may be
// locked together with others who share it (mvcc/shared_locks.h). Whoever wants such a key alone closes it to newcomers
// and is told of the lock at once; when it comes again it waits.
enum class WakeUpMode : uint8_t {
  kNormal,     // a waiter whose lock is free is told to try again (WriteConflict)
  kForceLock,  // it goes on by itself, and locks even over a version newer than for_update_ts. One key only.
};
// What became of one key.
struct LockedKey {
  bool is_locked = true;       // false: lock_only_if_exists, and it does not exist
  std::optional<Bytes> value;  // at for_update_ts, or conflict_ts; if asked for
  bool exists = false;         // likewise
  Timestamp conflict_ts;       // set: locked over a newer version, as if for_update_ts had been this
};
struct PessimisticLockResult {
  std::optional<KeyError> error;
  std::vector<LockedKey> keys;  // as in the command
};
struct PessimisticLock {
  using Result = PessimisticLockResult;
  struct Target {
    Bytes key;
    bool must_not_exist = false;
    bool is_shared = false;  // others may lock the key, too, if they also share it
  };
  std::vector<Target> keys;
  Bytes primary;
  Timestamp start_ts;
  Timestamp for_update_ts;
  Timestamp min_commit_ts;
  uint64_t lock_ttl_ms = 0;
  bool is_first_lock = false;   // of the transaction: it cannot close a cycle
  int64_t wait_timeout_ms = 0;  // for locks of others; 0: the default, below 0: do not wait
  bool return_values = false;
  bool check_existence = false;
  bool lock_only_if_exists = false;  // with return_values only
  WakeUpMode wake_up_mode = WakeUpMode::kNormal;
  Bytes resource_group_tag;
};

// KVPessimisticRollback: drops pessimistic locks that were taken up to for_update_ts, without a trace; the keys given,
// or all of the region if there are none.
struct PessimisticRollbackResult {
  std::optional<KeyError> error;
};
struct PessimisticRollback {
  using Result = PessimisticRollbackResult;
  std::vector<Bytes> keys;
  Timestamp start_ts;
  Timestamp for_update_ts;
};

// KvCommit.
struct CommitResult {
  std::optional<KeyError> error;
  Timestamp commit_ts;
};
struct Commit {
  using Result = CommitResult;
  std::vector<Bytes> keys;
  Timestamp start_ts;
  Timestamp commit_ts;
};

// KvBatchRollback.
struct BatchRollbackResult {
  std::optional<KeyError> error;
};
struct BatchRollback {
  using Result = BatchRollbackResult;
  std::vector<Bytes> keys;
  Timestamp start_ts;
};

// KvCleanup: rolls one key back if its lock is expired. current_ts 0: whether expired or not.
struct CleanupResult {
  std::optional<KeyError> error;
  Timestamp commit_ts;  // not 0: the transaction is committed
};
struct Cleanup {
  using Result = CleanupResult;
  Bytes key;
  Timestamp start_ts;
  Timestamp current_ts;
};

// Numbers are those of kvrpcpb.Action.
enum class TxnStatusAction : uint8_t {
  kNoAction = 0,
  kTtlExpireRollback = 1,
  kLockNotExistRollback = 2,
  kMinCommitTsPushed = 3,
  kTtlExpirePessimisticRollback = 4,
  kLockNotExistDoNothing = 5,
};

// KvCheckTxnStatus.
struct CheckTxnStatusResult {
  std::optional<KeyError> error;
  uint64_t lock_ttl_ms = 0;  // not 0: still running
  Timestamp commit_ts;       // not 0: committed
  TxnStatusAction action = TxnStatusAction::kNoAction;
  std::optional<LockInfo> lock;  // while it is running
};
struct CheckTxnStatus {
  using Result = CheckTxnStatusResult;
  Bytes primary;
  Timestamp lock_ts;  // start_ts of the transaction asked about
  Timestamp caller_start_ts;
  Timestamp current_ts;
  bool rollback_if_not_exist = false;
  bool force_sync_commit = false;
  bool resolving_pessimistic_lock = false;
  bool verify_is_primary = false;
};

// KvCheckSecondaryLocks. All locked: one lock a key. Committed: commit_ts and no locks. Rolled back: neither.
struct CheckSecondaryLocksResult {
  std::optional<KeyError> error;
  std::vector<LockInfo> locks;
  Timestamp commit_ts;
};
struct CheckSecondaryLocks {
  using Result = CheckSecondaryLocksResult;
  std::vector<Bytes> keys;
  Timestamp start_ts;
};

// KvResolveLock: commits or rolls back the locks of transactions whose fate is known; the keys given, or all of the
// region if there are none.
struct ResolveLockResult {
  std::optional<KeyError> error;
};
struct ResolveLock {
  using Result = ResolveLockResult;
  struct Txn {
    Timestamp start_ts;
    Timestamp commit_ts;  // 0: rolled back
  };
  std::vector<Txn> txns;    // one for {start_version, commit_version}, or txn_infos
  std::vector<Bytes> keys;  // only with exactly one transaction
};

// BroadcastTxnStatus: what became of a transaction, as its client tells those who hold its locks.
struct TxnStatus {
  Timestamp start_ts;
  Timestamp min_commit_ts;  // while it is running: it will not commit below this
  Timestamp commit_ts;      // set: committed
  bool rolled_back = false;
  bool is_completed = false;  // none of its locks is left
};

// KvTxnHeartBeat.
struct TxnHeartBeatResult {
  std::optional<KeyError> error;
  uint64_t lock_ttl_ms = 0;
};
struct TxnHeartBeat {
  using Result = TxnHeartBeatResult;
  Bytes primary;
  Timestamp start_ts;
  uint64_t advise_ttl_ms = 0;
  Timestamp min_commit_ts;
};

// KvDeleteRange: all versions of [start_key, end_key), without regard to transactions.
struct DeleteRangeResult {
  std::optional<KeyError> error;
};
struct DeleteRange {
  using Result = DeleteRangeResult;
  Bytes start_key;
  Bytes end_key;
  bool notify_only = false;
};

}  // namespace cairn::txn
