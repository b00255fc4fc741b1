// What to do about a lock in the way: ask at its transaction's primary key what became of it, and finish it for it if
// it is over. Tests: transaction_test.cc.
#pragma once

#include <vector>

#include "client/core.h"
#include "client/effort.h"
#include "kvrpcpb.pb.h"

namespace cairn::client {

// How the locks stand after an attempt to resolve them.
struct LocksResolved {
  // Transactions that are alive but will commit behind the caller, or are rolled back: a read may pass over their
  // locks.
  std::vector<Timestamp> passable;
  // Some are alive and in the way: wait, then try again.
  bool must_wait = false;
};

// `caller_start_ts`: when the caller reads, so that those alive are pushed behind it; 0 for a writer, who must wait.
runtime::Task<Outcome<LocksResolved>> resolve_locks(CorePtr core, EffortPtr effort, Timestamp caller_start_ts,
                                                    std::vector<kvrpcpb::LockInfo> locks);

}  // namespace cairn::client
