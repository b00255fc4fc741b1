// The contract of Executor, on threads and in the simulator.
#include "runtime/executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include <vector>

#include "runtime/testing/stage.h"

namespace cairn::runtime {
namespace {

using testing::Count;

class ExecutorContract : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<testing::Stage> stage_ = testing::make_stage(GetParam());
  std::shared_ptr<Executor> executor_ = stage_->executors().make("first");
};
INSTANTIATE_TEST_SUITE_P(Both, ExecutorContract, ::testing::Values("threaded", "simulated"),
                         [](const auto& info) { return info.param; });

TEST_P(ExecutorContract, RunsJobsInTheOrderOfPosting) {
  std::vector<int> seen;
  Count done(1);
  for (int i = 0; i < 1000; ++i) executor_->post([&seen, i] { seen.push_back(i); });
  executor_->post([&done] { done.up(); });
  ASSERT_TRUE(stage_->await(done));
  ASSERT_EQ(seen.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[i], i);
}

TEST_P(ExecutorContract, AJobPostedByAJobRunsLaterAndNotInline) {
  std::vector<int> seen;
  Count done(1);
  executor_->post([&] {
    executor_->post([&] {
      seen.push_back(2);
      done.up();
    });
    seen.push_back(1);
  });
  ASSERT_TRUE(stage_->await(done));
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
}

TEST_P(ExecutorContract, KnowsWhetherTheCallerRunsOnIt) {
  auto other = stage_->executors().make("second");
  bool on_itself = false;
  bool on_other = true;
  Count done(1);
  EXPECT_FALSE(executor_->is_current());
  executor_->post([&] {
    on_itself = executor_->is_current();
    on_other = other->is_current();
    done.up();
  });
  ASSERT_TRUE(stage_->await(done));
  EXPECT_TRUE(on_itself);
  EXPECT_FALSE(on_other);
}

TEST_P(ExecutorContract, TimersRunInTheOrderOfTheirDelaysAndNotEarly) {
  std::vector<int> seen;
  Count done(3);
  const Instant start = stage_->clock().now();
  Instant first{};
  executor_->after(30ms, [&] { seen.push_back(3), done.up(); });
  executor_->after(10ms, [&] {
    first = stage_->clock().now();
    seen.push_back(1);
    done.up();
  });
  executor_->after(20ms, [&] { seen.push_back(2), done.up(); });
  ASSERT_TRUE(stage_->await(done));
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
  EXPECT_GE(first - start, 10ms);
}

TEST_P(ExecutorContract, ACancelledTimerDoesNotRunAndLetsItsClosureGo) {
  Count done(1);
  bool ran = false;
  auto held = std::make_shared<int>(7);
  TimerId timer = executor_->after(5ms, [&ran, held] { ran = true; });
  EXPECT_TRUE(timer.is_set());
  executor_->cancel(timer);
  EXPECT_EQ(held.use_count(), 1);
  executor_->cancel(timer);
  executor_->cancel(TimerId{});
  executor_->after(10ms, [&] { done.up(); });
  ASSERT_TRUE(stage_->await(done));
  EXPECT_FALSE(ran);
}

TEST_P(ExecutorContract, ATimerOfAnExecutorThatSleepsLongComesInTime) {
  Count done(1);
  executor_->after(1h, [] {});
  executor_->after(1ms, [&] { done.up(); });
  ASSERT_TRUE(stage_->await(done));
}

TEST_P(ExecutorContract, APoolRunsEachJobOnce) {
  auto pool = stage_->executors().make_pool("pool", 3);
  Count done(500);
  for (int i = 0; i < 500; ++i) pool->post([&] { done.up(); });
  ASSERT_TRUE(stage_->await(done));
  EXPECT_EQ(done.value(), 500);
  Count timer(1);
  pool->after(1ms, [&] { timer.up(); });
  ASSERT_TRUE(stage_->await(timer));
}

TEST_P(ExecutorContract, ManyHandOversBetweenTwoExecutorsLoseNothing) {
  auto other = stage_->executors().make("second");
  Count done(1);
  int left = 5000;
  std::function<void()> hop = [&] {
    if (--left == 0) return done.up();
    (left % 2 == 0 ? *executor_ : *other).post([&] { hop(); });
  };
  executor_->post([&] { hop(); });
  ASSERT_TRUE(stage_->await(done));
}

TEST(ThreadExecutor, DropsWhatIsPostedAfterStopAndWhatIsPending) {
  ThreadExecutor executor("stopped");
  auto held = std::make_shared<int>(1);
  executor.after(1h, [held] {});
  EXPECT_EQ(held.use_count(), 2);
  executor.stop();
  EXPECT_EQ(held.use_count(), 1);
  bool ran = false;
  executor.post([&ran, held] { ran = true; });
  EXPECT_FALSE(executor.after(1ms, [&ran] { ran = true; }).is_set());
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_EQ(executor.backlog(), 0U);
  EXPECT_FALSE(ran);
}

TEST(ThreadExecutor, SeveralThreadsMayPostAndEachKeepsItsOrder) {
  testing::ThreadedStage stage;
  auto sink = stage.executors().make("sink");
  std::vector<std::vector<int>> seen(3);
  Count done(3);
  for (int source = 0; source < 3; ++source) {
    stage.executors().make("source")->post([&, source] {
      for (int i = 0; i < 2000; ++i) sink->post([&seen, source, i] { seen[source].push_back(i); });
      sink->post([&done] { done.up(); });
    });
  }
  ASSERT_TRUE(stage.await(done));
  for (const auto& row : seen) {
    ASSERT_EQ(row.size(), 2000U);
    EXPECT_TRUE(std::is_sorted(row.begin(), row.end()));
  }
}

}  // namespace
}  // namespace cairn::runtime
