#include "runtime/latches.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "runtime/task.h"

namespace cairn::runtime {
namespace {

// Runs what is posted when told to.
class QueueExecutor : public Executor {
 public:
  void post(Job job) override { jobs_.push_back(std::move(job)); }
  TimerId after(Duration, Job) override { return {}; }
  void cancel(TimerId) override {}
  bool is_current() const override { return true; }
  size_t backlog() const override { return jobs_.size(); }
  void run_all() {
    while (!jobs_.empty()) {
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      job();
    }
  }

 private:
  std::deque<Job> jobs_;
};

struct Fixture {
  QueueExecutor executor;
  Latches latches{executor};
  std::string trace;
  std::map<char, std::optional<Latches::Held>> held;

  static Task<void> take(Fixture* self, char name, std::vector<Bytes> keys) {
    auto guard = co_await self->latches.acquire(Latches::slots_of(keys));
    self->trace += name;
    self->held[name].emplace(std::move(guard));
  }
  void start(char name, std::vector<Bytes> keys) { spawn_inline(take(this, name, std::move(keys))); }
  void finish(char name) {
    held[name].reset();
    executor.run_all();
  }
};

TEST(Latches, SetsWithoutACommonKeyDoNotWait) {
  Fixture f;
  f.start('a', {"1", "2"});
  f.start('b', {"3"});
  EXPECT_EQ(f.trace, "ab");
}

TEST(Latches, CommandsOfOneKeyRunInTheOrderInWhichTheyCame) {
  Fixture f;
  f.start('a', {"1"});
  f.start('b', {"1"});
  f.start('c', {"1"});
  EXPECT_EQ(f.trace, "a");
  f.finish('a');
  EXPECT_EQ(f.trace, "ab");
  f.finish('b');
  EXPECT_EQ(f.trace, "abc");
}

TEST(Latches, OverlappingSetsAllComeToTheirTurn) {
  Fixture f;
  f.start('a', {"1", "2"});
  f.start('b', {"2", "3"});
  f.start('c', {"3", "1"});
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(f.trace.size(), static_cast<size_t>(i + 1)) << f.trace;
    f.finish(f.trace.back());
  }
  EXPECT_TRUE(f.latches.empty());
}

TEST(Latches, AKeyNamedTwiceIsTakenOnce) {
  Fixture f;
  f.start('a', {"1", "1"});
  EXPECT_EQ(f.trace, "a");
  f.finish('a');
  EXPECT_TRUE(f.latches.empty());
}

}  // namespace
}  // namespace cairn::runtime
