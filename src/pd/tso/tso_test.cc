// TsoOracle and IdAllocator: growth across batches, restarts, clocks that go back, overflow.
#include "pd/tso/tso.h"

#include <gtest/gtest.h>

#include "pd/tso/id_allocator.h"
#include "runtime/random.h"

namespace cairn::pd {
namespace {

constexpr uint64_t kInterval = 5000;

TsoOracle serving(uint64_t now, uint64_t saved = 0) {
  TsoOracle oracle(kInterval);
  oracle.reset(now, saved);
  oracle.on_saved(*oracle.wanted_bound(now));
  return oracle;
}

TEST(TsoOracle, HandsOutNothingBeforeTheFirstBoundIsSaved) {
  TsoOracle oracle(kInterval);
  EXPECT_FALSE(oracle.allocate(1000, 1));
  oracle.reset(1000, 0);
  EXPECT_FALSE(oracle.allocate(1000, 1));
  EXPECT_EQ(oracle.wanted_bound(1000), 6000);
  oracle.on_saved(6000);
  EXPECT_TRUE(oracle.allocate(1000, 1));
}

TEST(TsoOracle, ABatchEndsWithItsLastLogical) {
  auto oracle = serving(1000);
  EXPECT_EQ(oracle.allocate(1000, 10)->last_logical, 10);
  const auto next = oracle.allocate(1000, 5);
  EXPECT_EQ(next->physical_ms, 1000);
  EXPECT_EQ(next->last_logical, 15);
}

TEST(TsoOracle, ANewLeaderStartsAboveTheSavedBoundWhenTheClockIsBehindIt) {
  auto oracle = serving(1000, 6000);
  EXPECT_EQ(oracle.allocate(1000, 1)->physical_ms, 6001);
}

TEST(TsoOracle, AClockThatGoesBackChangesNothing) {
  auto oracle = serving(1000);
  oracle.update(500);
  EXPECT_EQ(oracle.allocate(500, 1)->physical_ms, 1000);
}

TEST(TsoOracle, TheClockPullsForwardOnlyBelowTheSavedBound) {
  auto oracle = serving(1000);
  oracle.update(5998);
  EXPECT_EQ(oracle.physical_ms(), 5998);
  oracle.update(6000);
  EXPECT_EQ(oracle.physical_ms(), 5998);
  oracle.on_saved(*oracle.wanted_bound(6000));
  oracle.update(6000);
  EXPECT_EQ(oracle.physical_ms(), 6000);
}

// Takes batches of a quarter until the millisecond has no room for another.
void exhaust(TsoOracle& oracle, uint64_t now) {
  for (int i = 0; i < 3; ++i) ASSERT_EQ(oracle.allocate(now, TsoOracle::kCountMax)->physical_ms, now);
  ASSERT_TRUE(oracle.allocate(now, TsoOracle::kCountMax - 1));
}

TEST(TsoOracle, AFullLogicalPartWaitsForTheClock) {
  auto oracle = serving(1000);
  exhaust(oracle, 1000);
  EXPECT_FALSE(oracle.allocate(1000, 1));
  const auto second = oracle.allocate(1001, 1);
  EXPECT_EQ(second->physical_ms, 1001);
  EXPECT_EQ(second->last_logical, 1);
}

TEST(TsoOracle, WhenTheClockWentBackTheRegularLookMovesAFullLogicalPart) {
  auto oracle = serving(1000);
  exhaust(oracle, 1000);
  EXPECT_FALSE(oracle.allocate(500, 1));
  oracle.update(500);
  EXPECT_EQ(oracle.allocate(500, 1)->physical_ms, 1001);
  oracle.update(500);
  EXPECT_EQ(oracle.physical_ms(), 1001) << "it is hardly used";
}

TEST(TsoOracle, WhenTheClockWentBackRequestsMoveItAsFastAsTimeGoesBy) {
  auto oracle = serving(1000);
  exhaust(oracle, 1000);
  Instant now{};
  uint64_t last = 1000;
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(oracle.allocate(500, TsoOracle::kCountMax, now));
    now = now + std::chrono::milliseconds(1);
    for (int batch = 0; batch < 3; ++batch) {
      EXPECT_EQ(oracle.allocate(500, TsoOracle::kCountMax, now)->physical_ms, last + 1);
    }
    ++last;
  }
}

TEST(TsoOracle, GreedyRequestsNeverMoveItAheadOfTheClock) {
  auto oracle = serving(1000);
  uint64_t handed_out = 0;
  for (uint64_t now = 1000; now < 3000; ++now) {
    if (now % 50 == 0) oracle.update(now);
    if (auto bound = oracle.wanted_bound(now)) oracle.on_saved(*bound);
    for (int i = 0; i < 10; ++i) {
      const auto batch = oracle.allocate(now, TsoOracle::kCountMax);
      if (!batch) continue;
      ++handed_out;
      ASSERT_LE(batch->physical_ms, now);
    }
  }
  EXPECT_GE(handed_out, 3 * 1999u);
}

TEST(TsoOracle, AtTheBoundARequestWaitsUntilAFurtherOneIsSaved) {
  auto oracle = serving(1000);
  oracle.update(5998);
  exhaust(oracle, 5998);
  EXPECT_FALSE(oracle.allocate(5999, 1));
  oracle.on_saved(*oracle.wanted_bound(5999));
  EXPECT_EQ(oracle.allocate(5999, 1)->physical_ms, 5999);
}

TEST(TsoOracle, ASavedBoundNeverGoesBackWithTheClock) {
  auto oracle = serving(1000);
  exhaust(oracle, 1000);
  oracle.on_saved(*oracle.wanted_bound(100'000));  // the clock jumped ahead, and back
  EXPECT_FALSE(oracle.allocate(200'000, 1)) << "it jumped again, beyond the bound";
  const auto bound = oracle.wanted_bound(1000);
  EXPECT_TRUE(!bound || *bound > oracle.saved_bound_ms()) << *bound << " after " << oracle.saved_bound_ms();
}

TEST(TsoOracle, NothingIsHandedOutTwiceOverManyLeadersWithAnyClock) {
  runtime::Random dice(3);
  uint64_t saved = 0;
  uint64_t last = 0;
  for (int leader = 0; leader < 200; ++leader) {
    uint64_t now = 10'000 + dice.below(100'000);
    TsoOracle oracle(kInterval);
    oracle.reset(now, saved);
    for (int step = 0; step < 50; ++step) {
      now = dice.chance(0.1) ? 10'000 + dice.below(100'000) : now + dice.below(300);
      oracle.update(now);
      if (auto bound = oracle.wanted_bound(now); bound && dice.chance(0.7)) {
        saved = *bound;
        if (dice.chance(0.2)) break;  // died between the disk and the memory
        oracle.on_saved(*bound);
      }
      const uint64_t count = dice.chance(0.05) ? TsoOracle::kCountMax : 1 + dice.below(1000);
      if (auto batch = oracle.allocate(now, count)) {
        const uint64_t first = (batch->physical_ms << 18) + batch->last_logical - count + 1;
        ASSERT_GT(first, last);
        ASSERT_LT(batch->last_logical, TsoOracle::kLogicalMax);
        ASSERT_LT(batch->physical_ms, saved);
        last = first + count - 1;
      }
    }
  }
  EXPECT_GT(last, 0);
}

TEST(IdAllocator, HandsOutRunsWithinTheSavedWindowOnly) {
  IdAllocator ids;
  ids.reset(1000);
  EXPECT_FALSE(ids.allocate(1));
  EXPECT_EQ(ids.window_for(1), 2000);
  ids.on_saved(2000);
  EXPECT_EQ(ids.allocate(1), 1001);
  EXPECT_EQ(ids.allocate(10), 1011);
  EXPECT_FALSE(ids.allocate(990));
  EXPECT_EQ(ids.window_for(5000), 7000);
}

}  // namespace
}  // namespace cairn::pd
