#include "store/unflushed_splits.h"

#include <gtest/gtest.h>

namespace cairn::store {
namespace {

TEST(UnflushedSplits, ARangeWaitsForTheSplitsOfItsOwnKeysAlone) {
  UnflushedSplits splits;
  splits.note(10, "c", "m", 0);
  splits.note(11, "t", "", 0);
  EXPECT_TRUE(splits.touch("a", "d", 9));
  EXPECT_TRUE(splits.touch("d", "e", 9));
  EXPECT_TRUE(splits.touch("", "", 9));
  EXPECT_TRUE(splits.touch("x", "", 9));
  EXPECT_FALSE(splits.touch("a", "c", 9));
  EXPECT_FALSE(splits.touch("m", "t", 9));
}

TEST(UnflushedSplits, WhatIsFlushedIsForgotten) {
  UnflushedSplits splits;
  splits.note(10, "c", "m", 0);
  EXPECT_TRUE(splits.touch("c", "m", 9));
  EXPECT_FALSE(splits.touch("c", "m", 10));
}

TEST(UnflushedSplits, TooManyCountAsOneOfAllKeys) {
  UnflushedSplits splits;
  for (uint64_t i = 1; i <= 2000; ++i) splits.note(i, "c", "m", 0);
  EXPECT_TRUE(splits.touch("x", "y", 1000));
  EXPECT_FALSE(splits.touch("c", "m", 2000));
}

}  // namespace
}  // namespace cairn::store
