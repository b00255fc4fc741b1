// Runs transaction commands: the frame around each is written once here.
//
//   run(command)   latches of its keys, in order of hash  ->  RegionStore::snapshot  ->  compute (commands/, pure)
//                      on the shard while all that it reads is cached, else on a thread that may wait for the disk
//                  ->  PessimisticLocks::keep: what stays in memory  ->  RegionStore::write if there is something left
//                  ->  waiters for locks that went are woken  ->  latches released  ->  answer
//
// A PessimisticLock that finds a lock of another transaction waits for it in LockWaiting, without latches.
//
// One per shard, used on the shard's executor only; commands of one key therefore never interleave, but with those that
// a split has doomed on the parent's shard. Bounded: beyond the limits a command is answered ServerIsBusy at once. A
// command whose deadline has passed is dropped before it computes.
// Tests: scheduler_test.cc; the commands' own in commands_test.cc over testdata/.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/region_store.h"
#include "runtime/clock.h"
#include "runtime/latches.h"
#include "runtime/task.h"
#include "txn/commands.h"
#include "txn/computation.h"
#include "txn/concurrency_manager.h"
#include "txn/failure.h"
#include "txn/lock_waiting.h"
#include "txn/metrics.h"
#include "txn/pessimistic_locks.h"
#include "txn/reads.h"
#include "txn/txn_status_cache.h"

namespace cairn::txn {

struct SchedulerLimits {
  size_t pending_commands_max = 10'000;
  size_t pending_bytes_max = 100u << 20;
  size_t resolve_batch_keys = 256;  // locks that one step of a whole-region command handles
  LockWaitingOptions lock_waiting;
  PessimisticLocksOptions pessimistic_locks;
  // pessimistic-txn.pipelined: locks that go through Raft are answered once they are proposed. If they come to nothing
  // they are lost as those of memory are.
  bool pipelined = true;
  TxnStatusCacheOptions txn_status_cache;
};

// What a command cost: where its time went, and what it looked at.
struct CommandFigures {
  Duration latch_wait{};
  Duration snapshot_wait{};
  Duration process{};    // computing
  Duration pool_wait{};  // for a thread that may wait for the disk, and back
  Duration lock_wait{};  // of a pessimistic lock, for the locks of others
  ReadFigures reads;
  engine::ReadWork work;                    // of the engine, for that
  engine::WriteTimes write;                 // unset: it wrote nothing, or was answered before
  const CommandMetrics* metrics = nullptr;  // of its type; set by the scheduler

  void note(CommandStage stage) const { metrics->stages[stage].add(); }
};

class Scheduler {
 public:
  // All must outlive the scheduler, and the scheduler its running commands; commands that a killed process leaves
  // suspended for ever may be left behind.
  Scheduler(engine::RegionStore& store, ConcurrencyManager& concurrency, const runtime::Clock& clock,
            DeadlockClient& deadlocks, SchedulerLimits limits = {});
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Executes one command of commands.h: PessimisticLock, PessimisticRollback, Prewrite, Commit, BatchRollback, Cleanup,
  // CheckTxnStatus, CheckSecondaryLocks, ResolveLock, TxnHeartBeat, DeleteRange.
  // `figures`, if given, must outlive the task.
  template <class Command>
  runtime::Task<Answer<typename Command::Result>> run(Command command, engine::RegionRequest request,
                                                      CommandFigures* figures = nullptr);

  // The region may have changed its bounds or its leader: who waits for locks there, is told if it has. Cheap if nobody
  // waits; whoever does not hear of it finds out when the wait times out.
  void wake_waiters(RegionId region) { waiting_.wake_region(region); }

  // The locks of memory: who owns the region tells them of splits and changes of leader.
  PessimisticLocks& pessimistic_locks() { return pessimistic_locks_; }
  // Who waits for whom.
  const LockWaiting& lock_waiting() const { return waiting_; }
  // BroadcastTxnStatus.
  void learn(const TxnStatus& status) { statuses_.update(status, clock_.now()); }
  const TxnStatusCache& statuses() const { return statuses_; }

  // Waiters for locks included.
  size_t pending_commands() const { return pending_commands_; }
  size_t pending_bytes() const { return pending_bytes_; }

 private:
  class Admission;
  class Account;
  enum class ChoosesCommitTs : bool { kNo, kYes };

  // What is to be done about a command that was decided on.
  struct Plan {
    engine::WriteBasis basis;
    engine::WriteData data;
    std::vector<ConcurrencyManager::Guard> guards;  // until the write is applied
    std::vector<Computation::Released> released;
    std::vector<LockInfo> acquired;
    std::vector<std::pair<Timestamp, Timestamp>> committed;
    PessimisticLocks::Kept kept;
    const CommandMetrics* metrics = nullptr;

    void note(CommandStage stage) const { metrics->stages[stage].add(); }
  };
  template <class R>
  struct Decided {
    R result;
    Plan plan;
  };
  // Snapshot, compute; then write, and wake who waits. To be followed at once by carry_out(). The caller holds the
  // latches of `keys` until both are over.
  template <class R>
  runtime::Task<Answer<Decided<R>>> decide(engine::RegionRequest request, const std::vector<Bytes>& keys,
                                           ChoosesCommitTs chooses_commit_ts,
                                           std::function<mvcc::Result<R>(Computation&)> compute,
                                           CommandFigures& figures);
  runtime::Task<Result<void, engine::RegionError>> carry_out(engine::RegionRequest request, Plan plan,
                                                             CommandFigures* figures);
  // carry_out() goes on by itself; nothing, if it was not refused at once.
  std::optional<engine::RegionError> carry_out_behind(engine::RegionRequest request, Plan plan,
                                                      runtime::Latches::Held held);
  runtime::Task<void> behind(engine::RegionRequest request, Plan plan, runtime::Latches::Held held,
                             std::shared_ptr<std::optional<engine::RegionError>> refused);
  // Both together.
  template <class R>
  runtime::Task<Answer<R>> execute(engine::RegionRequest request, const std::vector<Bytes>& keys,
                                   ChoosesCommitTs chooses_commit_ts,
                                   std::function<mvcc::Result<R>(Computation&)> compute, CommandFigures& figures);
  // The command concerns all locks of its kind that the region holds.
  template <class Command>
  runtime::Task<Answer<typename Command::Result>> run_over_region(const Command& command, engine::RegionRequest request,
                                                                  CommandFigures& figures);
  runtime::Task<Answer<PessimisticLockResult>> lock_or_wait(const PessimisticLock& command,
                                                            engine::RegionRequest request, CommandFigures& figures);
  std::pair<LockWaiting::WaiterId, runtime::Future<LockWaiting::Wake>> wait_for(const PessimisticLock& command,
                                                                                RegionId region, const LockInfo& lock);

  engine::RegionStore& store_;
  ConcurrencyManager& concurrency_;
  const runtime::Clock& clock_;
  const SchedulerLimits limits_;
  const SchedulerMetrics& metrics_ = SchedulerMetrics::get();
  runtime::Latches latches_;
  LockWaiting waiting_;
  PessimisticLocks pessimistic_locks_;
  TxnStatusCache statuses_;
  size_t pending_commands_ = 0;
  size_t pending_bytes_ = 0;
};

}  // namespace cairn::txn
