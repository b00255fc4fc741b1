#include "sim/safe_point.h"

#include <gtest/gtest.h>

namespace cairn::sim {
namespace {

TEST(SafePoint, MovesToJustBelowTheOldestThatIsHeld) {
  SafePoint safe_point;
  EXPECT_EQ(safe_point.advance(Timestamp(10)), Timestamp(10));
  {
    Hold newer(&safe_point), older(&safe_point);
    EXPECT_TRUE(newer.move_to(Timestamp(30)));
    EXPECT_TRUE(older.move_to(Timestamp(20)));
    EXPECT_EQ(safe_point.advance(Timestamp(40)), Timestamp(19));
    EXPECT_EQ(safe_point.advance(Timestamp(40)), std::nullopt);
  }
  EXPECT_EQ(safe_point.advance(Timestamp(40)), Timestamp(40));
  EXPECT_EQ(safe_point.reached(), Timestamp(40));
}

TEST(SafePoint, StaysWhileSomeoneWaitsForATimestamp) {
  SafePoint safe_point;
  {
    Hold first(&safe_point);
    EXPECT_EQ(safe_point.advance(Timestamp(10)), std::nullopt);
  }
  EXPECT_EQ(safe_point.advance(Timestamp(10)), Timestamp(10));
  Hold second(&safe_point);
  EXPECT_EQ(safe_point.advance(Timestamp(20)), std::nullopt);
}

TEST(SafePoint, WhatItHasPassedCannotBeHeld) {
  SafePoint safe_point;
  EXPECT_EQ(safe_point.advance(Timestamp(20)), Timestamp(20));
  Hold hold(&safe_point);
  EXPECT_FALSE(hold.move_to(Timestamp(15)));
  EXPECT_FALSE(hold.move_to(Timestamp(20)));
  EXPECT_TRUE(hold.move_to(Timestamp(21)));
}

}  // namespace
}  // namespace cairn::sim
