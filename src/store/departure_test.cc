// To whom a store that stops gives its leaders.
#include "store/departure.h"

#include <gtest/gtest.h>

#include <set>

namespace cairn::store {
namespace {

constexpr Duration kSilence = 600ms;

Follower follower(uint64_t peer) { return {.peer = PeerId(peer), .is_voter = true, .is_replicating = true}; }

std::vector<PeerId> peers(std::initializer_list<uint64_t> ids) {
  std::vector<PeerId> out;
  for (const uint64_t id : ids) out.emplace_back(id);
  return out;
}

TEST(Successors, OnlyVotersThatKeepUpAndWereHeardOfMayLead) {
  auto learner = follower(2);
  learner.is_voter = false;
  auto probed = follower(3);
  probed.is_replicating = false;
  auto silent = follower(4);
  silent.silent_for = kSilence + 1ms;
  EXPECT_TRUE(successors(RegionId(1), {learner, probed, silent}, kSilence).empty());
  EXPECT_EQ(successors(RegionId(1), {learner, probed, silent, follower(5)}, kSilence), peers({5}));
}

TEST(Successors, TheOneThatLacksLittleComesBeforeTheOneThatLacksMuchAndBothBeforeAFullDisk) {
  auto near = follower(2);
  near.lag = 3;
  auto far = follower(3);
  far.lag = 4000;
  auto full = follower(4);
  full.has_room = false;
  for (uint64_t region = 1; region < 20; ++region) {
    EXPECT_EQ(successors(RegionId(region), {full, far, near}, kSilence), peers({2, 3, 4}));
  }
}

TEST(Successors, RegionsSpreadOverFollowersThatAreAsGood) {
  std::map<PeerId, int> chosen;
  for (uint64_t region = 1; region <= 100; ++region) {
    ++chosen[successors(RegionId(region), {follower(region * 10), follower(region * 10 + 1)}, kSilence).front() ==
                     PeerId(region * 10)
                 ? PeerId(0)
                 : PeerId(1)];
  }
  EXPECT_GT(chosen[PeerId(0)], 25);
  EXPECT_GT(chosen[PeerId(1)], 25);
}

struct Story {
  Instant now{};
  Departure departure{{.patience = 1s, .at_once_max = 2}, now};
};

TEST(Departure, IsOverWhenNothingIsLedOrAllIsAlone) {
  Story story;
  EXPECT_TRUE(story.departure.look({}, story.now).is_over);
  EXPECT_TRUE(story.departure.look({{.region = RegionId(1), .is_alone = true}}, story.now).is_over);
}

TEST(Departure, HandsOverAFewAtOnceAndTheOthersWhenTheseAreDone) {
  Story story;
  const auto led = [](uint64_t id) { return Departure::Led{.region = RegionId(id), .successors = peers({9})}; };
  auto look = story.departure.look({led(1), led(2), led(3)}, story.now);
  EXPECT_FALSE(look.is_over);
  ASSERT_EQ(look.to_hand_over.size(), 2u);
  auto first = led(1);
  first.is_under_way = true;
  look = story.departure.look({first, led(3)}, story.now);
  ASSERT_EQ(look.to_hand_over.size(), 1u);
  EXPECT_EQ(look.to_hand_over.front().first, RegionId(3));
  EXPECT_FALSE(look.is_over);
}

TEST(Departure, AHandOverThatFailedIsTriedWithAnotherFollower) {
  Story story;
  const Departure::Led led{.region = RegionId(1), .successors = peers({8, 9})};
  std::set<PeerId> tried;
  for (int i = 0; i < 2; ++i) tried.insert(story.departure.look({led}, story.now).to_hand_over.at(0).second);
  EXPECT_EQ(tried.size(), 2u);
}

TEST(Departure, WhoNobodyCanTakeIsWaitedForButNotForEver) {
  Story story;
  const Departure::Led stranded{.region = RegionId(1)};
  EXPECT_FALSE(story.departure.look({stranded}, story.now).is_over);
  story.now = story.now + 900ms;
  EXPECT_FALSE(story.departure.look({stranded}, story.now).is_over);
  story.now = story.now + 100ms;
  EXPECT_TRUE(story.departure.look({stranded}, story.now).is_over);
}

}  // namespace
}  // namespace cairn::store
