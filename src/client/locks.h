// What to do about a lock in the way: ask at its transaction's primary key what became of it, and finish it for it if
// it is over. Tests: transaction_test.cc.
#pragma once

#include <vector>

#include "client/core.h"
#include "client/effort.h"
#include "kvrpcpb.pb.h"

namespace cairn::client {

// What became of a transaction, as its primary key tells.
struct Fate {
  enum class Kind {
    kRunning,
    kPushed,  // alive, and will commit behind the caller
    kCommitted,
    kRolledBack,
    kMisled,  // the key that the lock names as its primary is not: the transaction has chosen another since
  };
  Kind kind = Kind::kRunning;
  Timestamp commit_ts;  // of kCommitted
  // Of kRolledBack: nothing is decided but that a pessimistic lock may go; the transaction may yet commit without it.
  bool is_of_lock_only = false;
};

// How the locks stand after an attempt to resolve them.
struct LocksResolved {
  // Transactions that are alive but will commit behind the caller, or are rolled back: a read may pass over their
  // locks.
  std::vector<Timestamp> passable;
  // Some are alive and in the way: wait, then try again.
  bool must_wait = false;
};

// The locks that a store speaks of: one, or those of all transactions that share a key.
void add_locks(const kvrpcpb::LockInfo& told, std::vector<kvrpcpb::LockInfo>& out);

// `caller_start_ts`: when the caller reads, so that those alive are pushed behind it; 0 for a writer, who must wait.
runtime::Task<Outcome<LocksResolved>> resolve_locks(CorePtr core, EffortPtr effort, Timestamp caller_start_ts,
                                                    std::vector<kvrpcpb::LockInfo> locks);

enum class Mercy { kForTheLiving, kNone };

// Asks what became of the lock's transaction, and ends it if its time has passed; with no mercy, even if it has not.
// Leaves the lock itself as it is.
runtime::Task<Outcome<Fate>> judge(CorePtr core, EffortPtr effort, kvrpcpb::LockInfo lock, Mercy mercy);

}  // namespace cairn::client
