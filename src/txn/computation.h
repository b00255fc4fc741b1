// What a command computes over: the view of its region, the changes it decides on, and max_ts with the memory locks.
// One per computation; synchronous. compute() of each command reads from top to bottom as its outcome table.
#pragma once

#include <utility>
#include <vector>

#include "engine/region_store.h"
#include "mvcc/mvcc_reader.h"
#include "mvcc/mvcc_txn.h"
#include "txn/commands.h"
#include "txn/concurrency_manager.h"

namespace cairn::txn {

using mvcc::Key;
using mvcc::Lock;
using mvcc::MvccReader;
using mvcc::MvccTxn;
using mvcc::Write;

struct Computation {
  Computation(const engine::RegionSnapshot& view, ConcurrencyManager& manager)
      : snapshot(view), reader(view), concurrency(manager) {}

  const engine::RegionSnapshot& snapshot;
  MvccReader reader;
  MvccTxn txn;
  ConcurrencyManager& concurrency;
  std::vector<ConcurrencyManager::Guard> guards;  // of published locks; to be kept until the changes are applied
  bool is_one_pc = false;                         // the changes are a whole transaction

  // A lock that goes: those who wait for it are told once it is gone.
  struct Released {
    Bytes key;
    Timestamp start_ts;
    Timestamp commit_ts;  // 0: rolled back
  };
  std::vector<Released> released;
  // Locks newly taken by PessimisticLock, beside the changes of `txn`: they may stay in memory. Those who wait for the
  // key wait for these from now on.
  struct Acquired {
    Key key;
    Lock lock;
  };
  std::vector<Acquired> acquired;

  // Transactions that turned out to be committed: start and commit timestamps.
  std::vector<std::pair<Timestamp, Timestamp>> committed;

  // Removes the key's lock, of transaction `start_ts`. The one way in which commands remove locks.
  void release_lock(const Key& key, Timestamp start_ts, Timestamp commit_ts = {}) {
    txn.remove_lock(key);
    released.push_back({key.user, start_ts, commit_ts});
  }
};

// commands/<name>.cc. A KeyError discards all changes and becomes the answer's error.
mvcc::Result<PrewriteResult> compute(const Prewrite& command, Computation& c);
mvcc::Result<PessimisticLockResult> compute(const PessimisticLock& command, Computation& c);
mvcc::Result<PessimisticRollbackResult> compute(const PessimisticRollback& command, Computation& c);
mvcc::Result<CommitResult> compute(const Commit& command, Computation& c);
mvcc::Result<BatchRollbackResult> compute(const BatchRollback& command, Computation& c);
mvcc::Result<CleanupResult> compute(const Cleanup& command, Computation& c);
mvcc::Result<CheckTxnStatusResult> compute(const CheckTxnStatus& command, Computation& c);
mvcc::Result<CheckSecondaryLocksResult> compute(const CheckSecondaryLocks& command, Computation& c);
mvcc::Result<ResolveLockResult> compute(const ResolveLock& command, Computation& c);
mvcc::Result<TxnHeartBeatResult> compute(const TxnHeartBeat& command, Computation& c);
mvcc::Result<DeleteRangeResult> compute(const DeleteRange& command, Computation& c);

// A commit timestamp that cannot be: not above its start_ts.
std::optional<KeyError> check_fates(const ResolveLock& command);
// One step of a ResolveLock or PessimisticRollback over a whole region: the locks that it concerns from `from` (engine
// key) on, at most `limit`.
using FoundLocks = std::vector<std::pair<Key, Lock>>;
engine::Result<FoundLocks> locks_concerned(const ResolveLock& command, const engine::RegionSnapshot& snapshot,
                                           ByteView from, size_t limit);
engine::Result<FoundLocks> locks_concerned(const PessimisticRollback& command, const engine::RegionSnapshot& snapshot,
                                           ByteView from, size_t limit);
// Does to those of the keys that still hold a lock of the command's transactions what the command says.
mvcc::Result<ResolveLockResult> compute_step(const ResolveLock& command, const std::vector<Key>& keys, Computation& c);
mvcc::Result<PessimisticRollbackResult> compute_step(const PessimisticRollback& command, const std::vector<Key>& keys,
                                                     Computation& c);

}  // namespace cairn::txn
