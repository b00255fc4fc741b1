// The members as the group's own records hold them.
#include "pd/member/member_records.h"

#include <gtest/gtest.h>

namespace cairn::pd {
namespace {

void put(OwnRecords& own, uint64_t id, bool is_learner) {
  own.put(member_key(id), record_of({.id = id, .name = "m", .is_learner = is_learner}).SerializeAsString());
}

TEST(MemberRecords, WithoutRecordsTheGroupIsAsItBegan) {
  const OwnRecords own;
  const auto conf = conf_of(own, {{.id = 9}, {.id = 3}, {.id = 5, .is_learner = true}});
  EXPECT_EQ(conf.voters, (std::vector<PeerId>{PeerId(3), PeerId(9)}));
  EXPECT_TRUE(conf.learners.empty());  // it joined later
}

TEST(MemberRecords, RecordsCountMoreThanHowItBegan) {
  OwnRecords own;
  put(own, uint64_t{1} << 63, false);
  put(own, 2, true);
  const auto conf = conf_of(own, {{.id = 9}});
  EXPECT_EQ(conf.voters, std::vector<PeerId>{PeerId(uint64_t{1} << 63)});
  EXPECT_EQ(conf.learners, std::vector<PeerId>{PeerId(2)});
  EXPECT_EQ(find_member(own, 2)->is_learner(), true);
  EXPECT_FALSE(find_member(own, 9).has_value());
}

TEST(MemberRecords, EachStepIsFoundByComparison) {
  OwnRecords own;
  put(own, 1, false);
  const auto one = conf_of(own, {});
  put(own, 2, true);
  const auto joined = conf_of(own, {});
  const auto join = difference(one, joined);
  ASSERT_EQ(join.changes.size(), 1u);
  EXPECT_EQ(join.changes[0].type, raft::ConfChangeType::kAddLearner);
  put(own, 2, false);
  const auto voting = conf_of(own, {});
  const auto promotion = difference(joined, voting);
  ASSERT_EQ(promotion.changes.size(), 1u);
  EXPECT_EQ(promotion.changes[0].type, raft::ConfChangeType::kAddVoter);
  own.del(member_key(1));
  const auto removal = difference(voting, conf_of(own, {}));
  ASSERT_EQ(removal.changes.size(), 1u);
  EXPECT_EQ(removal.changes[0].type, raft::ConfChangeType::kRemove);
  EXPECT_EQ(removal.changes[0].peer, PeerId(1));
  EXPECT_TRUE(difference(voting, voting).changes.empty());
}

TEST(MemberRecords, DamageIsFound) {
  OwnRecords own;
  put(own, 1, false);
  EXPECT_FALSE(find_damaged_member(own).has_value());
  own.put(member_key(2), record_of({.id = 3}).SerializeAsString());
  EXPECT_EQ(find_damaged_member(own), member_key(2));
}

}  // namespace
}  // namespace cairn::pd
