#include "pd/meta/lease_deadlines.h"

#include <gtest/gtest.h>

namespace cairn::pd {
namespace {

Instant at(int seconds) { return Instant() + std::chrono::seconds(seconds); }

TEST(LeaseDeadlines, TellsTheFirstOnesThatAreOver) {
  LeaseDeadlines deadlines;
  for (int lease = 1; lease <= 5; ++lease) deadlines.set(lease, at(10 - lease));
  EXPECT_EQ(deadlines.due(at(4), 9), std::vector<int64_t>{});
  EXPECT_EQ(deadlines.due(at(7), 9), (std::vector<int64_t>{5, 4, 3}));
  EXPECT_EQ(deadlines.due(at(7), 2), (std::vector<int64_t>{5, 4}));
  deadlines.set(5, at(20));  // kept
  deadlines.erase(4);
  deadlines.erase(4);
  EXPECT_EQ(deadlines.due(at(7), 9), (std::vector<int64_t>{3}));
  EXPECT_EQ(deadlines.get(5), at(20));
  EXPECT_EQ(deadlines.get(4), std::nullopt);
  deadlines.clear();
  EXPECT_EQ(deadlines.due(at(99), 9), std::vector<int64_t>{});
}

}  // namespace
}  // namespace cairn::pd
