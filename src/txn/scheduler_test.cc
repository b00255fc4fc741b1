#include "txn/scheduler.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "runtime/async.h"
#include "txn/testing/world.h"

namespace cairn::txn {
namespace {

using engine::RegionError;
using testing::World;

Prewrite put(uint64_t start_ts, std::vector<Bytes> keys) {
  Prewrite command;
  for (auto& key : keys) command.mutations.push_back({Mutation::Op::kPut, std::move(key), "v"});
  command.primary = command.mutations.front().key;
  command.start_ts = Timestamp(start_ts);
  return command;
}

template <class E, class T>
bool failed_with(const Answer<T>& answer) {
  if (answer.ok()) return false;
  const auto* error = std::get_if<RegionError>(&answer.error());
  return error && std::holds_alternative<E>(*error);
}

// Delays what passes, so that commands overlap, or changes what snapshots say.
class SlowStore final : public engine::RegionStore {
 public:
  explicit SlowStore(engine::LocalRegionStore& inner) : inner_(inner) {}
  runtime::Task<Result<engine::RegionSnapshotPtr, RegionError>> snapshot(engine::RegionRequest request) override {
    co_await runtime::sleep(inner_.executor(), std::chrono::milliseconds(1));
    co_return co_await inner_.snapshot(std::move(request));
  }
  runtime::Task<Result<LogIndex, RegionError>> write(engine::RegionRequest request, engine::WriteBasis basis,
                                                     engine::WriteData data) override {
    co_await runtime::sleep(inner_.executor(), std::chrono::milliseconds(5));
    ++writes;
    last_opt = request.disk_full_opt;
    co_return co_await inner_.write(std::move(request), basis, std::move(data));
  }
  bool is_busy(RegionId region) const override { return inner_.is_busy(region); }
  runtime::Executor& executor() override { return inner_.executor(); }
  int writes = 0;
  engine::DiskFullOpt last_opt{};

 private:
  engine::LocalRegionStore& inner_;
};

template <class C>
runtime::Task<void> into(Scheduler* scheduler, C command, engine::RegionRequest request,
                         std::optional<Answer<typename C::Result>>* answer) {
  answer->emplace(co_await scheduler->run(std::move(command), std::move(request)));
}

struct Slow {
  explicit Slow(SchedulerLimits limits = {})
      : scheduler{store, world.concurrency(), world.clock(), world.deadlocks(), limits} {}
  World world;
  SlowStore store{world.store()};
  Scheduler scheduler;

