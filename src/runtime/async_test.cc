// The waiting primitives, on threads and in the simulator.
#include "runtime/async.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "runtime/revocable.h"
#include "runtime/testing/stage.h"
#include "runtime/threaded/thread_executor.h"

namespace cairn::runtime {
namespace {

using testing::Count;

class Async : public ::testing::TestWithParam<std::string> {
 protected:
  std::unique_ptr<testing::Stage> stage_ = testing::make_stage(GetParam());
  std::shared_ptr<Executor> here_ = stage_->executors().make("here");
  std::shared_ptr<Executor> there_ = stage_->executors().make("there");
};
INSTANTIATE_TEST_SUITE_P(Both, Async, ::testing::Values("threaded", "simulated"),
                         [](const auto& info) { return info.param; });

struct Outcome {
  std::optional<int> value;
  bool on_right_executor = false;
  Count done{1};
};

Task<void> wait_for_value(Future<int> future, Executor* executor, std::optional<Duration> timeout, Outcome* outcome) {
  if (timeout) {
    outcome->value = co_await future.wait_for(*executor, *timeout);
  } else {
    outcome->value = co_await future.wait(*executor);
  }
  outcome->on_right_executor = executor->is_current();
  outcome->done.up();
}

TEST_P(Async, AValueSetElsewhereWakesTheWaiterOnItsOwnExecutor) {
  auto [promise, future] = one_shot<int>();
  Outcome outcome;
  spawn(*here_, wait_for_value(std::move(future), here_.get(), std::nullopt, &outcome));
  there_->post([p = std::move(promise)]() mutable { p.set(42); });
  ASSERT_TRUE(stage_->await(outcome.done));
  EXPECT_EQ(outcome.value, 42);
  EXPECT_TRUE(outcome.on_right_executor);
}

TEST_P(Async, AValueThatIsThereAlreadyIsTakenOnTheNamedExecutor) {
  auto [promise, future] = one_shot<int>();
  promise.set(7);
  EXPECT_FALSE(promise.is_pending());
  Outcome outcome;
  // Spawned there, waits for here: it must change over although nothing is to be waited for.
  spawn(*there_, wait_for_value(std::move(future), here_.get(), 1h, &outcome));
  ASSERT_TRUE(stage_->await(outcome.done));
  EXPECT_EQ(outcome.value, 7);
  EXPECT_TRUE(outcome.on_right_executor);
}

TEST_P(Async, ADeadSenderWakesTheWaiterWithNothing) {
  auto [promise, future] = one_shot<int>();
  Outcome outcome;
  outcome.value = 1;
  spawn(*here_, wait_for_value(std::move(future), here_.get(), 1h, &outcome));
  there_->post([p = std::move(promise)] { EXPECT_TRUE(p.is_pending()); });
  ASSERT_TRUE(stage_->await(outcome.done));
  EXPECT_EQ(outcome.value, std::nullopt);
}

TEST_P(Async, AWaitEndsAtItsTimeoutAndALaterValueHarmsNothing) {
  auto [promise, future] = one_shot<int>();
  Outcome outcome;
  outcome.value = 1;
  spawn(*here_, wait_for_value(std::move(future), here_.get(), 2ms, &outcome));
  ASSERT_TRUE(stage_->await(outcome.done));
  EXPECT_EQ(outcome.value, std::nullopt);
  promise.set(3);
}

TEST_P(Async, ValuesThatRaceWithTheirTimeoutsWakeEachWaiterOnce) {
  constexpr int kRounds = 200;
  std::vector<std::unique_ptr<Outcome>> outcomes;
  for (int i = 0; i < kRounds; ++i) {
    auto [promise, future] = one_shot<int>();
    outcomes.push_back(std::make_unique<Outcome>());
    spawn(*here_, wait_for_value(std::move(future), here_.get(), 1ms, outcomes.back().get()));
    there_->after(1ms, [p = std::move(promise), i]() mutable { p.set(i); });
  }
  for (int i = 0; i < kRounds; ++i) {
    ASSERT_TRUE(stage_->await(outcomes[i]->done));
    EXPECT_EQ(outcomes[i]->done.value(), 1);
    if (outcomes[i]->value) {
      EXPECT_EQ(*outcomes[i]->value, i);
    }
  }
}

Task<void> nap(Executor* executor, const Clock* clock, Duration span, Duration* slept, Count* done) {
  const Instant start = clock->now();
  co_await sleep(*executor, span);
  *slept = clock->now() - start;
  done->up();
}

TEST_P(Async, SleepLastsAtLeastItsSpan) {
  Duration slept{};
  Count done(1);
  spawn(*here_, nap(here_.get(), &stage_->clock(), 3ms, &slept, &done));
  ASSERT_TRUE(stage_->await(done));
  EXPECT_GE(slept, 3ms);
}

Task<void> commute(Executor* home, Executor* work, int trips, int* right, Count* done) {
  for (int i = 0; i < trips; ++i) {
    co_await switch_to(*work);
    if (work->is_current()) ++*right;
    co_await switch_to(*home);
    if (home->is_current()) ++*right;
  }
  done->up();
}

TEST_P(Async, ATaskGoesWhereItSwitchesTo) {
  int right = 0;
  Count done(1);
  spawn(*here_, commute(here_.get(), there_.get(), 300, &right, &done));
  ASSERT_TRUE(stage_->await(done));
  EXPECT_EQ(right, 600);
}

Task<int64_t> nested(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await nested(depth - 1);
}
Task<int> immediate(int value) { co_return value; }
Task<void> deep(int64_t* depth, int64_t* sum, Count* done) {
  *depth = co_await nested(1'000'000);
  for (int i = 0; i < 1'000'000; ++i) *sum += co_await immediate(i % 2);
  done->up();
}

TEST_P(Async, AMillionAwaitsNestedOrInARowDoNotGrowTheStack) {
  int64_t depth = 0;
  int64_t sum = 0;
  Count done(1);
  spawn(*here_, deep(&depth, &sum, &done));
  ASSERT_TRUE(stage_->await(done));
  EXPECT_EQ(depth, 1'000'000);
  EXPECT_EQ(sum, 500'000);
}

Task<void> nap_only(Executor* executor, Duration span, int* ended) {
  co_await sleep(*executor, span);
  ++*ended;
}

TEST_P(Async, AClosedScopeRefusesTasksAndTellsWhenTheLastOneEnded) {
  int ended = 0;
  int ended_when_told = -1;
  bool refused = false;
  auto scope = std::make_unique<TaskScope>();
  Count done(1);
  here_->post([&] {
    EXPECT_TRUE(scope->spawn(nap_only(here_.get(), 2ms, &ended)));
    EXPECT_TRUE(scope->spawn(nap_only(here_.get(), 1ms, &ended)));
    EXPECT_FALSE(scope->empty());
    scope->close([&] {
      ended_when_told = ended;
      done.up();
    });
    refused = !scope->spawn(nap_only(here_.get(), 1ms, &ended));
  });
  ASSERT_TRUE(stage_->await(done));
  EXPECT_EQ(ended_when_told, 2);
  EXPECT_TRUE(refused);
  EXPECT_TRUE(scope->closed());
}

struct Lane {
  int inside = 0;
  int inside_max = 0;
  std::vector<int> order;
};
Task<void> pass(Semaphore* semaphore, Executor* executor, Lane* lane, int id, Count* done) {
  co_await semaphore->acquire();
  lane->order.push_back(id);
  lane->inside_max = std::max(lane->inside_max, ++lane->inside);
  co_await sleep(*executor, 1ms);
  --lane->inside;
  semaphore->release();
  done->up();
}

TEST_P(Async, ASemaphoreBoundsItsHoldersAndServesThemInOrder) {
  Semaphore semaphore(*here_, 2);
  Lane lane;
  Count done(7);
  for (int i = 0; i < 7; ++i) spawn(*here_, pass(&semaphore, here_.get(), &lane, i, &done));
  ASSERT_TRUE(stage_->await(done));
  EXPECT_EQ(lane.inside_max, 2);
  EXPECT_EQ(lane.order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6}));
}

TEST(Revocable, IsUsedUntilItIsTakenBackAndTheOwnerWaitsForWhoIsInside) {
  int target = 1;
  auto handle = std::make_shared<Revocable<int>>(target);
  EXPECT_TRUE(handle->use([](int& value) { ++value; }));
  ThreadExecutor other("other");
  std::atomic<bool> is_inside{false}, may_leave{false};
  other.post([&] {
    handle->use([&](int& value) {
      is_inside = true;
      while (!may_leave) std::this_thread::yield();
      ++value;
    });
  });
  while (!is_inside) std::this_thread::yield();
  std::atomic<bool> is_revoked{false};
  ThreadExecutor owner("owner");
  owner.post([&] {
    handle->revoke();
    EXPECT_EQ(target, 3);
    is_revoked = true;
  });
  EXPECT_FALSE(is_revoked);
  may_leave = true;
  while (!is_revoked) std::this_thread::yield();
  EXPECT_FALSE(handle->use([](int& value) { ++value; }));
  EXPECT_EQ(target, 3);
}

TEST(CancelToken, RunsItsCallbacksOnceAndLateOnesAtOnce) {
  CancelToken token;
  CancelToken copy = token;
  int calls = 0;
  copy.on_cancel([&] { ++calls; });
  EXPECT_FALSE(copy.is_cancelled());
  token.cancel();
  token.cancel();
  EXPECT_TRUE(copy.is_cancelled());
  EXPECT_EQ(calls, 1);
  copy.on_cancel([&] { ++calls; });
  EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace cairn::runtime
