#include "txn/scheduler.h"

#include <algorithm>
#include <utility>

#include "base/metrics.h"
#include "engine/cached_view.h"
#include "runtime/async.h"
#include "txn/reads.h"

namespace cairn::txn {

using engine::RegionError;
using runtime::Latches;
using runtime::Task;

namespace {

std::vector<Bytes> keys_of(const Prewrite& command) {
  std::vector<Bytes> keys;
  keys.reserve(command.mutations.size());
  for (const auto& mutation : command.mutations) keys.push_back(mutation.key);
  return keys;
}
std::vector<Bytes> keys_of(const PessimisticLock& command) {
  std::vector<Bytes> keys;
  keys.reserve(command.keys.size());
  for (const auto& target : command.keys) keys.push_back(target.key);
  return keys;
}
std::vector<Bytes> keys_of(const PessimisticRollback& command) { return command.keys; }
std::vector<Bytes> keys_of(const Commit& command) { return command.keys; }
std::vector<Bytes> keys_of(const BatchRollback& command) { return command.keys; }
std::vector<Bytes> keys_of(const Cleanup& command) { return {command.key}; }
std::vector<Bytes> keys_of(const CheckTxnStatus& command) { return {command.primary}; }
std::vector<Bytes> keys_of(const CheckSecondaryLocks& command) { return command.keys; }
std::vector<Bytes> keys_of(const ResolveLock& command) { return command.keys; }
std::vector<Bytes> keys_of(const TxnHeartBeat& command) { return {command.primary}; }
// It has no regard for transactions, so it waits for none; its bounds are checked when it is written.
std::vector<Bytes> keys_of(const DeleteRange&) { return {}; }

template <class Command>
constexpr bool AddsData = std::is_same_v<Command, Prewrite> || std::is_same_v<Command, PessimisticLock> ||
                          std::is_same_v<Command, DeleteRange>;

template <class Command>
size_t bytes_of(const Command& command) {
  size_t bytes = sizeof(Command);
  for (const auto& key : keys_of(command)) bytes += key.size();
  if constexpr (std::is_same_v<Command, Prewrite>) {
    for (const auto& mutation : command.mutations) bytes += mutation.value.size();
    for (const auto& key : command.secondaries) bytes += key.size();
  }
  return bytes;
}

template <class R>
R failed_with(KeyError error) {
  R result;
  if constexpr (requires { result.errors; }) {
    result.errors.push_back(std::move(error));
  } else {
    result.error = std::move(error);
  }
  return result;
}

RegionError busy(const char* reason) { return engine::ServerIsBusy{reason, {}}; }

// How long a PessimisticLock waits for locks, as the client says it.
Duration patience(int64_t wait_timeout_ms, Duration longest) {
  if (wait_timeout_ms == 0) return longest;
  const int64_t longest_ms = longest / std::chrono::milliseconds(1);
  return std::chrono::milliseconds(std::clamp<int64_t>(wait_timeout_ms, 0, longest_ms));
}

metrics::Counter& reads_left_to_pool() {
  static auto& left = metrics::counter("cairn_reads_left_to_pool_total",
                                       "Reads that found not all in the cache, and went to a thread that may wait",
                                       {{"type", "command"}});
  return left;
}

// Whether what was decided over the one view may be carried out in the state of the other.
bool is_same_region(const engine::RegionSnapshot& before, const engine::RegionSnapshot& now) {
  return before.term() == now.term() && before.start_key() == now.start_key() && before.end_key() == now.end_key();
}

const mvcc::KeyIsLocked* lock_in_the_way(const Answer<PessimisticLockResult>& answer) {
  return answer.ok() && answer->error ? std::get_if<mvcc::KeyIsLocked>(&*answer->error) : nullptr;
}

// Whether the command wants the key together with others.
bool wants_share(const PessimisticLock& command, ByteView key) {
  return std::any_of(command.keys.begin(), command.keys.end(),
                     [&](const PessimisticLock::Target& target) { return target.key == key && target.is_shared; });
}

bool has_locked(const Answer<PessimisticLockResult>& answer) {
  return answer.ok() && !answer->error &&
         std::any_of(answer->keys.begin(), answer->keys.end(), [](const LockedKey& key) { return key.is_locked; });
}

KeyError deadlock(DeadlockCycle cycle) {
  const WaitForEdge& refused = cycle.chain.back();
  return mvcc::Deadlock{refused.wait_for, refused.key, cycle.key_hash, std::move(cycle.key), std::move(cycle.chain)};
}

}  // namespace

// A command's place among the pending ones.
class Scheduler::Admission {
 public:
  Admission(Scheduler& scheduler, size_t bytes) : scheduler_(scheduler), bytes_(bytes) {
    ++scheduler_.pending_commands_;
    scheduler_.pending_bytes_ += bytes_;
    tell(1, static_cast<int64_t>(bytes_));
  }
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  ~Admission() {
    --scheduler_.pending_commands_;
    scheduler_.pending_bytes_ -= bytes_;
    tell(-1, -static_cast<int64_t>(bytes_));
  }
  bool is_over_limit() const {
    // Those who wait for locks have a limit of their own.
    return scheduler_.pending_commands_ - scheduler_.waiting_.waiters() > scheduler_.limits_.pending_commands_max ||
           // One that is too large by itself is not for waiting; the store tells its client so.
           scheduler_.pending_bytes_ - bytes_ > scheduler_.limits_.pending_bytes_max;
  }

