#include "runtime/simulated/sim_loop.h"

#include <gtest/gtest.h>

#include "runtime/async.h"
#include "runtime/testing/stage.h"

namespace cairn::runtime {
namespace {

struct Node {
  SimClock clock;
  SimExecutors executors;
  std::shared_ptr<Executor> executor;
  Node(SimLoop& loop, const std::string& name)
      : clock(loop), executors(loop, clock, name), executor(executors.make("main")) {}
};

Task<void> chatter(SimLoop* loop, std::vector<Node*> nodes, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    Node* next = nodes[loop->random().below(nodes.size())];
    co_await switch_to(*next->executor);
    co_await sleep(*next->executor, Duration(static_cast<int64_t>(loop->random().below(1000))));
  }
}

uint64_t trace_of(uint64_t seed) {
  SimLoop loop(seed);
  Node a(loop, "a");
  Node b(loop, "b");
  Node c(loop, "c");
  for (int i = 0; i < 5; ++i) spawn(*a.executor, chatter(&loop, {&a, &b, &c}, 100));
  loop.run_for(1s);
  EXPECT_GT(loop.events(), 500U);
  EXPECT_EQ(loop.backlog(), 0U);
  return loop.trace_hash();
}

TEST(SimLoop, TheSameSeedGivesTheSameTraceAndAnotherSeedAnother) {
  EXPECT_EQ(trace_of(1), trace_of(1));
  EXPECT_EQ(trace_of(2), trace_of(2));
  EXPECT_NE(trace_of(1), trace_of(2));
}

TEST(SimLoop, AnHourOfVirtualTimePassesAtOnce) {
  SimLoop loop(1);
  Node node(loop, "a");
  int ticks = 0;
  std::function<void()> tick = [&] {
    ++ticks;
    node.executor->after(100ms, [&] { tick(); });
  };
  tick();
  loop.run_for(1h);
  EXPECT_EQ(loop.now(), 1h);
  EXPECT_EQ(ticks, 36001);
}

TEST(SimLoop, RunUntilStopsAtItsLimitEvenIfEventsGoOn) {
  SimLoop loop(1);
  Node node(loop, "a");
  std::function<void()> tick = [&] { node.executor->after(1ms, [&] { tick(); }); };
  tick();
  EXPECT_FALSE(loop.run_until([] { return false; }, 50ms));
  EXPECT_EQ(loop.now(), 50ms);
  int ran = 0;
  node.executor->post([&] { ++ran; });
  EXPECT_TRUE(loop.run_until([&] { return ran == 1; }, 50ms));
}

TEST(SimExecutors, AKilledNodeRunsNothingMoreAndOthersGoOn) {
  SimLoop loop(1);
  Node dead(loop, "dead");
  Node alive(loop, "alive");
  int dead_ran = 0;
  int alive_ran = 0;
  auto held = std::make_shared<int>(0);
  dead.executor->post([&, held] { ++dead_ran; });
  dead.executor->after(1ms, [&, held] { ++dead_ran; });
  alive.executor->after(1ms, [&] { ++alive_ran; });
  dead.executors.kill();
  EXPECT_EQ(held.use_count(), 1);
  dead.executor->post([&] { ++dead_ran; });
  EXPECT_FALSE(dead.executor->after(1ms, [&] { ++dead_ran; }).is_set());
  dead.executors.make("late")->post([&] { ++dead_ran; });
  loop.run_for(1s);
  EXPECT_EQ(dead_ran, 0);
  EXPECT_EQ(alive_ran, 1);
}

TEST(SimExecutors, APausedNodeCatchesUpInOrder) {
  SimLoop loop(1);
  Node node(loop, "a");
  std::vector<int> seen;
  node.executors.pause();
  for (int i = 0; i < 5; ++i) node.executor->post([&seen, i] { seen.push_back(i); });
  node.executor->after(1ms, [&seen] { seen.push_back(5); });
  loop.run_for(1s);
  EXPECT_TRUE(seen.empty());
  node.executors.resume();
  node.executor->post([&seen] { seen.push_back(6); });
  loop.run_for(1s);
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(node.executor->backlog(), 0U);
}

TEST(SimExecutors, AnExecutorHeldLongerThanItsLoopRefusesJobs) {
  std::shared_ptr<Executor> executor;
  bool ran = false;
  {
    SimLoop loop(1);
    SimClock clock(loop);
    SimExecutors executors(loop, clock, "a");
    executor = executors.make("main");
    executor->post([&ran, executor] { ran = true; });
  }
  executor->post([&ran] { ran = true; });
  executor->cancel(executor->after(1ms, [] {}));
  EXPECT_FALSE(executor->is_current());
  EXPECT_FALSE(ran);
}

TEST(SimClock, DriftsAndJumpsWithoutGoingBack) {
  SimLoop loop(1);
  SimClock exact(loop);
  SimClock fast(loop);
  fast.set_drift(1000);  // a thousandth
  loop.run_for(1000s);
  EXPECT_EQ(exact.now().since_start, 1000s);
  EXPECT_EQ(fast.now().since_start, 1001s);
  const Instant before = fast.now();
  fast.set_drift(-1000);
  EXPECT_EQ(fast.now(), before);
  loop.run_for(1000s);
  EXPECT_EQ(fast.now().since_start, 2000s);
  const WallTime wall = fast.wall_now();
  fast.jump_wall(-1h);
  EXPECT_EQ(fast.wall_now() - wall, -1h);
  EXPECT_EQ(fast.now().since_start, 2000s);
}

TEST(SimClock, ATimerOfADriftingNodeLastsByThatNodesClock) {
  SimLoop loop(1);
  Node node(loop, "a");
  for (int64_t ppm : {500'000, -300'000, 12'345}) {
    node.clock.set_drift(ppm);
    const Instant start = node.clock.now();
    bool done = false;
    node.executor->after(1s, [&] { done = true; });
    ASSERT_TRUE(loop.run_until([&] { return done; }, 10s));
    EXPECT_GE(node.clock.now() - start, 1s);
    EXPECT_LE(node.clock.now() - start, 1s + 1us);
  }
}

}  // namespace
}  // namespace cairn::runtime
