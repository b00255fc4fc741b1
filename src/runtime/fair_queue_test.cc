#include "runtime/fair_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace cairn::runtime {
namespace {

using Queue = FairQueue<std::string>;

// Takes `count` jobs, each of which takes so long.
std::string take(Queue& queue, int count, Duration each) {
  std::string all;
  for (int i = 0; i < count; ++i) {
    auto taken = queue.pop();
    if (!taken) return all + "-";
    all += taken->job;
    queue.charge(taken->place, each);
  }
  return all;
}

int count(const std::string& all, char one) { return static_cast<int>(std::count(all.begin(), all.end(), one)); }

TEST(FairQueue, work_of_one_client_goes_in_order) {
  Queue queue;
  for (const char* job : {"a", "b", "c", "d"}) queue.push(1, {}, job);
  EXPECT_EQ(take(queue, 5, 1ms), "abcd-");
}

TEST(FairQueue, who_asks_seldom_goes_before_who_asks_for_much) {
  Queue queue;
  for (int i = 0; i < 30'000; ++i) queue.push(1, {}, "x");
  take(queue, 100, 1ms);
  queue.push(2, {}, "!");
  const std::string next = take(queue, 2, 1ms);
  EXPECT_NE(next.find('!'), std::string::npos) << next;
}

TEST(FairQueue, clients_get_the_same_time_whatever_their_jobs_take) {
  Queue queue;
  for (int i = 0; i < 1000; ++i) queue.push(1, {}, "L");
  for (int i = 0; i < 1000; ++i) queue.push(2, {}, "s");
  int long_ones = 0, short_ones = 0;
  for (int i = 0; i < 550; ++i) {
    auto taken = queue.pop();
    ASSERT_TRUE(taken);
    const bool is_long = taken->job == "L";
    ++(is_long ? long_ones : short_ones);
    queue.charge(taken->place, is_long ? 4ms : 400us);
  }
  EXPECT_NEAR(long_ones, 50, 2);
  EXPECT_NEAR(short_ones, 500, 2);
}

TEST(FairQueue, where_time_stands_still_clients_take_turns) {
  Queue queue;
  for (const char* job : {"a", "b", "c"}) queue.push(1, {}, job);
  for (const char* job : {"x", "y", "z"}) queue.push(2, {}, job);
  EXPECT_EQ(take(queue, 7, {}), "axbycz-");
}

TEST(FairQueue, jobs_taken_at_once_are_not_all_of_one_client) {
  Queue queue;
  for (const char* job : {"a", "b"}) queue.push(1, {}, job);
  for (const char* job : {"x", "y"}) queue.push(2, {}, job);
  auto first = queue.pop(), second = queue.pop();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->job + second->job, "ax");
  queue.charge(second->place, 1ms);
  queue.charge(first->place, 3ms);
  EXPECT_EQ(take(queue, 3, {}), "yb-");
}

TEST(FairQueue, work_that_has_used_much_sinks_and_yet_goes_on) {
  Queue queue;
  for (int i = 0; i < 1000; ++i) {
    queue.push(1, {}, "0");
    queue.push(1, 50ms, "1");
    queue.push(1, 1s, "2");
  }
  const std::string seen = take(queue, 210, 1ms);
  EXPECT_NEAR(count(seen, '0'), 160, 3);
  EXPECT_NEAR(count(seen, '1'), 40, 3);
  EXPECT_NEAR(count(seen, '2'), 10, 3);
}

TEST(FairQueue, nobody_saves_time_for_later) {
  Queue queue;
  for (int i = 0; i < 100; ++i) queue.push(1, {}, "x");
  take(queue, 50, 1ms);
  for (int i = 0; i < 100; ++i) queue.push(2, {}, "y");
  const std::string seen = take(queue, 20, 1ms);
  EXPECT_NEAR(count(seen, 'x'), 10, 1) << seen;
}

}  // namespace
}  // namespace cairn::runtime
