// Waiting for locks, through the scheduler and in virtual time.
#include "txn/lock_waiting.h"

#include <gtest/gtest.h>

#include "runtime/async.h"
#include "txn/testing/world.h"

namespace cairn::txn {
namespace {

using testing::World;
using Pending = std::shared_ptr<std::optional<Answer<PessimisticLockResult>>>;

PessimisticLock lock(uint64_t start_ts, std::vector<Bytes> keys, uint64_t for_update_ts = 0) {
  PessimisticLock command;
  for (auto& key : keys) command.keys.push_back({std::move(key), false});
  command.primary = command.keys.front().key;
  command.start_ts = Timestamp(start_ts);
  command.for_update_ts = Timestamp(for_update_ts ? for_update_ts : start_ts);
  return command;
}
PessimisticLock force(PessimisticLock command) {
  command.wake_up_mode = WakeUpMode::kForceLock;
  return command;
}

// Starts it and lets it come to a rest.
Pending start(World& world, PessimisticLock command) {
  auto answer = world.start(std::move(command), world.store().request());
  world.loop().run_for(std::chrono::microseconds(100));
  return answer;
}
void release(World& world, uint64_t start_ts, std::vector<Bytes> keys) {
  EXPECT_FALSE(world.run(PessimisticRollback{std::move(keys), Timestamp(start_ts), Timestamp::max()}).error);
}
void settle(World& world) { world.loop().run_for(std::chrono::microseconds(100)); }

// What the waiter was told, in a word or two.
std::string told(const Pending& answer) {
  if (!answer->has_value()) return "waits";
  if (!(*answer)->ok()) return "region error";
  const auto& result = ***answer;
  if (!result.error) return "locked";
  if (const auto* e = std::get_if<mvcc::WriteConflict>(&*result.error)) {
    EXPECT_EQ(e->reason, mvcc::ConflictReason::kPessimisticRetry);
    return fmt::format("retry {}@{}", e->conflict_start_ts, e->conflict_commit_ts);
  }
  if (const auto* e = std::get_if<mvcc::KeyIsLocked>(&*result.error)) return fmt::format("by {}", e->lock.start_ts);
  if (std::holds_alternative<mvcc::Deadlock>(*result.error)) return "deadlock";
  return to_string(*result.error);
}

TEST(LockWaiting, TheOldestTransactionIsWokenFirstAndTheOthersAfterTheDelay) {
  World world;
  world.run(lock(10, {"a"}));
  const auto middle = start(world, lock(21, {"a"}));
  const auto oldest = start(world, lock(20, {"b", "a"}));
  const auto youngest = start(world, lock(22, {"a"}));
  EXPECT_EQ(told(oldest), "waits");
  release(world, 10, {"a"});
  settle(world);
  EXPECT_EQ(told(oldest), "retry 10@0");
  EXPECT_EQ(told(middle), "waits");
  world.loop().run_for(18ms);
  EXPECT_EQ(told(middle), "waits");
  EXPECT_EQ(told(youngest), "waits");
  world.loop().run_for(3ms);
  EXPECT_EQ(told(middle), "retry 10@0");
  EXPECT_EQ(told(youngest), "retry 10@0");
  EXPECT_EQ(world.scheduler().pending_commands(), 0u);
}

TEST(LockWaiting, TheDelayedWakeUpSparesThoseWhoCameLater) {
  World world;
  world.run(lock(10, {"a"}));
  const auto first = start(world, lock(20, {"a"}));
  const auto second = start(world, lock(21, {"a"}));
  release(world, 10, {"a"});
  world.run(lock(20, {"a"}));  // the first comes back
  const auto later = start(world, lock(30, {"a"}));
  world.loop().run_for(30ms);
  EXPECT_EQ(told(second), "retry 10@0");
  EXPECT_EQ(told(later), "waits");
  release(world, 20, {"a"});
  settle(world);
  EXPECT_EQ(told(later), "retry 20@0");
}

PessimisticLock share(PessimisticLock command) {
  for (auto& target : command.keys) target.is_shared = true;
  return command;
}

TEST(LockWaiting, ThoseWhoShareAreWokenTogether) {
  World world;
  world.run(lock(10, {"a"}));
  const auto first = start(world, share(lock(20, {"a"})));
  const auto second = start(world, share(lock(21, {"a"})));
  const auto alone = start(world, lock(30, {"a"}));
  const auto behind = start(world, share(lock(40, {"a"})));
  release(world, 10, {"a"});
  settle(world);
  EXPECT_EQ(told(first), "retry 10@0");
  EXPECT_EQ(told(second), "retry 10@0");
  EXPECT_EQ(told(alone), "waits");
  EXPECT_EQ(told(behind), "waits");
  world.loop().run_for(30ms);
  EXPECT_EQ(told(alone), "retry 10@0");
  EXPECT_EQ(told(behind), "retry 10@0");
}

TEST(LockWaiting, AKeyThatIsSharedIsWaitedForUntilTheLastHasGone) {
  World world;
  world.run(share(lock(10, {"a"})));
  world.run(share(lock(11, {"a"})));
  const auto told_at_once = start(world, lock(20, {"a"}));
  EXPECT_EQ(told(told_at_once), "by 0") << "the key is closed now; its holders are told to the client";
  EXPECT_EQ(std::get<mvcc::KeyIsLocked>(*(**told_at_once)->error).lock.holders().size(), 2u);
  const auto alone = start(world, lock(20, {"a"}));
  const auto newcomer = start(world, share(lock(30, {"a"})));
  EXPECT_EQ(world.scheduler().lock_waiting().waits().size(), 4u) << "each waits for both";
  release(world, 11, {"a"});
  settle(world);
  EXPECT_EQ(told(alone), "waits");
  EXPECT_EQ(world.scheduler().lock_waiting().waits().size(), 2u);
  release(world, 10, {"a"});
  settle(world);
  EXPECT_EQ(told(alone), "retry 10@0");
  EXPECT_EQ(told(newcomer), "waits");
  EXPECT_EQ(told(start(world, lock(20, {"a"}))), "locked");
}

TEST(LockWaiting, AWaitForThoseWhoShareEndsWithItsTime) {
  World world;
  world.run(share(lock(10, {"a"})));
  start(world, lock(20, {"a"}));
  const auto alone = start(world, lock(20, {"a"}));
  const auto own = start(world, lock(10, {"a"}));  // what it shares it does not have for itself
  EXPECT_EQ(told(own), "waits");
  world.loop().run_for(2s);
  EXPECT_EQ(told(own), "by 0");
  ASSERT_EQ(told(alone), "by 0");
  const auto& info = std::get<mvcc::KeyIsLocked>(*(**alone)->error).lock;
  EXPECT_GE(info.shared.at(0).duration_to_last_update_ms, 1000u);
}

TEST(LockWaiting, ADeadlockMayGoByWayOfAnyOfThoseWhoShare) {
  World world;
  world.run(share(lock(10, {"a"})));
  world.run(share(lock(11, {"a"})));
  world.run(lock(20, {"b"}));
  start(world, lock(20, {"a"}));
  const auto waits = start(world, lock(20, {"a"}));
  EXPECT_EQ(told(waits), "waits");
  EXPECT_EQ(told(start(world, lock(11, {"b"}))), "deadlock");
  // Who has gone is waited for no more.
  release(world, 11, {"a"});
  settle(world);
  EXPECT_EQ(told(waits), "waits");
  const auto no_more = start(world, lock(11, {"b"}));
  EXPECT_EQ(told(no_more), "waits");
  EXPECT_EQ(told(start(world, lock(10, {"b"}))), "deadlock");
}

TEST(LockWaiting, ACommitTellsItsTimestamp) {
  World world;
  world.run(lock(10, {"a"}));
  Prewrite prewrite;
  prewrite.mutations.push_back({.key = "a", .value = "v"});
  prewrite.mutations.back().pessimistic_action = Mutation::PessimisticAction::kPessimisticCheck;
  prewrite.primary = "a";
  prewrite.start_ts = prewrite.for_update_ts = Timestamp(10);
  EXPECT_TRUE(world.run(prewrite).errors.empty());
  const auto waiter = start(world, lock(20, {"a"}));
  EXPECT_EQ(told(waiter), "waits") << "for a prewrite lock, too";
  EXPECT_FALSE(world.run(Commit{{"a"}, Timestamp(10), Timestamp(40)}).error);
  settle(world);
  EXPECT_EQ(told(waiter), "retry 10@40");
}

TEST(LockWaiting, OnePhaseCommitAndResolversWakeToo) {
  World world;
  world.run(lock(10, {"a"}));
  const auto waiter = start(world, lock(20, {"a"}));
  Prewrite prewrite;
  prewrite.mutations.push_back({.key = "a", .value = "v"});
  prewrite.primary = "a";
  prewrite.start_ts = prewrite.for_update_ts = Timestamp(10);
  prewrite.try_one_pc = true;
  EXPECT_EQ(world.run(prewrite).one_pc_commit_ts, Timestamp(11));
  settle(world);
  EXPECT_EQ(told(waiter), "retry 10@11");

  world.run(lock(30, {"a"}));
  const auto of_resolved = start(world, lock(40, {"a"}));
  EXPECT_FALSE(world.run(ResolveLock{{{Timestamp(30), Timestamp()}}, {}}).error);
  settle(world);
  EXPECT_EQ(told(of_resolved), "retry 30@0");

  world.run(lock(50, {"a"}));
  const auto of_expired = start(world, lock(60, {"a"}));
  CheckTxnStatus check{.primary = "a", .lock_ts = Timestamp(50)};
  check.current_ts = Timestamp::compose(1000, 0);
  EXPECT_EQ(world.run(check).action, TxnStatusAction::kTtlExpireRollback);
  settle(world);
  EXPECT_EQ(told(of_expired), "retry 50@0");
}

TEST(LockWaiting, ItEndsWhenItsTimeIsOver) {
  World world;
  world.run(lock(10, {"a"}));
  auto impatient = lock(20, {"a"});
  impatient.wait_timeout_ms = -1;
  EXPECT_EQ(told(start(world, impatient)), "by 10");
  auto brief = lock(21, {"a"});
  brief.wait_timeout_ms = 50;
  const auto briefly = start(world, brief);
  const auto by_default = start(world, lock(22, {"a"}));
  auto patient = lock(23, {"a"});
  patient.wait_timeout_ms = 60'000;
  const auto for_long = start(world, patient);
  world.loop().run_for(49ms);
  EXPECT_EQ(told(briefly), "waits");
  world.loop().run_for(2ms);
  EXPECT_EQ(told(briefly), "by 10");
  EXPECT_GE(std::get<mvcc::KeyIsLocked>(*(**briefly)->error).lock.duration_to_last_update_ms, 50u);
  world.loop().run_for(940ms);
  EXPECT_EQ(told(by_default), "waits");
  world.loop().run_for(20ms);
  EXPECT_EQ(told(by_default), "by 10");
  EXPECT_EQ(told(for_long), "by 10") << "the store's longest wait";
  release(world, 10, {"a"});
  EXPECT_EQ(told(start(world, lock(30, {"a"}))), "locked");
}

TEST(LockWaiting, AForceLockWaiterGoesOnAndLocks) {
  World world;
  world.run(lock(10, {"a"}));
  const auto first = start(world, force(lock(20, {"a"})));
  const auto second = start(world, force(lock(21, {"a"})));
  const auto normal = start(world, lock(22, {"a"}));
  release(world, 10, {"a"});
  world.loop().run_for(100ms);
  EXPECT_EQ(told(first), "locked");
  EXPECT_EQ(told(second), "waits");
  EXPECT_EQ(told(normal), "waits") << "the lock has a holder again";
  release(world, 20, {"a"});
  world.loop().run_for(100ms);
  EXPECT_EQ(told(second), "locked");
  EXPECT_EQ(told(normal), "waits");
  release(world, 21, {"a"});
  world.loop().run_for(100ms);
  EXPECT_EQ(told(normal), "retry 21@0");
}

TEST(LockWaiting, AForceLockWaiterThatDoesNotLockPassesItsTurnOn) {
  World world;
  world.run(lock(10, {"a"}));
  auto only_if_exists = force(lock(20, {"a"}));
  only_if_exists.lock_only_if_exists = only_if_exists.return_values = true;
  const auto first = start(world, only_if_exists);
  const auto second = start(world, lock(21, {"a"}));
  release(world, 10, {"a"});
  settle(world);
  EXPECT_EQ(told(first), "locked") << "answered, without a lock";
  EXPECT_EQ(told(second), "retry 10@0");
}

TEST(LockWaiting, TheDelayedWakeUpReachesTheFirstForceLockWaiter) {
  World world;
  world.run(lock(10, {"a"}));
  const auto first = start(world, lock(20, {"a"}));
  const auto second = start(world, lock(21, {"a"}));
  const auto by_force = start(world, force(lock(22, {"a"})));
  const auto behind = start(world, lock(23, {"a"}));
  release(world, 10, {"a"});
  world.loop().run_for(25ms);
  EXPECT_EQ(told(first), "retry 10@0");
  EXPECT_EQ(told(second), "retry 10@0");
  EXPECT_EQ(told(by_force), "locked");
  EXPECT_EQ(told(behind), "waits");
}

TEST(LockWaiting, ADeadlockIsToldToTheOneWhoClosesIt) {
  World world;
  world.run(lock(10, {"a"}));
  world.run(lock(20, {"b"}));
  auto of_10 = lock(10, {"b"}, 30);
  of_10.resource_group_tag = "tag";
  const auto older = start(world, of_10);
  const auto younger = start(world, lock(20, {"a"}, 30));
  EXPECT_EQ(told(older), "waits");
  ASSERT_EQ(told(younger), "deadlock");
  const auto& cycle = std::get<mvcc::Deadlock>(*(**younger)->error);
  EXPECT_EQ(cycle.lock_ts, Timestamp(10));
  EXPECT_EQ(cycle.lock_key, "a");
  EXPECT_EQ(cycle.deadlock_key, "b");
  EXPECT_EQ(cycle.deadlock_key_hash, deadlock_key_hash("b"));
  ASSERT_EQ(cycle.wait_chain.size(), 2u);
  EXPECT_EQ(cycle.wait_chain[0].txn, Timestamp(10));
  EXPECT_EQ(cycle.wait_chain[0].resource_group_tag, "tag");
  EXPECT_EQ(cycle.wait_chain[1].txn, Timestamp(20));
  release(world, 20, {"b"});
  settle(world);
  EXPECT_EQ(told(older), "retry 20@0");
}

TEST(LockWaiting, ADeadlockThroughANewHolderIsFound) {
  World world;
  world.run(lock(10, {"a"}));
  world.run(lock(20, {"b"}));
  const auto waiter = start(world, force(lock(21, {"a"}, 30)));  // for 10
  const auto next = start(world, force(lock(20, {"a"}, 30)));    // older, so it comes first
  world.run(lock(21, {"c"}));
  const auto crossing = start(world, lock(20, {"c"}, 30));  // 20 waits for 21, in another request
  EXPECT_EQ(told(crossing), "waits");
  release(world, 10, {"a"});
  settle(world);
  EXPECT_EQ(told(next), "locked");
  EXPECT_EQ(told(waiter), "deadlock") << "21 waits for 20 now";
}

TEST(LockWaiting, AFirstLockAndAnEndedWaitCloseNoCycle) {
  World world;
  world.run(lock(10, {"a"}));
  world.run(lock(20, {"b"}));
  auto brief = lock(10, {"b"}, 30);
  brief.wait_timeout_ms = 10;
  const auto ended = start(world, brief);
  world.loop().run_for(20ms);
  EXPECT_EQ(told(ended), "by 20");
  const auto waiter = start(world, lock(20, {"a"}, 30));
  EXPECT_EQ(told(waiter), "waits");
  auto first = lock(10, {"b"}, 30);
  first.is_first_lock = true;
  const auto undetected = start(world, first);
  EXPECT_EQ(told(undetected), "waits");
}

TEST(LockWaiting, ThereIsALimitToWaiters) {
  SchedulerLimits limits;
  limits.lock_waiting.waiters_max = 2;
  limits.pending_commands_max = 1;  // waiters do not count
  World world(limits);
  world.run(lock(10, {"a"}));
  const auto first = start(world, lock(20, {"a"}));
  const auto second = start(world, lock(21, {"a"}));
  const auto third = start(world, lock(22, {"a"}));
  EXPECT_EQ(told(second), "waits");
  ASSERT_TRUE(third->has_value() && !(*third)->ok());
  EXPECT_TRUE(std::holds_alternative<engine::ServerIsBusy>(std::get<engine::RegionError>((*third)->error())));
}

TEST(LockWaiting, ARegionThatMovesAwaySendsItsWaitersHome) {
  World world;
  world.run(lock(10, {"a"}));
  const auto waiter = start(world, lock(20, {"a"}));
  world.scheduler().wake_waiters(RegionId(1));
  settle(world);
  EXPECT_EQ(told(waiter), "waits") << "a false alarm";
  world.store().set_error_hook([](const engine::RegionRequest& request) -> std::optional<engine::RegionError> {
    return engine::NotLeader{request.region, {}};
  });
  world.scheduler().wake_waiters(RegionId(7));
  settle(world);
  EXPECT_EQ(told(waiter), "waits") << "another region's";
  world.scheduler().wake_waiters(RegionId(1));
  settle(world);
  EXPECT_EQ(told(waiter), "region error");
  // And whoever is not woken finds out in the end.
  world.store().set_error_hook(nullptr);
  const auto unwoken = start(world, lock(21, {"a"}));
  world.store().set_error_hook([](const engine::RegionRequest& request) -> std::optional<engine::RegionError> {
    return engine::NotLeader{request.region, {}};
  });
  world.loop().run_for(2s);
  EXPECT_EQ(told(unwoken), "region error");
}

}  // namespace
}  // namespace cairn::txn
