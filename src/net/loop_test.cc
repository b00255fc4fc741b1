#include "net/loop.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include "net/testing/waiter.h"

namespace cairn::net {
namespace {

using testing::Waiter;

TEST(Loop, RunsJobsInTheOrderOfPostingFromAnyThread) {
  Loop loop("loop");
  std::vector<int> seen;
  Waiter<bool> done;
  for (int i = 0; i < 1000; ++i) loop.post([&seen, i] { seen.push_back(i); });
  loop.post([set = done.setter()] { set(true); });
  EXPECT_TRUE(done.get());
  ASSERT_EQ(seen.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
}

TEST(Loop, WakesForEachOfManyPostersThatComeWhileItSleeps) {
  Loop loop("loop");
  std::atomic<int> ran{0};
  Waiter<bool> done;
  std::vector<std::thread> posters;
  for (int p = 0; p < 4; ++p) {
    posters.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        Waiter<bool> ran_here;
        loop.post([&ran, set = ran_here.setter()] {
          ++ran;
          set(true);
        });
        EXPECT_TRUE(ran_here.get());
      }
    });
  }
  for (auto& poster : posters) poster.join();
  EXPECT_EQ(ran, 8000);
}

TEST(Loop, AJobPostedByAJobRunsLaterAndOnTheSameThread) {
  Loop loop("loop");
  EXPECT_FALSE(loop.is_current());
  std::vector<int> seen;
  Waiter<bool> done;
  loop.post([&] {
    loop.post([&, set = done.setter()] {
      seen.push_back(2);
      set(loop.is_current());
    });
    seen.push_back(1);
  });
  EXPECT_TRUE(done.get());
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
}

TEST(Loop, TimersRunInTheOrderOfTheirTimesUnlessCancelled) {
  Loop loop("loop");
  std::vector<int> seen;
  Waiter<bool> done;
  loop.after(std::chrono::milliseconds(30), [&, set = done.setter()] {
    seen.push_back(3);
    set(true);
  });
  loop.after(std::chrono::milliseconds(1), [&] { seen.push_back(1); });
  const auto dropped = loop.after(std::chrono::milliseconds(5), [&] { seen.push_back(2); });
  loop.cancel(dropped);
  loop.cancel(dropped);
  EXPECT_TRUE(done.get());
  EXPECT_EQ(seen, (std::vector<int>{1, 3}));
}

TEST(Loop, AfterItsStopJobsAreDropped) {
  auto token = std::make_shared<int>(1);
  Loop loop("loop");
  loop.after(std::chrono::hours(1), [token] {});
  loop.stop();
  loop.stop();
  loop.post([token] { FAIL() << "it ran"; });
  EXPECT_FALSE(loop.after(std::chrono::milliseconds(1), [token] { FAIL() << "it ran"; }).is_set());
  EXPECT_EQ(token.use_count(), 1);
}

// Asks for one more turn's end while a turn ends, once.
class Twice final : public Loop::TurnEnd, public std::enable_shared_from_this<Twice> {
 public:
  Twice(Loop& loop, std::function<void()> done) : loop_(loop), done_(std::move(done)) {}
  void on_turn_end() override {
    if (++times_ == 2) return done_();
    loop_.at_turn_end(shared_from_this());
  }

 private:
  Loop& loop_;
  const std::function<void()> done_;
  int times_ = 0;
};

TEST(Loop, ATurnsEndComesAfterItsJobsAndMayAskForAnother) {
  Loop loop("loop");
  std::vector<int> seen;
  Waiter<bool> done;
  auto twice = std::make_shared<Twice>(loop, [&, set = done.setter()] {
    seen.push_back(3);
    set(true);
  });
  // Both jobs are there before the first runs.
  loop.post([&, twice] {
    loop.post([&loop, &seen, twice] {
      loop.at_turn_end(twice);
      seen.push_back(1);
    });
    loop.post([&seen] { seen.push_back(2); });
  });
  EXPECT_TRUE(done.get());
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3}));
}

TEST(Loop, RoomThatSomebodySharesIsNotGivenAgain) {
  Loop loop("loop");
  Waiter<bool> done;
  loop.post([&, set = done.setter()] {
    const auto first = loop.read_room().bytes;
    const auto* second = loop.read_room().bytes.get();
    set(first.get() != second && loop.read_room().bytes.get() == second);
  });
  EXPECT_TRUE(done.get());
}

}  // namespace
}  // namespace cairn::net
