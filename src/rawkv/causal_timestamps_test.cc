#include "rawkv/causal_timestamps.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>

#include "runtime/simulated/sim_loop.h"

namespace cairn::rawkv {
namespace {

using Answer = Result<Timestamp, std::string>;

// A PD that takes 5 ms for an answer, or gives none.
struct World {
  World() { loop.run_for(1s); }

  static runtime::Task<Answer> fetch(World* world, uint32_t count) {
    world->asked.push_back(count);
    // What is asked for now is given out now; the answer only takes its time.
    const Timestamp last = world->last = world->last + count;
    co_await runtime::sleep(*world->pd, 5ms);
    if (world->is_away) co_return Err(std::string("away"));
    co_return last;
  }
  static runtime::Task<void> take(World* world, Timestamp above) {
    auto ts = co_await world->timestamps.next(above);
    world->answers.push_back(std::move(ts));
  }
  // Starts `n` at once, which see `above`, and waits for all.
  std::vector<Answer> take_all(size_t n, Timestamp above = {}) {
    answers.clear();
    for (size_t i = 0; i < n; ++i) runtime::spawn(*shard, take(this, above));
    EXPECT_TRUE(loop.run_until([&] { return answers.size() == n; }, 1s));
    return answers;
  }
  Answer take_one(Timestamp above = {}) { return take_all(1, above).front(); }

  runtime::SimLoop loop{1};
  runtime::SimClock clock{loop};
  runtime::SimExecutors executors{loop, clock, "node"};
  std::shared_ptr<runtime::Executor> shard = executors.make("shard");
  std::shared_ptr<runtime::Executor> pd = executors.make("pd");
  Timestamp last{100'000};
  bool is_away = false;
  std::vector<uint32_t> asked;
  std::vector<Answer> answers;
  CausalTimestamps timestamps{*shard, clock, {}, [this](uint32_t count) { return fetch(this, count); }};
};

TEST(CausalTimestamps, GrowAndAreFetchedInRuns) {
  World world;
  Timestamp before;
  for (const auto& ts : world.take_all(250)) {
    ASSERT_TRUE(ts.ok());
    EXPECT_GT(*ts, before);
    before = *ts;
  }
  EXPECT_EQ(before, Timestamp(100'250));
  EXPECT_LE(world.asked.size(), 3u) << "not one call each";
  EXPECT_EQ(world.asked.front(), 100u);
}

TEST(CausalTimestamps, LieAboveWhatANewLeaderFetched) {
  World world;
  ASSERT_TRUE(world.take_one().ok());
  const Timestamp fetched = world.last = world.last + 1;  // by somebody else, after our run
  const auto ts = world.take_one(fetched);
  ASSERT_TRUE(ts.ok());
  EXPECT_GT(*ts, fetched);
}

TEST(CausalTimestamps, ARunThatIsOnItsWayWhenANewLeaderFetchesIsNotEnoughForIt) {
  World world;
  std::vector<Answer> unused;
  runtime::spawn(*world.shard, World::take(&world, {}));
  ASSERT_TRUE(world.loop.run_until([&] { return !world.asked.empty(); }, 1s));
  const Timestamp fetched = world.last = world.last + 1;
  world.answers.clear();
  runtime::spawn(*world.shard, World::take(&world, fetched));
  ASSERT_TRUE(world.loop.run_until([&] { return world.answers.size() == 2; }, 1s));
  EXPECT_LT(*world.answers[0], fetched);
  EXPECT_GT(*world.answers[1], fetched);
}

TEST(CausalTimestamps, GoOnFromTheRunAtHandWhenPdIsAway) {
  World world;
  ASSERT_TRUE(world.take_one().ok());
  world.is_away = true;
  world.loop.run_for(10s);
  for (const auto& ts : world.take_all(99)) EXPECT_TRUE(ts.ok());
  const auto none = world.take_one();
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.error(), "away");
  world.is_away = false;
  EXPECT_TRUE(world.take_one().ok());
}

TEST(CausalTimestamps, ARunIsRenewedWhenItIsOldAndGrowsWithTheRate) {
  World world;
  ASSERT_TRUE(world.take_one().ok());
  for (int i = 0; i < 20; ++i) {
    for (const auto& ts : world.take_all(50)) ASSERT_TRUE(ts.ok());
    world.loop.run_for(50ms);
  }
  // 1000 a second for three seconds.
  EXPECT_GT(world.asked.back(), 2000u);
  EXPECT_LT(world.asked.back(), 4500u);
  EXPECT_LE(world.asked.size(), 15u) << "at most one a renew interval";
}

}  // namespace
}  // namespace cairn::rawkv
