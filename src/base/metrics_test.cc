#include "base/metrics.h"

#include <gtest/gtest.h>

#include <thread>

namespace cairn::metrics {
namespace {

bool shows(const std::string& line) { return ("\n" + render()).find("\n" + line + "\n") != std::string::npos; }

TEST(Metrics, AreShownInPrometheusText) {
  counter("test_things_total", "Things", {{"kind", "a\"b\\c\nd"}}).add(3);
  gauge("test_level", "A level").set(-1.5);
  reading("test_read_total", "Read elsewhere").set(7);
  EXPECT_TRUE(shows("# HELP test_things_total Things"));
  EXPECT_TRUE(shows("# TYPE test_things_total counter"));
  EXPECT_TRUE(shows(R"(test_things_total{kind="a\"b\\c\nd"} 3)"));
  EXPECT_TRUE(shows("# TYPE test_level gauge"));
  EXPECT_TRUE(shows("test_level -1.5"));
  gauge("test_level", "A level").add(2);
  gauge("test_level", "A level").add(-3);
  EXPECT_TRUE(shows("test_level -2.5"));
  EXPECT_TRUE(shows("# TYPE test_read_total counter"));
  EXPECT_TRUE(shows("test_read_total 7"));
}

TEST(Metrics, AreFoundAgainByNameAndLabels) {
  auto& one = counter("test_found_total", "Found", {{"x", "1"}, {"y", "2"}});
  EXPECT_EQ(&one, &counter("test_found_total", "Found", {{"y", "2"}, {"x", "1"}}));
  EXPECT_NE(&one, &counter("test_found_total", "Found", {{"x", "2"}, {"y", "2"}}));
}

TEST(Metrics, TimesAreShownInSeconds) {
  counter("test_seconds_total", "Time", {}, Unit::kSeconds).add(1500ms);
  EXPECT_TRUE(shows("test_seconds_total 1.5"));
}

TEST(Metrics, AValueLiesInTheFirstBucketWhoseBoundIsNoLess) {
  auto& numbers = histogram("test_numbers", "Numbers", {.first = 4, .count = 3});  // 4, 8, 16
  for (const uint64_t value : {0, 4, 5, 8, 9, 16, 17, 1'000'000}) numbers.observe(value);
  EXPECT_EQ(numbers.counts(), (std::vector<uint64_t>{2, 2, 2, 2}));
  EXPECT_EQ(numbers.count(), 8);
  EXPECT_EQ(numbers.sum(), 1'000'059);
  EXPECT_TRUE(shows("test_numbers_bucket{le=\"4\"} 2"));
  EXPECT_TRUE(shows("test_numbers_bucket{le=\"16\"} 6"));
  EXPECT_TRUE(shows("test_numbers_bucket{le=\"+Inf\"} 8"));
  EXPECT_TRUE(shows("test_numbers_sum 1000059"));
  EXPECT_TRUE(shows("test_numbers_count 8"));
}

TEST(Metrics, AnEmptyHistogramOfOneOfManyKindsIsNotShown) {
  histogram("test_kinds", "Kinds", kStepTimes, {{"kind", "never"}});
  EXPECT_EQ(render().find("test_kinds"), std::string::npos);
  histogram("test_kinds", "Kinds", kStepTimes, {{"kind", "once"}}).observe(10us);
  EXPECT_TRUE(shows(R"(test_kinds_bucket{kind="once",le="1e-05"} 1)"));
  EXPECT_TRUE(shows(R"(test_kinds_sum{kind="once"} 1e-05)"));
}

TEST(Metrics, WhatThreadsCountIsThereWhileTheyLiveAndAfter) {
  auto& counted = counter("test_threads_total", "Threads");
  auto& seen = histogram("test_threads_seen", "Threads", kNumbers);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      for (uint64_t n = 0; n < 10'000; ++n) {
        counted.add();
        seen.observe(n % 3);
        if (n == 5'000) (void)render();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(counted.value(), 80'000);
  EXPECT_EQ(seen.count(), 80'000);
}

// A thread-local object whose end comes after that of the thread's cells.
struct CountsAtTheEnd {
  ~CountsAtTheEnd() { counter("test_end_total", "Ends").add(); }
};

TEST(Metrics, AThreadMayCountUntilItsVeryEnd) {
  std::thread([] {
    static thread_local const CountsAtTheEnd last;
    (void)&last;
    counter("test_end_total", "Ends").add();
  }).join();
  EXPECT_EQ(counter("test_end_total", "Ends").value(), 2);
}

TEST(Metrics, WhoLooksIsAskedUntilItIsDropped) {
  auto& level = gauge("test_looked_at", "Looks");
  auto look = on_render([&] { level.add(1); });
  EXPECT_TRUE(shows("test_looked_at 1"));
  look.reset();
  EXPECT_TRUE(shows("test_looked_at 1"));
}

TEST(Metrics, AFamilyIsLookedUpByIndex) {
  const Family<Counter> colours({"red", "green"}, [](const char* value) -> Counter& {
    return counter("test_colours_total", "Colours", {{"colour", value}});
  });
  colours[1].add(2);
  EXPECT_TRUE(shows(R"(test_colours_total{colour="green"} 2)"));
  EXPECT_TRUE(shows(R"(test_colours_total{colour="red"} 0)"));
}

}  // namespace
}  // namespace cairn::metrics
