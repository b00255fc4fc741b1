#include "txn/txn_status_cache.h"

#include <gtest/gtest.h>

namespace cairn::txn {
namespace {

constexpr Instant at(int seconds) { return Instant{} + std::chrono::seconds(seconds); }

TxnStatus running(uint64_t start, uint64_t min_commit) {
  return {.start_ts = Timestamp(start), .min_commit_ts = Timestamp(min_commit)};
}
TxnStatus committed(uint64_t start, uint64_t commit) {
  return {.start_ts = Timestamp(start), .commit_ts = Timestamp(commit)};
}

TEST(TxnStatusCache, OfARunningTransactionTheLargestMinCommitTsIsKnown) {
  TxnStatusCache cache({});
  cache.update(running(10, 15), at(1));
  cache.update(running(10, 12), at(2));
  EXPECT_EQ(cache.find(Timestamp(10))->min_commit_ts, Timestamp(15));
  EXPECT_FALSE(cache.commit_ts_of(Timestamp(10)));
  EXPECT_FALSE(cache.find(Timestamp(11)));
}

TEST(TxnStatusCache, WhatIsFinishedStaysSo) {
  TxnStatusCache cache({});
  cache.update(running(10, 15), at(1));
  cache.update(committed(10, 20), at(1));
  cache.update(running(10, 30), at(1));
  cache.update({.start_ts = Timestamp(10), .rolled_back = true}, at(1));
  EXPECT_EQ(cache.commit_ts_of(Timestamp(10)), Timestamp(20));
  EXPECT_EQ(cache.size(), 1u);
  cache.update({.start_ts = Timestamp(40), .rolled_back = true}, at(1));
  EXPECT_TRUE(cache.find(Timestamp(40))->rolled_back);
  EXPECT_FALSE(cache.commit_ts_of(Timestamp(40)));
}

TEST(TxnStatusCache, OldEntriesGoAndUpdatedOnesStay) {
  TxnStatusCache cache({.entries_max = 100, .keep = std::chrono::seconds(30)});
  cache.update(running(10, 15), at(0));
  cache.update(committed(20, 25), at(0));
  cache.update(running(10, 16), at(20));
  cache.update(committed(30, 35), at(40));
  EXPECT_FALSE(cache.find(Timestamp(20)));
  EXPECT_TRUE(cache.find(Timestamp(10)));
  EXPECT_TRUE(cache.find(Timestamp(30)));
}

TEST(TxnStatusCache, ManyFinishedOnesPushOutTheOldestButNoRunningOne) {
  TxnStatusCache cache({.entries_max = 4});
  cache.update(running(1, 1000), at(0));
  for (uint64_t start = 10; start < 20; ++start) cache.update(committed(start, start + 100), at(0));
  EXPECT_TRUE(cache.find(Timestamp(1)));
  EXPECT_FALSE(cache.find(Timestamp(15)));
  EXPECT_TRUE(cache.find(Timestamp(16)));
  EXPECT_EQ(cache.size(), 5u);
}

TEST(TxnStatusCache, WithoutRoomNothingIsKept) {
  TxnStatusCache cache({.entries_max = 0});
  cache.update(committed(10, 20), at(0));
  cache.update(running(11, 20), at(0));
  EXPECT_EQ(cache.size(), 0u);
}

}  // namespace
}  // namespace cairn::txn
