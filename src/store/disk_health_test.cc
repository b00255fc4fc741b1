#include "store/disk_health.h"

#include <gtest/gtest.h>

#include "runtime/simulated/sim_loop.h"

namespace cairn::store {
namespace {

Instant at(Duration since_start) { return {since_start}; }

TEST(WriteWatch, TellsTheLongestWriteOnceAndOneThatDoesNotEndEachTime) {
  WriteWatch watch;
  EXPECT_EQ(watch.take_longest(at(1s)), 0ms);
  watch.begin(at(1s));
  watch.end(at(1030ms));
  watch.begin(at(1100ms));
  watch.end(at(1110ms));
  EXPECT_EQ(watch.take_longest(at(2s)), 30ms);
  EXPECT_EQ(watch.take_longest(at(2s)), 0ms);
  watch.begin(at(3s));
  EXPECT_EQ(watch.take_longest(at(3200ms)), 200ms);
  EXPECT_EQ(watch.take_longest(at(3300ms)), 300ms);
  watch.end(at(3350ms));
  EXPECT_EQ(watch.take_longest(at(4s)), 350ms);
}

TEST(SlowScore, DoublesWithEachSlowRoundAndComesDownSlowly) {
  SlowScore score({});
  Instant now = at(1s);
  const auto round = [&](int slow) {
    for (int i = 0; i < 30; ++i, now = now + 100ms) score.look(i < slow ? 100ms : 99ms, now);
    return score.value();
  };
  EXPECT_EQ(round(0), 1);
  EXPECT_EQ(round(3), 2) << "a tenth";
  EXPECT_EQ(round(30), 4);
  EXPECT_EQ(round(3), 8);
  for (int i = 0; i < 6; ++i) round(3);
  EXPECT_EQ(score.value(), 100);
  int rounds = 0;
  while (round(0) > 1) ++rounds;
  EXPECT_NEAR(rounds * 3, 300, 10) << "seconds";
}

TEST(DiskHealth, OfAStoreWhoseWritesAreQuickIsOneAndOfAStalledDiskItGrows) {
  runtime::SimLoop loop{1};
  runtime::SimClock clock{loop};
  runtime::SimExecutors executors{loop, clock, "store"};
  auto executor = executors.make("control");
  WriteWatch watch;
  DiskHealth health(executor, clock, 100ms, [&watch](Instant now) { return watch.take_longest(now); });
  executor->post([&health] { health.begin(); });
  EXPECT_EQ(health.slow_score(), 1);
  loop.run_for(20s);
  EXPECT_EQ(health.slow_score(), 1);
  watch.begin(clock.now());
  loop.run_for(10s);
  EXPECT_GE(health.slow_score(), 8);
  loop.run_for(20s);
  EXPECT_EQ(health.slow_score(), 100);
  watch.end(clock.now());
  loop.run_for(310s);
  EXPECT_EQ(health.slow_score(), 1);
  executor->post([&health] { health.stop(); });
  loop.run_for(1s);
}

}  // namespace
}  // namespace cairn::store
