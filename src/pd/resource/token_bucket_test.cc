// TokenBucket by example, and its promise: nobody gets more than its part, and all that is there is handed out.
#include "pd/resource/token_bucket.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace cairn::pd {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Instant at(Duration since) { return Instant{} + seconds(1000) + since; }

TEST(TokenBucket, ABurstIsThereAtOnceThenTheRate) {
  TokenBucket bucket({.fill_rate = 100, .burst_limit = 500});
  EXPECT_EQ(bucket.ask({1, 500, seconds(5)}, at({})), (TokenBucket::Grant{500, {}}));
  const auto lent = bucket.ask({1, 300, seconds(5)}, at({}));
  EXPECT_EQ(lent, (TokenBucket::Grant{300, seconds(3)})) << "what three seconds bring";
  const auto more = bucket.ask({1, 1000, seconds(5)}, at(seconds(5)));
  EXPECT_DOUBLE_EQ(more.tokens, 700) << "200 are there, 500 come";
  EXPECT_EQ(bucket.ask({1, 100, seconds(5)}, at(seconds(5))).tokens, 0);
}

TEST(TokenBucket, WithoutALimitEverythingIsGranted) {
  TokenBucket bucket({.fill_rate = 1, .burst_limit = -1});
  EXPECT_EQ(bucket.ask({1, 1e9, seconds(5)}, at({})), (TokenBucket::Grant{1e9, {}}));
}

TEST(TokenBucket, AGreedyClientLeavesTheOthersTheirs) {
  TokenBucket bucket({.fill_rate = 100, .burst_limit = 100});
  double greedy = 0;
  double modest = 0;
  (void)bucket.ask({1, 1000, seconds(1)}, at({}));
  (void)bucket.ask({2, 1, seconds(1)}, at({}));
  for (int second = 1; second <= 100; ++second) {
    greedy += bucket.ask({1, 1000, seconds(1)}, at(seconds(second))).tokens;
    modest += bucket.ask({2, 40, seconds(1)}, at(seconds(second))).tokens;
  }
  EXPECT_NEAR(modest, 4000, 100);
  EXPECT_NEAR(greedy, 5000, 100);
}

TEST(TokenBucket, WhoIsSilentGivesItsPartBack) {
  TokenBucket bucket({.fill_rate = 100, .burst_limit = 0});
  (void)bucket.ask({1, 1, seconds(1)}, at({}));
  (void)bucket.ask({2, 1, seconds(1)}, at({}));
  EXPECT_EQ(bucket.clients(), 2u);
  (void)bucket.ask({1, 1, seconds(1)}, at(seconds(31)));
  EXPECT_EQ(bucket.clients(), 1u);
}

TEST(TokenBucket, WhatIsNoAmountIsGrantedNothing) {
  TokenBucket bucket({.fill_rate = 0, .burst_limit = 0});
  for (const double tokens : {0.0, -1.0, std::nan("")}) {
    EXPECT_EQ(bucket.ask({1, tokens, seconds(1)}, at({})).tokens, 0);
  }
  EXPECT_EQ(bucket.ask({1, 5, seconds(1)}, at({})).tokens, 0);
  EXPECT_EQ(bucket.ask({1, 5, -seconds(1)}, at({})).tokens, 0);
}

RC_GTEST_PROP(TokenBucket, NoMoreIsHandedOutThanCameInAndMayBeLent, ()) {
  const auto rate = *rc::gen::inRange<uint64_t>(1, 1000);
  const auto burst = *rc::gen::inRange<int64_t>(0, 5000);
  TokenBucket bucket({.fill_rate = rate, .burst_limit = burst});
  double granted = 0;
  int64_t now_ms = 0;
  const int steps = *rc::gen::inRange(1, 100);
  for (int step = 0; step < steps; ++step) {
    now_ms += *rc::gen::inRange(0, 2000);
    const auto grant =
        bucket.ask({*rc::gen::inRange<uint64_t>(1, 4), static_cast<double>(*rc::gen::inRange(1, 10'000)), seconds(5)},
                   at(milliseconds(now_ms)));
    RC_ASSERT(grant.tokens >= 0);
    RC_ASSERT(grant.trickle <= seconds(6));
    granted += grant.tokens;
    const double most = static_cast<double>(burst > 0 ? static_cast<uint64_t>(burst) : rate) +
                        static_cast<double>(rate) * (static_cast<double>(now_ms) / 1000 + 5 * 3);
    RC_ASSERT(granted <= most + 1);
  }
}

}  // namespace
}  // namespace cairn::pd
