#include "txn/concurrency_manager.h"

#include <gtest/gtest.h>

#include "txn/reads.h"

namespace cairn::txn {
namespace {

mvcc::Lock lock_of(uint64_t start_ts, uint64_t min_commit_ts) {
  mvcc::Lock lock;
  lock.primary = "p";
  lock.start_ts = Timestamp(start_ts);
  lock.min_commit_ts = Timestamp(min_commit_ts);
  lock.use_async_commit = true;
  return lock;
}

ConcurrencyManager::Guard publish(ConcurrencyManager& manager, ByteView key, mvcc::Lock lock) {
  auto guard = manager.publish(key, [&](Timestamp) { return std::optional(lock); });
  EXPECT_TRUE(guard);
  return std::move(*guard);
}

ReadOptions at(uint64_t ts) {
  ReadOptions options;
  options.read_ts = Timestamp(ts);
  return options;
}

TEST(ConcurrencyManager, MaxTsOnlyGrowsAndIgnoresTheMaximum) {
  ConcurrencyManager manager(Timestamp(5));
  manager.update_max_ts(Timestamp(9));
  manager.update_max_ts(Timestamp(7));
  manager.update_max_ts(Timestamp::max());
  EXPECT_EQ(manager.max_ts(), Timestamp(9));
}

TEST(ConcurrencyManager, AReaderMeetsPublishedLocksUntilTheirGuardDies) {
  ConcurrencyManager manager(Timestamp(5));
  {
    auto guard = publish(manager, "a", lock_of(10, 20));
    EXPECT_FALSE(before_read(manager, at(9), {"a"})) << "older than the lock";
    EXPECT_FALSE(before_read(manager, at(19), {"a"})) << "below min_commit_ts";
    EXPECT_TRUE(before_read(manager, at(20), {"b", "a"}));
    EXPECT_TRUE(before_read(manager, at(UINT64_MAX), {"a"}));
    EXPECT_FALSE(before_read(manager, at(20), {"b"}));
    EXPECT_EQ(manager.max_ts(), Timestamp(20)) << "also a refused reader raises it";
  }
  EXPECT_FALSE(before_read(manager, at(20), {"a"}));
}

TEST(ConcurrencyManager, AReadThatTheClientKnowsCommittedStillWaitsForTheLockToBeApplied) {
  ConcurrencyManager manager(Timestamp(5));
  auto guard = publish(manager, "a", lock_of(10, 11));
  ReadOptions options = at(20);
  options.committed_locks = {Timestamp(10)};
  EXPECT_TRUE(before_read(manager, options, {"a"}));
  options.resolved_locks = {Timestamp(10)};
  EXPECT_FALSE(before_read(manager, options, {"a"}));
}

// The latches are a shard's: a doomed command of the parent's shard and one of the child's may meet.
TEST(ConcurrencyManager, AKeyMayHaveALockOfTheParentsShardAndOneOfTheChilds) {
  ConcurrencyManager manager(Timestamp(5));
  auto doomed = publish(manager, "a", lock_of(10, 20));
  {
    auto later = publish(manager, "a", lock_of(7, 30));
    EXPECT_TRUE(before_read(manager, at(20), {"a"})) << "of the first";
    EXPECT_EQ(manager.min_lock_ts(), Timestamp(7));
    doomed.release();
    EXPECT_FALSE(before_read(manager, at(20), {"a"}));
    EXPECT_TRUE(before_read(manager, at(30), {"a"})) << "each guard takes its own away";
    const auto error = before_range_read(manager, at(30), {"", ""});
    ASSERT_TRUE(error);
    EXPECT_EQ(std::get<mvcc::KeyIsLocked>(*error).lock.start_ts, Timestamp(7));
  }
  EXPECT_FALSE(before_read(manager, at(30), {"a"}));
}

TEST(ConcurrencyManager, ARangeMeetsItsFirstLock) {
  ConcurrencyManager manager(Timestamp(5));
  auto b = publish(manager, "b", lock_of(10, 11));
  auto c = publish(manager, "c", lock_of(9, 11));
  const auto first = [&](Bytes start, Bytes end) -> Bytes {
    auto error = before_range_read(manager, at(20), {std::move(start), std::move(end)});
    return error ? std::get<mvcc::KeyIsLocked>(*error).lock.key : "none";
  };
  EXPECT_EQ(first("", ""), "b");
  EXPECT_EQ(first("a", "b"), "none");
  EXPECT_EQ(first("b", "c"), "b");
  EXPECT_EQ(first("bb", ""), "c");
  EXPECT_EQ(manager.min_lock_ts(), Timestamp(9));
  auto error = before_scan_lock(manager, {Timestamp(9), "", "", 0});
  ASSERT_TRUE(error);
  EXPECT_EQ(std::get<mvcc::KeyIsLocked>(*error).lock.key, "c");
}

TEST(ConcurrencyManager, StaleReadsRaiseNothing) {
  ConcurrencyManager manager(Timestamp(5));
  EXPECT_FALSE(before_read(manager, at(20), {"a"}, true));
  EXPECT_EQ(manager.max_ts(), Timestamp(5));
  EXPECT_FALSE(manager.min_lock_ts());
}

TEST(ConcurrencyManager, ARefusedLockIsNotPublished) {
  ConcurrencyManager manager(Timestamp(5));
  EXPECT_FALSE(manager.publish("a", [](Timestamp max_ts) {
    EXPECT_EQ(max_ts, Timestamp(5));
    return std::optional<mvcc::Lock>();
  }));
  auto guard = publish(manager, "a", lock_of(1, 2));
}

TEST(ConcurrencyManager, NoTimestampFarAheadOfPdIsBelieved) {
  ConcurrencyManager manager(Timestamp(1));
  const auto at = [](int64_t seconds) { return Instant{} + std::chrono::seconds(seconds); };
  const auto ts = [](uint64_t seconds) { return Timestamp::compose(seconds * 1000, 0); };
  EXPECT_FALSE(manager.is_from_future(ts(1'000'000), at(0))) << "PD was not heard yet";
  manager.learn_tso(ts(1000), at(10), std::chrono::seconds(60));
  EXPECT_FALSE(manager.is_from_future(ts(1060), at(10)));
  EXPECT_TRUE(manager.is_from_future(ts(1061), at(10)));
  EXPECT_FALSE(manager.is_from_future(ts(1061), at(11))) << "time goes on";
  EXPECT_FALSE(manager.is_from_future(Timestamp::max(), at(10))) << "the newest, whatever it is";
  manager.learn_tso(ts(990), at(11), std::chrono::seconds(60));
  EXPECT_FALSE(manager.is_from_future(ts(1061), at(11))) << "an answer that came late takes nothing back";
  manager.learn_tso(ts(2000), at(11), std::chrono::seconds(60));
  EXPECT_FALSE(manager.is_from_future(ts(2060), at(11))) << "another PD's clock may be ahead";
}

}  // namespace
}  // namespace cairn::txn
