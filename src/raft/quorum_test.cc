// Quorum arithmetic against a naive model that tries every value.
#include "raft/quorum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace cairn::raft {
namespace {

// The greatest value that more than half have reached.
uint64_t naive_acked(const std::vector<uint64_t>& acked) {
  if (acked.empty()) return UINT64_MAX;
  uint64_t best = 0;
  for (uint64_t candidate : acked) {
    size_t reached = 0;
    for (uint64_t value : acked) reached += value >= candidate ? 1 : 0;
    if (reached * 2 > acked.size()) best = std::max(best, candidate);
  }
  return best;
}

// All lists of up to `size` values of 0 to 3.
std::vector<std::vector<uint64_t>> all_lists(size_t size) {
  std::vector<std::vector<uint64_t>> lists = {{}};
  for (size_t begin = 0, length = 0; length < size; ++length) {
    size_t end = lists.size();
    for (size_t i = begin; i < end; ++i) {
      for (uint64_t value = 0; value < 4; ++value) {
        lists.push_back(lists[i]);
        lists.back().push_back(value);
      }
    }
    begin = end;
  }
  return lists;
}

TEST(Quorum, MajorityIsMoreThanHalf) {
  EXPECT_EQ(majority_of(1), 1u);
  EXPECT_EQ(majority_of(2), 2u);
  EXPECT_EQ(majority_of(3), 2u);
  EXPECT_EQ(majority_of(4), 3u);
  EXPECT_EQ(majority_of(5), 3u);
}

TEST(Quorum, AckedValueAgreesWithTryingThemAll) {
  for (const auto& list : all_lists(6)) {
    auto copy = list;
    EXPECT_EQ(majority_acked(copy), naive_acked(list));
  }
}

TEST(Quorum, JointAckedValueIsTheLesserOfBothHalves) {
  auto lists = all_lists(3);
  for (const auto& incoming : lists) {
    for (const auto& outgoing : lists) {
      auto in = incoming;
      auto out = outgoing;
      EXPECT_EQ(joint_acked(in, out), std::min(naive_acked(incoming), naive_acked(outgoing)));
    }
  }
}

TEST(Quorum, VoteIsDecidedExactlyWhenTheRestCannotChangeIt) {
  for (size_t voters = 1; voters <= 7; ++voters) {
    for (size_t granted = 0; granted <= voters; ++granted) {
      for (size_t rejected = 0; granted + rejected <= voters; ++rejected) {
        size_t open = voters - granted - rejected;
        bool wins_at_worst = granted * 2 > voters;
        bool wins_at_best = (granted + open) * 2 > voters;
        VoteResult expected = wins_at_worst  ? VoteResult::kWon
                              : wins_at_best ? VoteResult::kPending
                                             : VoteResult::kLost;
        EXPECT_EQ(majority_vote({voters, granted, rejected}), expected) << voters << granted << rejected;
      }
    }
  }
}

TEST(Quorum, JointVoteNeedsBothHalvesAndIsLostInEither) {
  VoteCount won{3, 2, 0}, lost{3, 0, 2}, open{3, 1, 1};
  EXPECT_EQ(joint_vote(won, won), VoteResult::kWon);
  EXPECT_EQ(joint_vote(won, open), VoteResult::kPending);
  EXPECT_EQ(joint_vote(open, lost), VoteResult::kLost);
  EXPECT_EQ(joint_vote(lost, won), VoteResult::kLost);
  EXPECT_EQ(joint_vote(won, {}), VoteResult::kWon) << "no outgoing half";
  EXPECT_EQ(joint_vote(open, {}), VoteResult::kPending);
}

}  // namespace
}  // namespace cairn::raft
