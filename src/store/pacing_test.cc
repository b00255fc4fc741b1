#include "store/pacing.h"

#include <gtest/gtest.h>

namespace cairn::store {
namespace {

TEST(Pacing, OneOfAFloodIsHeededInAnInterval) {
  Pacing pacing(200ms);
  const Instant begin{};
  int heeded = 0;
  for (auto at = 0ms; at < 1s; at += 1ms) heeded += pacing.is_due(StoreId(1), begin + at) ? 1 : 0;
  EXPECT_EQ(heeded, 5);
  EXPECT_TRUE(pacing.is_due(StoreId(2), begin)) << "another store";
}

}  // namespace
}  // namespace cairn::store
