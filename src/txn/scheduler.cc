#include "txn/scheduler.h"

#include <utility>

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

}  // namespace

// A command's place among the pending ones.
class Scheduler::Admission {
 public:
  Admission(Scheduler& scheduler, size_t bytes) : scheduler_(scheduler), bytes_(bytes) {
    ++scheduler_.pending_commands_;
    scheduler_.pending_bytes_ += bytes_;
  }
  Admission(const Admission&) = delete;
  Admission& operator=(const Admission&) = delete;
  ~Admission() {
    --scheduler_.pending_commands_;
    scheduler_.pending_bytes_ -= bytes_;
  }
  bool is_over_limit() const {
    return scheduler_.pending_commands_ > scheduler_.limits_.pending_commands_max ||
           scheduler_.pending_bytes_ > scheduler_.limits_.pending_bytes_max;
  }

 private:
  Scheduler& scheduler_;
  const size_t bytes_;
};

Scheduler::Scheduler(engine::RegionStore& store, ConcurrencyManager& concurrency, const runtime::Clock& clock,
                     SchedulerLimits limits)
    : store_(store), concurrency_(concurrency), clock_(clock), limits_(limits), latches_(store.executor()) {
  CHECK(limits_.resolve_batch_keys > 0, "a step of resolving needs at least one key");
}

template <class R>
Task<Answer<R>> Scheduler::execute(engine::RegionRequest request, const std::vector<Bytes>& keys,
                                   ChoosesCommitTs chooses_commit_ts,
                                   std::function<mvcc::Result<R>(Computation&)> decide) {
  if (clock_.now() > request.deadline) co_return Err(busy("deadline is exceeded"));
  CO_TRY_ASSIGN(engine::RegionSnapshotPtr snapshot, co_await store_.snapshot(request));
  CO_TRY(check_keys_in_region(*snapshot, keys));
  if (chooses_commit_ts == ChoosesCommitTs::kYes && !snapshot->is_max_ts_synced()) {
    co_return Err(RegionError(engine::MaxTimestampNotSynced{}));
  }
  if (clock_.now() > request.deadline) co_return Err(busy("deadline is exceeded"));

  R result;
  engine::WriteData data;
  std::vector<ConcurrencyManager::Guard> guards;  // until the write is applied
  {
    Computation computation(*snapshot, concurrency_);
    auto decided = decide(computation);
    if (!decided.ok()) {
      mvcc::Error error = std::move(decided).error();
      if (auto* broken = std::get_if<engine::Error>(&error)) co_return Err(std::move(*broken));
      co_return failed_with<R>(std::get<KeyError>(std::move(error)));
    }
    result = std::move(*decided);
    data = {computation.txn.take(), computation.is_one_pc};
    guards = std::move(computation.guards);
  }
  const Term term = snapshot->term();
  snapshot.reset();  // pins nothing while the write is replicated
  if (!data.changes.empty()) {
    CO_TRY(co_await store_.write(request, term, std::move(data)));
  }
  co_return result;
}

template <class Command>
Task<Answer<typename Command::Result>> Scheduler::run(Command command, engine::RegionRequest request) {
  using R = typename Command::Result;
  CHECK(store_.executor().is_current(), "a command runs on its shard's executor");
  Admission admission(*this, bytes_of(command));
  if (admission.is_over_limit() || store_.is_busy(request.region)) co_return Err(busy("scheduler is busy"));
  if constexpr (std::is_same_v<Command, ResolveLock>) {
    if (command.keys.empty()) co_return co_await resolve_region(command, request);
  }
  auto chooses_commit_ts = ChoosesCommitTs::kNo;
  if constexpr (std::is_same_v<Command, Prewrite>) {
    if (command.use_async_commit || command.try_one_pc) chooses_commit_ts = ChoosesCommitTs::kYes;
  }
  const std::vector<Bytes> keys = keys_of(command);
  auto held = co_await latches_.acquire(Latches::slots_of(keys));
  co_return co_await execute<R>(request, keys, chooses_commit_ts,
                                [&command](Computation& c) { return compute(command, c); });
}

// Locks are looked for without latches; those found are looked at again under theirs.
Task<Answer<ResolveLockResult>> Scheduler::resolve_region(const ResolveLock& command, engine::RegionRequest request) {
  if (auto error = check_fates(command)) co_return failed_with<ResolveLockResult>(std::move(*error));
  Bytes from;
  while (true) {
    if (clock_.now() > request.deadline) co_return Err(busy("deadline is exceeded"));
    CO_TRY_ASSIGN(engine::RegionSnapshotPtr snapshot, co_await store_.snapshot(request));
    CO_TRY_ASSIGN(auto found, locks_to_resolve(command, *snapshot, from, limits_.resolve_batch_keys));
    snapshot.reset();
    if (found.empty()) co_return ResolveLockResult{};

    std::vector<Key> keys;
    std::vector<Bytes> user_keys;
    for (auto& [key, lock] : found) {
      user_keys.push_back(key.user);
      keys.push_back(std::move(key));
    }
    auto held = co_await latches_.acquire(Latches::slots_of(user_keys));
    CO_TRY_ASSIGN(auto step,
                  co_await execute<ResolveLockResult>(request, user_keys, ChoosesCommitTs::kNo,
                                                      [&](Computation& c) { return resolve_keys(command, keys, c); }));
    if (step.error || found.size() < limits_.resolve_batch_keys) co_return step;
    from = keys.back().encoded + '\0';
  }
}

template Task<Answer<PrewriteResult>> Scheduler::run(Prewrite, engine::RegionRequest);
template Task<Answer<CommitResult>> Scheduler::run(Commit, engine::RegionRequest);
template Task<Answer<BatchRollbackResult>> Scheduler::run(BatchRollback, engine::RegionRequest);
template Task<Answer<CleanupResult>> Scheduler::run(Cleanup, engine::RegionRequest);
template Task<Answer<CheckTxnStatusResult>> Scheduler::run(CheckTxnStatus, engine::RegionRequest);
template Task<Answer<CheckSecondaryLocksResult>> Scheduler::run(CheckSecondaryLocks, engine::RegionRequest);
template Task<Answer<ResolveLockResult>> Scheduler::run(ResolveLock, engine::RegionRequest);
template Task<Answer<TxnHeartBeatResult>> Scheduler::run(TxnHeartBeat, engine::RegionRequest);
template Task<Answer<DeleteRangeResult>> Scheduler::run(DeleteRange, engine::RegionRequest);

}  // namespace cairn::txn
