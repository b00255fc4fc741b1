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

TEST(SimLoop, AJobThatWaitsHoldsUpItsOwnThreadOnly) {
  SimLoop loop(1);
  SimClock clock(loop);
  SimExecutors executors(loop, clock, "a", Duration{});
  executors.let_wait([](const std::string& name) { return name != "shard"; });
  auto disk = executors.make("disk");
  auto pool = executors.make_pool("pool", 2);
  auto shard = executors.make("shard");
  std::vector<std::string> seen;
  auto note = [&](const std::string& what) { seen.push_back(what + " at " + std::to_string(loop.now() / 1ms)); };
  disk->post([&] {
    note("write");
    loop.wait(5ms);
    EXPECT_TRUE(disk->is_current());
    note("synced");
    shard->post([&] { note("told"); });
    loop.wait(1ms);
  });
  disk->post([&] { note("next"); });
  disk->after(2ms, [&] { note("timer"); });
  for (int i = 0; i < 3; ++i) {
    pool->post([&, i] {
      loop.wait(Duration(10ms) * (i + 1));
      note("read " + std::to_string(i));
    });
  }
  shard->after(3ms, [&] {
    loop.wait(1h);  // it may not wait
    note("shard");
  });
  loop.run_for(1s);
  EXPECT_EQ(seen, (std::vector<std::string>{"write at 0", "shard at 3", "synced at 5", "told at 5", "next at 6",
                                            "timer at 6", "read 0 at 10", "read 1 at 20", "read 2 at 40"}));
  EXPECT_FALSE(executors.has_waiting());
}

TEST(SimExecutors, AThreadThatStandsStillCatchesUpInOrder) {
  SimLoop loop(1);
  SimClock clock(loop);
  SimExecutors executors(loop, clock, "a");
  executors.let_wait([](const std::string&) { return true; });
  auto still = executors.make("apply-0");
  auto other = executors.make("apply-1");
  std::vector<std::pair<int, Duration>> seen;
  still->post([&] {
    loop.wait(1ms);
    seen.emplace_back(0, loop.now());
  });
  loop.run_for(500us);
  ASSERT_EQ(executors.find("apply").size(), 2U);
  executors.find("apply-0").front()->stall(1s);
  for (int i = 1; i < 4; ++i) still->post([&, i] { seen.emplace_back(i, loop.now()); });
  other->post([&] { seen.emplace_back(9, loop.now()); });
  loop.run_for(2s);
  ASSERT_EQ(seen.size(), 5U);
  EXPECT_EQ(seen[0].first, 9);
  EXPECT_LT(seen[0].second, 1ms);
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(seen[static_cast<size_t>(i) + 1].first, i);
    EXPECT_GE(seen[static_cast<size_t>(i) + 1].second, 1s);
  }
}

TEST(SimExecutors, AKilledNodesJobsThatWaitNeverGoOn) {
  SimLoop loop(1);
  SimClock clock(loop);
  auto executors = std::make_unique<SimExecutors>(loop, clock, "a");
  executors->let_wait([](const std::string&) { return true; });
  bool is_done = false;
  executors->make("disk")->post([&] {
    loop.wait(1ms);
    is_done = true;
  });
  loop.run_for(500us);
  EXPECT_TRUE(executors->has_waiting());
  executors->kill();
  loop.run_for(1s);
  EXPECT_FALSE(is_done);
  EXPECT_EQ(loop.backlog(), 0U);
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