 private:
  void tell(int64_t commands, int64_t bytes) const {
    const auto& metrics = scheduler_.metrics_;
    metrics.commands.add(commands);
    metrics.running.add(commands);
    metrics.bytes.add(bytes);
    metrics.writing_bytes.add(bytes);
  }

  Scheduler& scheduler_;
  const size_t bytes_;
};

// Tells the metrics of a command when it is over.
class Scheduler::Account {
 public:
  Account(const runtime::Clock& clock, const CommandFigures& figures)
      : clock_(clock), figures_(figures), began_(clock.now()) {
    figures_.note(CommandStage::kNew);
  }
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;
  ~Account() {
    const CommandMetrics& metrics = *figures_.metrics;
    metrics.duration.observe(clock_.now() - began_);
    metrics.latch_wait.observe(figures_.latch_wait);
    metrics.process.observe(figures_.process);
    metrics.keys_read.observe(figures_.reads.versions);
    if (figures_.work.blocks_read > 0) metrics.block_read.observe(figures_.work.read_time);
    metrics.work.note(figures_.work);
    metrics.versions_read.add(figures_.reads.versions);
    metrics.keys_found.add(figures_.reads.found);
  }

 private:
  const runtime::Clock& clock_;
  const CommandFigures& figures_;
  const Instant began_;
};

Scheduler::Scheduler(engine::RegionStore& store, ConcurrencyManager& concurrency, const runtime::Clock& clock,
                     DeadlockClient& deadlocks, SchedulerLimits limits)
    : store_(store),
      concurrency_(concurrency),
      clock_(clock),
      limits_(limits),
      latches_(store.executor()),
      waiting_(store.executor(), clock, deadlocks, limits.lock_waiting),
      pessimistic_locks_(limits.pessimistic_locks),
      statuses_(limits.txn_status_cache) {
  CHECK(limits_.resolve_batch_keys > 0, "a step of resolving needs at least one key");
  metrics_.bytes_max.set(static_cast<double>(limits_.pending_bytes_max));
}

// NOLINTBEGIN(*-coroutine-parameters): who calls these awaits them at once, and owns what it passes
template <class R>
Task<Answer<Scheduler::Decided<R>>> Scheduler::decide(engine::RegionRequest request, const std::vector<Bytes>& keys,
                                                      ChoosesCommitTs chooses_commit_ts,
                                                      std::function<mvcc::Result<R>(Computation&)> compute,
                                                      CommandFigures& figures) {
  const Instant latched = clock_.now();
  if (latched > request.deadline) co_return Err(busy("deadline is exceeded"));
  figures.note(CommandStage::kSnapshot);
  auto taken_snapshot = co_await store_.snapshot(request);
  if (!taken_snapshot.ok()) {
    figures.note(CommandStage::kSnapshotErr);
    metrics_.view.note(&taken_snapshot.error(), {});
    co_return Err(std::move(taken_snapshot).error());
  }
  const engine::RegionSnapshotPtr snapshot = std::move(*taken_snapshot);
  CO_TRY_ASSIGN(const engine::WriteBasis basis, snapshot->write_basis());
  CO_TRY(check_keys_in_region(*snapshot, keys));
  if (chooses_commit_ts == ChoosesCommitTs::kYes && !snapshot->is_max_ts_synced()) {
    co_return Err(RegionError(engine::MaxTimestampNotSynced{}));
  }
  const Instant begun = clock_.now();
  figures.snapshot_wait += begun - latched;
  metrics_.view.note(nullptr, begun - latched);
  if (begun > request.deadline) co_return Err(busy("deadline is exceeded"));

  figures.note(CommandStage::kProcess);
  Decided<R> decided{.result = {}, .plan = {.basis = basis}};
  Plan& plan = decided.plan;
  plan.metrics = figures.metrics;
  const engine::CachedView cached(*snapshot);
  const PessimisticLocks::View view(cached, pessimistic_locks_);
  engine::RegionSnapshotPtr frozen;  // what is computed over elsewhere
  std::optional<Computation> computation;
  Duration waited{};
  computation.emplace(view, concurrency_);
  const engine::WorkMeter work(*snapshot);
  auto result = compute(*computation);
  figures.work += work.take();
  if (!result.ok() && engine::is_not_cached(result.error())) {
    reads_left_to_pool().add();
    frozen = pessimistic_locks_.frozen(snapshot);
    computation.emplace(*frozen, concurrency_);
    runtime::Executor& home = store_.executor();
    const Instant left = clock_.now();
    co_await runtime::switch_to(store_.read_executor());
    const Instant there = clock_.now();
    const engine::WorkMeter work_there(*snapshot);
    result = compute(*computation);
    figures.work += work_there.take();
    const Instant computed = clock_.now();
    co_await runtime::switch_to(home);
    waited = (there - left) + (clock_.now() - computed);
    // The latches kept other commands from the keys, but the region may have another leader or other bounds by now.
    CO_TRY_ASSIGN(const engine::RegionSnapshotPtr again, co_await store_.snapshot(request));
    if (!is_same_region(*snapshot, *again)) co_return Err(RegionError(engine::StaleCommand{}));
  }
  figures.process += clock_.now() - begun - waited;
  figures.pool_wait += waited;
  figures.reads += computation->reader.figures();
  if (!result.ok()) {
    figures.note(CommandStage::kPrepareWriteErr);
    mvcc::Error error = std::move(result).error();
    if (auto* broken = std::get_if<engine::Error>(&error)) co_return Err(std::move(*broken));
    decided.result = failed_with<R>(std::get<KeyError>(std::move(error)));
    co_return std::move(decided);
  }
  decided.result = std::move(*result);
  plan.acquired = computation->finish();
  plan.data = {computation->txn.take(), computation->is_one_pc};
  plan.guards = std::move(computation->guards);
  plan.released = std::move(computation->released);
  plan.committed = std::move(computation->committed);
  std::vector<PessimisticLocks::NewLock> taken;
  for (auto& [key, lock] : computation->acquired) {
    taken.push_back({std::move(key.encoded), lock.start_ts, lock.encode()});
  }
  // From the look at the locks of memory to here, and on to the proposal, nothing else happens on this executor; or,
  // while the command computed elsewhere, nothing but hand-overs that were begun: these keep() sees itself.
  plan.kept = pessimistic_locks_.keep(*snapshot, std::move(taken), plan.data.changes);
  co_return std::move(decided);
}

Task<Result<void, RegionError>> Scheduler::carry_out(engine::RegionRequest request, Plan plan,
                                                     CommandFigures* figures) {
  if (plan.data.changes.empty()) {
    plan.note(CommandStage::kReadFinish);
  } else {
    plan.note(CommandStage::kWrite);
    plan.metrics->keys_written.observe(plan.data.changes.size());
    std::shared_ptr<engine::WriteTimes> times;
    if (figures) times = plan.data.times = std::make_shared<engine::WriteTimes>();
    auto written = co_await store_.write(std::move(request), plan.basis, std::move(plan.data));
    if (!written.ok()) {
      plan.note(CommandStage::kAsyncWriteErr);
      pessimistic_locks_.give_up(plan.kept);
      co_return Err(std::move(written).error());
    }
    plan.note(CommandStage::kWriteFinish);
    if (figures) figures->write = *times;
  }
  pessimistic_locks_.settle(plan.kept);
  for (const auto& lock : plan.released) waiting_.on_released(lock.key, {lock.start_ts, lock.commit_ts});
  for (const auto& lock : plan.acquired) waiting_.on_acquired(lock);
  for (const auto& [start_ts, commit_ts] : plan.committed) {
    statuses_.update({.start_ts = start_ts, .commit_ts = commit_ts}, clock_.now());
  }
  co_return Result<void, RegionError>();
}

Task<void> Scheduler::behind(engine::RegionRequest request, Plan plan, Latches::Held held,
                             std::shared_ptr<std::optional<RegionError>> refused) {
  const Admission admission(*this, 0);
  const auto kept_until_the_end = std::move(held);
  auto done = co_await carry_out(std::move(request), std::move(plan), nullptr);
  if (!done.ok()) *refused = std::move(done).error();
}

std::optional<RegionError> Scheduler::carry_out_behind(engine::RegionRequest request, Plan plan, Latches::Held held) {
  auto refused = std::make_shared<std::optional<RegionError>>();
  runtime::spawn_inline(behind(std::move(request), std::move(plan), std::move(held), refused));
  return std::move(*refused);
}

template <class R>
Task<Answer<R>> Scheduler::execute(engine::RegionRequest request, const std::vector<Bytes>& keys,
                                   ChoosesCommitTs chooses_commit_ts,
                                   std::function<mvcc::Result<R>(Computation&)> compute, CommandFigures& figures) {
  CO_TRY_ASSIGN(Decided<R> decided, co_await decide<R>(request, keys, chooses_commit_ts, std::move(compute), figures));
  CO_TRY(co_await carry_out(std::move(request), std::move(decided.plan), &figures));
  co_return std::move(decided.result);
}

template <class Command>
Task<Answer<typename Command::Result>> Scheduler::run(Command command, engine::RegionRequest request,
                                                      CommandFigures* figures) {
  using R = typename Command::Result;
  CommandFigures unwanted;
  if (!figures) figures = &unwanted;
  figures->metrics = &metrics_of(command);
  CHECK(store_.executor().is_current(), "a command runs on its shard's executor");
  const Account account(clock_, *figures);
  Admission admission(*this, bytes_of(command));
  // A command may end without a proposal that would find out that this is no leader.
  request.replica_read = request.stale_read = false;
  if (admission.is_over_limit() || store_.is_busy(request.region)) {
    figures->metrics->too_busy.add();
    co_return Err(busy("scheduler is busy"));
  }
  // What ends transactions goes on when there is no room for new ones, or else nothing could ever be collected.
  if constexpr (!AddsData<Command>) {
    request.disk_full_opt = std::max(request.disk_full_opt, engine::DiskFullOpt::kAllowedOnAlmostFull);
  }
  if constexpr (std::is_same_v<Command, ResolveLock> || std::is_same_v<Command, PessimisticRollback>) {
    if (command.keys.empty()) co_return co_await run_over_region(command, request, *figures);
  }
  if constexpr (std::is_same_v<Command, PessimisticLock>) co_return co_await lock_or_wait(command, request, *figures);
  auto chooses_commit_ts = ChoosesCommitTs::kNo;
  if constexpr (std::is_same_v<Command, Prewrite>) {
    if (command.use_async_commit || command.try_one_pc) chooses_commit_ts = ChoosesCommitTs::kYes;
  }
  const std::vector<Bytes> keys = keys_of(command);
  const Instant asked = clock_.now();
  figures->note(CommandStage::kLockWait);
  auto held = co_await latches_.acquire(Latches::slots_of(keys));
  figures->latch_wait += clock_.now() - asked;
  if constexpr (std::is_same_v<Command, Prewrite>) {
    // A request that was long on its way must not lock again what its transaction has committed.
    if (command.for_update_ts.is_set() && statuses_.commit_ts_of(command.start_ts)) command.is_retry_request = true;
  }
  co_return co_await execute<R>(
      request, keys, chooses_commit_ts, [&command](Computation& c) { return compute(command, c); }, *figures);
}

// Locks are looked for without latches; those found are looked at again under theirs.
template <class Command>
Task<Answer<typename Command::Result>> Scheduler::run_over_region(const Command& command, engine::RegionRequest request,
                                                                  CommandFigures& figures) {
  using R = typename Command::Result;
  if constexpr (std::is_same_v<Command, ResolveLock>) {
    if (auto error = check_fates(command)) co_return failed_with<R>(std::move(*error));
  }
  Bytes from;
  while (true) {
    if (clock_.now() > request.deadline) co_return Err(busy("deadline is exceeded"));
    CO_TRY_ASSIGN(engine::RegionSnapshotPtr snapshot, co_await store_.snapshot(request));
    // However few the locks are, there may be many that vanished to be passed.
    const Instant copied = clock_.now();
    const engine::RegionSnapshotPtr frozen = pessimistic_locks_.frozen(std::move(snapshot));
    (std::is_same_v<Command, ResolveLock> ? metrics_.locks_read_to_resolve : metrics_.locks_read_to_roll_back)
        .observe(clock_.now() - copied);
    runtime::Executor& home = store_.executor();
    co_await runtime::switch_to(store_.read_executor());
    auto looked_up = keys_concerned(command, *frozen, from, limits_.resolve_batch_keys);
    co_await runtime::switch_to(home);
    CO_TRY_ASSIGN(const auto keys, std::move(looked_up));
    if (keys.empty()) co_return R{};

    std::vector<Bytes> user_keys;
    for (const auto& key : keys) user_keys.push_back(key.user);
    const Instant asked = clock_.now();
    auto held = co_await latches_.acquire(Latches::slots_of(user_keys));
    figures.latch_wait += clock_.now() - asked;
    auto step_of = [&](Computation& c) { return compute_step(command, keys, c); };
    CO_TRY_ASSIGN(auto step, co_await execute<R>(request, user_keys, ChoosesCommitTs::kNo, step_of, figures));
    if (step.error || keys.size() < limits_.resolve_batch_keys) co_return step;
    from = keys.back().encoded + '\0';
  }
}

std::pair<LockWaiting::WaiterId, runtime::Future<LockWaiting::Wake>> Scheduler::wait_for(const PessimisticLock& command,
                                                                                         RegionId region,
                                                                                         const LockInfo& lock) {
  return waiting_.join({.region = region,
                        .start_ts = command.start_ts,
                        .mode = command.wake_up_mode,
                        .wants_share = wants_share(command, lock.key),
                        .may_deadlock = !command.is_first_lock,
                        .resource_group_tag = command.resource_group_tag},
                       lock);
}

Task<Answer<PessimisticLockResult>> Scheduler::lock_or_wait(const PessimisticLock& command,
                                                            engine::RegionRequest request, CommandFigures& figures) {
  using R = PessimisticLockResult;
  const std::vector<Bytes> keys = keys_of(command);
  const Instant give_up =
      std::min(request.deadline, clock_.now() + patience(command.wait_timeout_ms, waiting_.options().timeout_default));
  std::optional<std::pair<Bytes, LockWaiting::Release>> turn;  // it was woken because the key's lock went
  while (true) {
    std::optional<LockInfo> lock;
    std::optional<std::pair<LockWaiting::WaiterId, runtime::Future<LockWaiting::Wake>>> wait;
    {
      const Instant asked = clock_.now();
      auto held = co_await latches_.acquire(Latches::slots_of(keys));
      figures.latch_wait += clock_.now() - asked;
      auto decided = co_await decide<R>(
          request, keys, ChoosesCommitTs::kNo, [&command](Computation& c) { return compute(command, c); }, figures);
      Answer<R> answer = decided.ok() ? Answer<R>(std::move(decided->result)) : Answer<R>(Err(decided.error()));
      if (const auto* in_the_way = lock_in_the_way(answer)) lock = in_the_way->lock;
      const bool has_closed = lock && !decided->plan.data.changes.empty();
      if (decided.ok() && limits_.pipelined && !decided->plan.data.changes.empty()) {
        figures.note(CommandStage::kPipelinedWrite);
        if (auto refused = carry_out_behind(request, std::move(decided->plan), std::move(held))) {
          answer = Err(std::move(*refused));
        }
      } else if (decided.ok()) {
        auto done = co_await carry_out(request, std::move(decided->plan), &figures);
        if (!done.ok()) answer = Err(std::move(done).error());
      }
      if (!lock || has_closed || !answer.ok()) {
        // Others that wait for the key have a chance, too.
        if (turn && !has_locked(answer)) waiting_.on_released(turn->first, turn->second);
        co_return answer;
      }
      if (command.wait_timeout_ms < 0 || clock_.now() >= give_up) co_return answer;
      if (waiting_.is_full()) {
        LockWaitMetrics::get().full.add();
        co_return Err(busy("too many wait for locks"));
      }
      wait = wait_for(command, request.region, *lock);
    }
    turn.reset();
    const Instant since = clock_.now();
    metrics_.running.add(-1);
    auto woken = co_await wait->second.wait_for(store_.executor(), give_up - since);
    metrics_.running.add();
    const Duration waited = clock_.now() - since;
    figures.lock_wait += waited;
    LockWaitMetrics::get().lifetime.observe(waited);
    if (!woken) {
      LockWaitMetrics::get().timeouts.add();
      LockInfo last = waiting_.leave(wait->first);
      // If the region has moved meanwhile the lock is of no interest.
      CO_TRY(co_await store_.snapshot(request));
      co_return failed_with<R>(mvcc::KeyIsLocked{std::move(last)});
    }
    if (auto* cycle = std::get_if<DeadlockCycle>(&*woken)) {
      LockWaitMetrics::get().deadlocks.add();
      co_return failed_with<R>(deadlock(std::move(*cycle)));
    }
    if (const auto* again = std::get_if<LockWaiting::TryAgain>(&*woken)) {
      co_return failed_with<R>(mvcc::WriteConflict{.start_ts = command.start_ts,
                                                   .conflict_start_ts = again->by.start_ts,
                                                   .conflict_commit_ts = again->by.commit_ts,
                                                   .key = lock->key,
                                                   .primary = command.primary,
                                                   .reason = mvcc::ConflictReason::kPessimisticRetry});
    }
    if (const auto& by = std::get<LockWaiting::GoOn>(*woken).by) turn.emplace(lock->key, *by);
  }
}

// NOLINTEND(*-coroutine-parameters)

template Task<Answer<PessimisticLockResult>> Scheduler::run(PessimisticLock, engine::RegionRequest, CommandFigures*);
template Task<Answer<PessimisticRollbackResult>> Scheduler::run(PessimisticRollback, engine::RegionRequest,
                                                                CommandFigures*);
template Task<Answer<PrewriteResult>> Scheduler::run(Prewrite, engine::RegionRequest, CommandFigures*);
template Task<Answer<CommitResult>> Scheduler::run(Commit, engine::RegionRequest, CommandFigures*);
template Task<Answer<BatchRollbackResult>> Scheduler::run(BatchRollback, engine::RegionRequest, CommandFigures*);
template Task<Answer<CleanupResult>> Scheduler::run(Cleanup, engine::RegionRequest, CommandFigures*);
template Task<Answer<CheckTxnStatusResult>> Scheduler::run(CheckTxnStatus, engine::RegionRequest, CommandFigures*);
template Task<Answer<CheckSecondaryLocksResult>> Scheduler::run(CheckSecondaryLocks, engine::RegionRequest,
                                                                CommandFigures*);
template Task<Answer<ResolveLockResult>> Scheduler::run(ResolveLock, engine::RegionRequest, CommandFigures*);
template Task<Answer<TxnHeartBeatResult>> Scheduler::run(TxnHeartBeat, engine::RegionRequest, CommandFigures*);
template Task<Answer<DeleteRangeResult>> Scheduler::run(DeleteRange, engine::RegionRequest, CommandFigures*);

}  // namespace cairn::txn
