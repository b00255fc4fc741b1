// On threads and in the simulator.
#include "runtime/fair_pool.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "runtime/async.h"
#include "runtime/testing/stage.h"

namespace cairn::runtime {
namespace {

using testing::Count;

class FairPoolContract : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<testing::Stage> stage_ = testing::make_stage(GetParam());
  std::shared_ptr<Executor> threads_ = stage_->executors().make_pool("pool", 1);
};
INSTANTIATE_TEST_SUITE_P(Both, FairPoolContract, ::testing::Values("threaded", "simulated"),
                         [](const auto& info) { return info.param; });

TEST_P(FairPoolContract, runs_every_job_once_on_the_executor_beneath) {
  FairPool pool(*threads_, stage_->clock(), 1000);
  Count done(300);
  for (int i = 0; i < 300; ++i) {
    auto lane = pool.admit(static_cast<uint64_t>(i % 7));
    ASSERT_NE(lane, nullptr);
    Executor& at = *lane;
    at.post([&, lane] {
      if (lane->is_current() && threads_->is_current()) done.up();
    });
  }
  EXPECT_TRUE(stage_->await(done));
}

TEST_P(FairPoolContract, a_client_with_one_job_does_not_wait_for_the_jobs_of_another) {
  FairPool pool(*threads_, stage_->clock(), 100'000);
  Count done(20'001);
  Count others(20'000);
  int before = -1;
  for (int i = 0; i < 20'000; ++i) {
    pool.admit(1)->post([&] {
      others.up();
      done.up();
    });
  }
  pool.admit(2)->post([&] {
    before = others.value();
    done.up();
  });
  ASSERT_TRUE(stage_->await(done));
  EXPECT_LT(before, 20'000);
  if (GetParam() == "simulated") EXPECT_LE(before, 1);
}

TEST_P(FairPoolContract, is_full_while_so_many_lanes_are_held) {
  FairPool pool(*threads_, stage_->clock(), 2);
  auto first = pool.admit(1);
  auto second = pool.admit(2);
  EXPECT_NE(second, nullptr);
  EXPECT_EQ(pool.admit(3), nullptr);
  first.reset();
  EXPECT_NE(pool.admit(3), nullptr);
  pool.set_lanes_max(1);
  EXPECT_EQ(pool.admit(3), nullptr);
  pool.set_lanes_max(2);
  EXPECT_NE(pool.admit(3), nullptr);
}

TEST_P(FairPoolContract, a_task_comes_back_to_its_lane) {
  FairPool pool(*threads_, stage_->clock(), 2);
  auto other = stage_->executors().make("other");
  Count done(1);
  struct Story {
    static Task<void> tell(std::shared_ptr<Executor> lane, Executor* other, Count* done) {
      co_await switch_to(*other);
      co_await switch_to(*lane);
      if (lane->is_current()) done->up();
    }
  };
  auto lane = pool.admit(1);
  spawn(*lane, Story::tell(lane, other.get(), &done));
  lane.reset();
  EXPECT_TRUE(stage_->await(done));
}

TEST(FairPool, drops_what_waits_when_the_executor_beneath_has_stopped) {
  testing::SimulatedStage stage;
  auto threads = stage.executors().make_pool("pool", 2);
  FairPool pool(*threads, stage.clock(), 10);
  auto held = std::make_shared<int>(1);
  for (int i = 0; i < 5; ++i) pool.admit(1)->post([held] {});
  EXPECT_EQ(held.use_count(), 6);
  stage.sim_executors().kill();
  EXPECT_EQ(held.use_count(), 1);
  pool.admit(1)->post([held] {});
  EXPECT_EQ(held.use_count(), 1);
  for (uint64_t i = 0; i < 10; ++i) EXPECT_NE(pool.admit(i), nullptr);
}

}  // namespace
}  // namespace cairn::runtime
