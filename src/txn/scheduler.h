// Runs transaction commands: the frame around each is written once here.
//
//   run(command)   latches of its keys, in order of hash  ->  RegionStore::snapshot  ->  compute (commands/, pure)
//                  ->  RegionStore::write if there is something to write  ->  latches released  ->  answer
//
// One per shard, used on the shard's executor only; commands of one key therefore never interleave. Bounded: beyond the
// limits a command is answered ServerIsBusy at once. A command whose deadline has passed is dropped before it computes.
// Tests: scheduler_test.cc; the commands' own in commands_test.cc over testdata/.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "engine/region_store.h"
#include "runtime/clock.h"
#include "runtime/latches.h"
#include "runtime/task.h"
#include "txn/commands.h"
#include "txn/computation.h"
#include "txn/concurrency_manager.h"
#include "txn/failure.h"

namespace cairn::txn {

struct SchedulerLimits {
  size_t pending_commands_max = 10'000;
  size_t pending_bytes_max = 100u << 20;
  size_t resolve_batch_keys = 256;  // locks that one step of a whole-region ResolveLock handles
};

class Scheduler {
 public:
  // All must outlive the scheduler, and the scheduler its running commands; commands that a killed process leaves
  // suspended for ever may be left behind.
  Scheduler(engine::RegionStore& store, ConcurrencyManager& concurrency, const runtime::Clock& clock,
            SchedulerLimits limits = {});
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Executes one command of commands.h: Prewrite, Commit, BatchRollback, Cleanup, CheckTxnStatus, CheckSecondaryLocks,
  // ResolveLock, TxnHeartBeat, DeleteRange.
  template <class Command>
  runtime::Task<Answer<typename Command::Result>> run(Command command, engine::RegionRequest request);

  size_t pending_commands() const { return pending_commands_; }
  size_t pending_bytes() const { return pending_bytes_; }

 private:
  class Admission;
  enum class ChoosesCommitTs : bool { kNo, kYes };

  // Snapshot, compute, write. The caller holds the latches of `keys`.
  template <class R>
  runtime::Task<Answer<R>> execute(engine::RegionRequest request, const std::vector<Bytes>& keys,
                                   ChoosesCommitTs chooses_commit_ts,
                                   std::function<mvcc::Result<R>(Computation&)> decide);
  runtime::Task<Answer<ResolveLockResult>> resolve_region(const ResolveLock& command, engine::RegionRequest request);

  engine::RegionStore& store_;
  ConcurrencyManager& concurrency_;
  const runtime::Clock& clock_;
  const SchedulerLimits limits_;
  runtime::Latches latches_;
  size_t pending_commands_ = 0;
  size_t pending_bytes_ = 0;
};

}  // namespace cairn::txn
