#include "pd/schedule/store_limits.h"

#include <gtest/gtest.h>

namespace cairn::pd {
namespace {

constexpr StoreId kStore(1);

TEST(StoreLimits, ABucketGivesOnePeerAndFillsAtItsRate) {
  ScheduleConfig config;
  StoreLimits limits(config);  // 15 a minute: one in four seconds
  Instant now{std::chrono::hours(1)};
  EXPECT_TRUE(limits.has_room(kStore, LimitKind::kAddPeer, StoreLimits::kPeerCost, now));
  limits.take(kStore, LimitKind::kAddPeer, StoreLimits::kPeerCost, now);
  EXPECT_FALSE(limits.has_room(kStore, LimitKind::kAddPeer, StoreLimits::kPeerCost, now + 3900ms));
  EXPECT_TRUE(limits.has_room(kStore, LimitKind::kAddPeer, StoreLimits::kPeerCost, now + 4s));
  EXPECT_TRUE(limits.has_room(kStore, LimitKind::kRemovePeer, StoreLimits::kPeerCost, now)) << "another bucket";
  EXPECT_TRUE(limits.has_room(StoreId(2), LimitKind::kAddPeer, StoreLimits::kPeerCost, now));
}

TEST(StoreLimits, SmallRegionsCostLessAndEmptyOnesNothing) {
  EXPECT_EQ(StoreLimits::cost_of(96), 1000);
  EXPECT_EQ(StoreLimits::cost_of(20), 200);
  EXPECT_EQ(StoreLimits::cost_of(1), 0);
}

TEST(StoreLimits, AStoreMayHaveItsOwnRate) {
  ScheduleConfig config;
  StoreLimits limits(config);
  limits.set_rate(kStore, LimitKind::kAddPeer, StoreLimits::kUnlimited);
  const Instant now{std::chrono::hours(1)};
  for (int i = 0; i < 100; ++i) limits.take(kStore, LimitKind::kAddPeer, StoreLimits::kPeerCost, now);
  EXPECT_TRUE(limits.has_room(kStore, LimitKind::kAddPeer, StoreLimits::kPeerCost, now));
  EXPECT_EQ(limits.rate(StoreId(2), LimitKind::kAddPeer), 15);
  limits.set_rate(kStore, LimitKind::kAddPeer, std::nullopt);
  EXPECT_EQ(limits.rate(kStore, LimitKind::kAddPeer), 15);
}

}  // namespace
}  // namespace cairn::pd
