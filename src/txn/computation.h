// What a command computes over: the view of its region, the changes it decides on, and max_ts with the memory locks.
// One per computation; synchronous. compute() of each command reads from top to bottom as its outcome table.
#pragma once

#include <map>
#include <optional>
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
using mvcc::LockRecord;
using mvcc::MvccReader;
using mvcc::MvccTxn;
using mvcc::SharedLocks;
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

  // Records of shared locks as this command leaves them, so that what it does to one of the locks it sees in the
  // others; by user key. Written by finish().
  struct SharedChange {
    Key key;
    SharedLocks locks;
    std::optional<Released> last;  // of the locks that went
  };
  std::map<Bytes, SharedChange> shared_changes;

  // Transactions that turned out to be committed: start and commit timestamps.
  std::vector<std::pair<Timestamp, Timestamp>> committed;

  // The key's lock record; of shared locks as the command has changed it so far.
  engine::Result<std::optional<LockRecord>> load_lock(const Key& key);
  // Changes the locks that share the key.
  void put_shared(const Key& key, SharedLocks locks);
  // Removes the transaction's lock from the key's record, which holds it: all of the record, if it is the only one.
  // The one way in which commands remove locks.
  void release_lock(const Key& key, const LockRecord& record, Timestamp start_ts, Timestamp commit_ts = {});
  // Forgets what was decided so far.
  void start_over();
  // All is decided: turns what became of shared locks into changes. Returns the locks that those who wait for their
  // keys wait for from now on.
  std::vector<LockInfo> finish();
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
// One step of a ResolveLock or PessimisticRollback over a whole region: the keys with locks that it concerns, from
// `from` (engine key) on, at most `limit`.
engine::Result<std::vector<Key>> keys_concerned(const ResolveLock& command, const engine::RegionSnapshot& snapshot,
                                                ByteView from, size_t limit);
engine::Result<std::vector<Key>> keys_concerned(const PessimisticRollback& command,
                                                const engine::RegionSnapshot& snapshot, ByteView from, size_t limit);
// Does to those of the keys that still hold a lock of the command's transactions what the command says.
mvcc::Result<ResolveLockResult> compute_step(const ResolveLock& command, const std::vector<Key>& keys, Computation& c);
mvcc::Result<PessimisticRollbackResult> compute_step(const PessimisticRollback& command, const std::vector<Key>& keys,
                                                     Computation& c);

}  // namespace cairn::txn
