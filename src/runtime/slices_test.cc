#include "runtime/slices.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "runtime/fair_pool.h"
#include "runtime/task.h"
#include "runtime/testing/run_now.h"
#include "runtime/testing/stage.h"

namespace cairn::runtime {
namespace {

using testing::SimulatedStage;

// Work of so many steps; each is a letter.
struct Work {
  char name;
  int steps;
  bool is_wanted = true;
  bool is_over = false;
  int done = 0;
};

Task<void> carry_out(Work* work, std::shared_ptr<Executor> lane, const Clock* clock, SliceLimits limits,
                     std::string* seen) {
  Slices slices(*lane, *clock, limits, [work] { return !work->is_wanted; });
  for (; work->done < work->steps; ++work->done) {
    if (!co_await slices.turn()) break;
    *seen += work->name;
  }
  work->is_over = true;
}

TEST(Slices, SharedWorkTakesTurns) {
  SimulatedStage stage;
  auto threads = stage.executors().make_pool("pool", 1);
  FairPool pool(*threads, stage.clock(), 10);
  Work a{'a', 5}, b{'b', 3};
  std::string seen;
  uint64_t client = 1;
  for (Work* work : {&a, &b}) {
    const auto lane = pool.admit(client++);
    spawn(*lane, carry_out(work, lane, &stage.clock(), {.steps = 2}, &seen));
  }
  ASSERT_TRUE(stage.loop().run_until([&] { return a.is_over && b.is_over; }, std::chrono::seconds(1)));
  EXPECT_EQ(seen, "aabbaaba");
}

TEST(Slices, ASliceEndsWhenItsTimeIsUsedUp) {
  testing::ThreadedStage stage;
  auto threads = stage.executors().make_pool("pool", 1);
  FairPool pool(*threads, stage.clock(), 10);
  testing::Count over(2);
  const auto endless = [](FairPool* from, const Clock* clock, const std::atomic<bool>* is_enough,
                          testing::Count* ended) -> Task<void> {
    const auto lane = from->admit(1);
    Slices slices(*lane, *clock, {.time = std::chrono::milliseconds(1)}, [] { return false; });
    while (!*is_enough && co_await slices.turn()) {
    }
    ended->up();
  };
  std::atomic<bool> is_enough{false};
  spawn(*threads, endless(&pool, &stage.clock(), &is_enough, &over));
  const auto lane = pool.admit(2);
  lane->post([&] {
    is_enough = true;
    over.up();
  });
  EXPECT_TRUE(stage.await(over));
}

TEST(Slices, WhatNobodyWantsEndsAtItsNextTurn) {
  SimulatedStage stage;
  auto executor = stage.executors().make("pool");
  Work work{'a', 1'000'000};
  std::string seen;
  spawn(*executor, carry_out(&work, executor, &stage.clock(), {.steps = 3}, &seen));
  ASSERT_TRUE(stage.loop().run_until([&] { return work.done >= 9; }, std::chrono::seconds(1)));
  work.is_wanted = false;
  ASSERT_TRUE(stage.loop().run_until([&] { return work.is_over; }, std::chrono::seconds(1)));
  EXPECT_EQ(work.done, 9);
}

TEST(Slices, WorkEndsWhenItsExecutorStops) {
  SimulatedStage stage;
  auto executor = stage.executors().make("pool");
  Work work{'a', 1'000'000};
  std::string seen;
  spawn(*executor, carry_out(&work, executor, &stage.clock(), {.steps = 3}, &seen));
  ASSERT_TRUE(stage.loop().run_until([&] { return work.done >= 9; }, std::chrono::seconds(1)));
  stage.sim_executors().kill();
  stage.loop().run_for(std::chrono::seconds(1));
  EXPECT_TRUE(work.is_over);
}

TEST(Slices, WorkThatIsNotCutRunsThrough) {
  const int sum = testing::run_now([](Slices& slices) -> Task<int> {
    return [](Slices* turns) -> Task<int> {
      int counted = 0;
      while (counted < 100'000 && co_await turns->turn()) ++counted;
      co_return counted;
    }(&slices);
  });
  EXPECT_EQ(sum, 100'000);
}

}  // namespace
}  // namespace cairn::runtime
