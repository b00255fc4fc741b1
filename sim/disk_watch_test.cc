#include "sim/disk_watch.h"

#include <gtest/gtest.h>

namespace cairn::sim {
namespace {

constexpr Term kTerm(8);

PeerSight leader(uint64_t committed) { return {1, 10, kTerm, true, LogIndex(committed)}; }
PeerSight follower(uint64_t committed) { return {1, 10, kTerm.prev(), false, LogIndex(committed)}; }

TEST(DiskWatch, WhatALeaderCommitsBetweenTwoLooksItCommitsWithTheVotersItHasAtBoth) {
  EXPECT_TRUE(is_own_commit(leader(7), leader(8), std::nullopt));
  EXPECT_FALSE(is_own_commit(leader(8), leader(8), kTerm)) << "nothing new";
}

// A voter that was alone commits its entries by itself until it applies the change that made it one of two.
TEST(DiskWatch, WhatALeaderCommittedBeforeItsMembershipChangedIsNotJudgedByTheNewOne) {
  auto before = leader(7);
  before.conf_ver = 9;
  EXPECT_FALSE(is_own_commit(before, leader(8), kTerm));
}

TEST(DiskWatch, ALeaderJudgesWhatItTookOverOnlyIfTheEntryIsOfItsTerm) {
  EXPECT_TRUE(is_own_commit(follower(7), leader(8), kTerm));
  EXPECT_FALSE(is_own_commit(follower(7), leader(8), kTerm.prev()))
      << "the leader before it may have counted otherwise";
  EXPECT_FALSE(is_own_commit(follower(7), leader(8), std::nullopt));
}

// A membership that was applied and not flushed is not in force when the store comes back.
TEST(DiskWatch, AnotherLifeOfTheStoreSaysNothing) {
  auto before = follower(7);
  before.life = 0;
  EXPECT_FALSE(is_own_commit(before, leader(8), kTerm));
}

}  // namespace
}  // namespace cairn::sim