  template <class C>
  void start(C command, std::optional<Answer<typename C::Result>>* answer) {
    runtime::spawn(world.executor(), into(&scheduler, std::move(command), world.store().request(), answer));
  }
};

template <class C>
bool run_until_answered(World& world, const C& answer) {
  return world.loop().run_until([&] { return answer->has_value(); }, std::chrono::seconds(1));
}

TEST(Scheduler, ACommandThatNeedsTheDiskLeavesTheShardToOthersAndKeepsItsKeys) {
  World world;
  world.set_cold_reads(1);
  world.readers().stall(std::chrono::milliseconds(100));
  const auto request = world.store().request();
  const auto cold = world.start(put(10, {"a"}), request);
  const auto behind = world.start(put(20, {"a"}), request);
  world.loop().run_for(std::chrono::milliseconds(50));
  world.set_cold_reads(0);
  ASSERT_TRUE(run_until_answered(world, world.start(put(30, {"b"}), request)));
  EXPECT_FALSE(cold->has_value() || behind->has_value());
  ASSERT_TRUE(run_until_answered(world, behind));
  ASSERT_TRUE(cold->has_value() && (*cold)->ok());
  EXPECT_TRUE((**cold)->errors.empty());
  ASSERT_EQ((**behind)->errors.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<mvcc::KeyIsLocked>((**behind)->errors.front()));
}

TEST(Scheduler, WhatWasDecidedElsewhereIsDroppedIfTheRegionIsAnotherOneByThen) {
  World world;
  world.set_cold_reads(1);
  world.readers().stall(std::chrono::milliseconds(100));
  PessimisticLock lock;
  lock.keys = {{"a"}};
  lock.primary = "a";
  lock.start_ts = lock.for_update_ts = Timestamp(10);
  const auto answer = world.start(lock, world.store().request());
  world.loop().run_for(std::chrono::milliseconds(50));
  world.store().set_term(Term(2));
  ASSERT_TRUE(run_until_answered(world, answer));
  EXPECT_TRUE(failed_with<engine::StaleCommand>(**answer));
  EXPECT_EQ(world.scheduler().pessimistic_locks().size(), 0u);
}

TEST(Scheduler, LocksOfAWholeRegionAreLookedForWhereItMayTakeLong) {
  World world;
  world.run(put(10, {"a", "b"}));
  world.readers().stall(std::chrono::milliseconds(100));
  const auto answer = world.start(ResolveLock{{{Timestamp(10), Timestamp(11)}}, {}}, world.store().request());
  world.loop().run_for(std::chrono::milliseconds(50));
  EXPECT_FALSE(answer->has_value());
  ASSERT_TRUE(run_until_answered(world, answer));
  EXPECT_FALSE((**answer)->error);
  EXPECT_TRUE(world.locks().empty());
}

TEST(Scheduler, CommandsOfOneKeyNeverInterleave) {
  Slow slow;
  std::optional<Answer<PrewriteResult>> first, second, other;
  slow.start(put(10, {"a", "b"}), &first);
  slow.start(put(11, {"b"}), &second);
  slow.start(put(12, {"c"}), &other);
  slow.world.loop().run_until([&] { return other.has_value() && first.has_value(); }, std::chrono::seconds(1));
  EXPECT_FALSE(second) << "it waits for the latch of b";
  slow.world.loop().run_for(std::chrono::seconds(1));
  ASSERT_TRUE(first && second && other);
  EXPECT_TRUE((*first)->errors.empty());
  ASSERT_EQ((*second)->errors.size(), 1u) << "it must see the lock of the first";
  EXPECT_TRUE((*other)->errors.empty());
  EXPECT_EQ(slow.scheduler.pending_commands(), 0u);
  EXPECT_EQ(slow.scheduler.pending_bytes(), 0u);
}

TEST(Scheduler, WhatEndsTransactionsMayBeWrittenToAnAlmostFullDisk) {
  Slow slow;
  std::optional<Answer<PrewriteResult>> locked;
  slow.start(put(10, {"a"}), &locked);
  slow.world.loop().run_for(std::chrono::seconds(1));
  ASSERT_TRUE(locked && locked->ok());
  EXPECT_EQ(slow.store.last_opt, engine::DiskFullOpt::kNotAllowedOnFull);
  std::optional<Answer<BatchRollbackResult>> gone;
  slow.start(BatchRollback{.keys = {"a"}, .start_ts = Timestamp(10)}, &gone);
  slow.world.loop().run_for(std::chrono::seconds(1));
  ASSERT_TRUE(gone && gone->ok());
  EXPECT_EQ(slow.store.last_opt, engine::DiskFullOpt::kAllowedOnAlmostFull);
}

TEST(Scheduler, LocksOfAsyncCommitAreVisibleWhileTheyAreReplicated) {
  Slow slow;
  std::optional<Answer<PrewriteResult>> answer;
  Prewrite command = put(10, {"a"});
  command.use_async_commit = true;
  slow.start(std::move(command), &answer);
  slow.world.loop().run_for(std::chrono::milliseconds(3));
  ASSERT_FALSE(answer);
  ReadOptions options;
  options.read_ts = Timestamp(50);
  EXPECT_TRUE(before_read(slow.world.concurrency(), options, {"a"}));
  slow.world.loop().run_for(std::chrono::seconds(1));
  EXPECT_FALSE(before_read(slow.world.concurrency(), options, {"a"})) << "it is in the engine now";
  EXPECT_EQ((*answer)->min_commit_ts, Timestamp(11));
}

PessimisticLock lock(uint64_t start_ts, const Bytes& key) {
  PessimisticLock command;
  command.keys = {{key, false}};
  command.primary = key;
  command.start_ts = command.for_update_ts = Timestamp(start_ts);
  return command;
}

TEST(Scheduler, PipelinedLocksAreAnsweredOnceTheyAreProposed) {
  for (const bool pipelined : {true, false}) {
    SchedulerLimits limits;
    limits.pessimistic_locks.in_memory = false;
    limits.pipelined = pipelined;
    Slow slow(limits);
    std::optional<Answer<PessimisticLockResult>> locked, other;
    std::optional<Answer<PrewriteResult>> prewritten;
    slow.start(lock(10, "a"), &locked);
    slow.world.loop().run_for(std::chrono::milliseconds(4));
    EXPECT_EQ(locked.has_value(), pipelined);
    EXPECT_EQ(slow.store.writes, 0);
    EXPECT_EQ(slow.scheduler.pending_commands(), 1u) << "it is under way";
    slow.start(lock(11, "a"), &other);
    Prewrite command = put(10, {"a"});
    command.for_update_ts = Timestamp(10);
    command.mutations[0].pessimistic_action = Mutation::PessimisticAction::kPessimisticCheck;
    slow.start(std::move(command), &prewritten);
    slow.world.loop().run_for(std::chrono::milliseconds(500));
    ASSERT_TRUE(locked && prewritten);
    EXPECT_FALSE(other) << "it waits, for it came after the lock";
    EXPECT_FALSE((*locked)->error);
    EXPECT_TRUE((*prewritten)->errors.empty());
    slow.world.loop().run_for(std::chrono::seconds(2));
    EXPECT_TRUE(other);
    EXPECT_EQ(slow.scheduler.pending_commands(), 0u);
  }
}

TEST(Scheduler, APipelinedLockThatIsRefusedIsToldSo) {
  SchedulerLimits limits;
  limits.pessimistic_locks.in_memory = false;
  World world(limits);
  int calls = 0;
  world.store().set_error_hook([&calls](const engine::RegionRequest&) -> std::optional<RegionError> {
    if (++calls == 1) return std::nullopt;  // the snapshot; the write is refused
    return engine::StaleCommand{};
  });
  EXPECT_TRUE(failed_with<engine::StaleCommand>(world.run_raw(lock(10, "a"), world.store().request())));
}

TEST(Scheduler, RefusesWhatPassesItsLimits) {
  SchedulerLimits limits;
  limits.pending_commands_max = 1;
  World world(limits);
  auto first = world.start(put(10, {"a"}), world.store().request());
  auto second = world.start(put(11, {"a"}), world.store().request());
  world.loop().run_for(std::chrono::seconds(1));
  EXPECT_TRUE((*first)->ok());
  EXPECT_TRUE((*second)->ok()) << "the first had ended";

  limits.pending_bytes_max = 100;
  World narrow(limits);
  const Bytes large(200, 'k');
  EXPECT_TRUE(narrow.run(put(10, {large})).errors.empty()) << "one alone is not for waiting, however large";
  EXPECT_EQ(narrow.scheduler().pending_bytes(), 0u);
  PessimisticLock waits;
  waits.keys = {{large, false}};
  waits.primary = large;
  waits.start_ts = waits.for_update_ts = Timestamp(11);
  auto waiting = narrow.start(waits, narrow.store().request());
  EXPECT_TRUE(failed_with<engine::ServerIsBusy>(narrow.run_raw(put(12, {"b"}), narrow.store().request())));
  narrow.loop().run_for(std::chrono::seconds(2));
  ASSERT_TRUE(waiting->has_value());
  EXPECT_TRUE(narrow.run(put(12, {"b"})).errors.empty());

  world.store().set_busy(true);
  EXPECT_TRUE(failed_with<engine::ServerIsBusy>(world.run_raw(put(10, {"a"}), world.store().request())));
}

TEST(Scheduler, DropsACommandWhoseDeadlineHasPassed) {
  World world;
  world.loop().run_for(std::chrono::seconds(2));
  auto request = world.store().request();
  request.deadline = world.clock().now() - std::chrono::seconds(1);
  EXPECT_TRUE(failed_with<engine::ServerIsBusy>(world.run_raw(put(10, {"a"}), request)));
  EXPECT_FALSE(world.run(put(11, {"a"})).errors.size()) << "nothing was written";
}

TEST(Scheduler, PassesRegionErrorsOn) {
  World world;
  auto request = world.store().request();
  request.region = RegionId(77);
  EXPECT_TRUE(failed_with<engine::RegionNotFound>(world.run_raw(put(10, {"a"}), request)));

  auto region = engine::LocalRegionStore::whole_key_space();
  region.start_key = codec::encode_bytes("m");
  World half({}, region);
  EXPECT_TRUE(failed_with<engine::KeyNotInRegion>(half.run_raw(put(10, {"a"}), half.store().request())));
  EXPECT_TRUE(failed_with<engine::KeyNotInRegion>(get(*half.snapshot(), {}, "a")));
  const auto snapshot = half.snapshot();
  const ReadOptions newest;
  const std::vector<Bytes> keys = {"z", "a"};
  const auto found =
      runtime::testing::run_now([&](auto& slices) { return batch_get(*snapshot, newest, keys, slices); });
  EXPECT_TRUE(failed_with<engine::KeyNotInRegion>(found));
  const Scan outside{"a", "z", 10};
  EXPECT_TRUE(failed_with<engine::KeyNotInRegion>(
      runtime::testing::run_now([&](auto& slices) { return scan(*snapshot, newest, outside, slices); })));
}

TEST(Scheduler, ResolvesAWholeRegionInSteps) {
  SchedulerLimits limits;
  limits.resolve_batch_keys = 4;
  World world(limits);
  std::vector<Bytes> keys;
  for (int i = 0; i < 12; ++i) keys.push_back(fmt::format("k{:02}", i));
  world.run(put(10, keys));
  world.run(put(20, {"k05x"}));
  ASSERT_FALSE(world.run(ResolveLock{{{Timestamp(10), Timestamp(30)}}, {}}).error);
  const auto left = world.locks();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left.front().key, "k05x");
  ReadOptions options;
  options.read_ts = Timestamp(30);
  options.isolation = IsolationLevel::kRc;
  const auto snapshot = world.snapshot();
  const Scan all{"", "", 100};
  const auto found = runtime::testing::run_now([&](auto& slices) { return scan(*snapshot, options, all, slices); });
  EXPECT_EQ(found->pairs.size(), 12u);
}

}  // namespace
}  // namespace cairn::txn
