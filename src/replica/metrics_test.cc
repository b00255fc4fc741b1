#include "replica/metrics.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace cairn::replica {
namespace {

// What each stage has taken so far, in milliseconds.
std::map<std::string, uint64_t> stages() {
  const auto& metrics = WriteMetrics::get();
  const auto ms = [](const metrics::Histogram& histogram) { return histogram.sum() / 1'000'000; };
  return {{"batch wait", ms(metrics.batch_wait)},
          {"persist", ms(metrics.persist)},
          {"commit", ms(metrics.commit)},
          {"apply wait", ms(metrics.apply_wait)},
          {"apply", ms(metrics.apply)}};
}

TEST(WriteMetrics, ADelayMovesTheHistogramOfItsStageAndNoOther) {
  using engine::WriteTimes;
  const std::pair<const char*, std::vector<Instant WriteTimes::*>> delayed[] = {
      {"batch wait",
       {&WriteTimes::sent, &WriteTimes::persisted, &WriteTimes::committed, &WriteTimes::apply_begun,
        &WriteTimes::applied}},
      {"persist", {&WriteTimes::persisted, &WriteTimes::committed, &WriteTimes::apply_begun, &WriteTimes::applied}},
      {"commit", {&WriteTimes::committed, &WriteTimes::apply_begun, &WriteTimes::applied}},
      {"apply wait", {&WriteTimes::apply_begun, &WriteTimes::applied}},
      {"apply", {&WriteTimes::applied}},
  };
  for (const auto& [stage, later] : delayed) {
    const Instant start{1s};
    WriteTimes times{start, start, start, start, start, start, start, start, start};
    for (const auto time : later) times.*time = start + 250ms;
    auto expected = stages();
    expected[stage] += 250;
    WriteMetrics::get().note(times);
    EXPECT_EQ(stages(), expected) << stage;
  }
}

TEST(WriteMetrics, AStageThatAWriteDidNotComeToIsNotCounted) {
  const uint64_t before = WriteMetrics::get().persist.count();
  const Instant start{1s};
  WriteMetrics::get().note({start, start, start, start, start, Instant(), start, start, start});
  EXPECT_EQ(WriteMetrics::get().persist.count(), before);
}

}  // namespace
}  // namespace cairn::replica
