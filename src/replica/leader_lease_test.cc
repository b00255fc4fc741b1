#include "replica/leader_lease.h"

#include <gtest/gtest.h>

namespace cairn::replica {
namespace {

Instant at(int ms) { return Instant{std::chrono::milliseconds(ms)}; }

TEST(LeaderLease, RunsFromTheTimeOfSendingAndNeverShrinks) {
  LeaderLease lease(100ms);
  lease.begin();
  EXPECT_FALSE(lease.is_valid(at(0)));
  lease.renew(at(10));
  EXPECT_TRUE(lease.is_valid(at(109)));
  EXPECT_FALSE(lease.is_valid(at(110)));
  lease.renew(at(5));
  EXPECT_TRUE(lease.is_valid(at(109)));
}

TEST(LeaderLease, IsGoneWithLeadership) {
  LeaderLease lease(100ms);
  lease.begin();
  lease.renew(at(10));
  lease.end();
  EXPECT_FALSE(lease.is_valid(at(11)));
  lease.renew(at(12));
  EXPECT_FALSE(lease.is_valid(at(13)));
}

TEST(LeaderLease, StaysOffForTheTermOnceLeadershipWasHandedOver) {
  LeaderLease lease(100ms);
  lease.begin();
  lease.renew(at(10));
  lease.switch_off();
  EXPECT_FALSE(lease.is_valid(at(11)));
  lease.renew(at(12));
  EXPECT_FALSE(lease.is_valid(at(13)));
  lease.begin();
  lease.renew(at(20));
  EXPECT_TRUE(lease.is_valid(at(21)));
}

}  // namespace
}  // namespace cairn::replica
