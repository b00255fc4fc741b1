#include "raft/conf_change.h"

#include <gtest/gtest.h>

namespace cairn::raft {
namespace {

using T = ConfChangeType;

std::vector<PeerId> peers(std::initializer_list<uint64_t> ids) {
  std::vector<PeerId> list;
  for (uint64_t id : ids) list.push_back(PeerId(id));
  return list;
}

ConfState of(std::initializer_list<uint64_t> voters, std::initializer_list<uint64_t> learners = {}) {
  return {.voters = peers(voters), .learners = peers(learners)};
}

ConfChange one(T type, uint64_t peer) { return {.changes = {{type, PeerId(peer)}}}; }

TEST(ConfChange, SimpleChangesAddPromoteDemoteAndRemove) {
  EXPECT_EQ(*change_conf(of({1, 2}), one(T::kAddVoter, 3)), of({1, 2, 3}));
  EXPECT_EQ(*change_conf(of({1, 2}), one(T::kAddLearner, 3)), of({1, 2}, {3}));
  EXPECT_EQ(*change_conf(of({1, 2}, {3}), one(T::kAddVoter, 3)), of({1, 2, 3}));
  EXPECT_EQ(*change_conf(of({1, 2, 3}), one(T::kAddLearner, 3)), of({1, 2}, {3}));
  EXPECT_EQ(*change_conf(of({1, 2, 3}), one(T::kRemove, 3)), of({1, 2}));
  EXPECT_EQ(*change_conf(of({1, 2}, {3}), one(T::kRemove, 3)), of({1, 2}));
}

TEST(ConfChange, LastVoterStays) {
  EXPECT_EQ(change_conf(of({1}), one(T::kRemove, 1)).error(), ConfChangeRefusal::kNoVoterLeft);
  EXPECT_EQ(change_conf(of({1}), one(T::kAddLearner, 1)).error(), ConfChangeRefusal::kNoVoterLeft);
}

TEST(ConfChange, JointConfigurationHoldsBothHalvesUntilItIsLeft) {
  ConfChange change{.changes = {{T::kAddVoter, PeerId(4)}, {T::kAddLearner, PeerId(1)}, {T::kRemove, PeerId(2)}}};
  ConfState joint = *change_conf(of({1, 2, 3}), change);
  EXPECT_EQ(joint.voters, peers({3, 4}));
  EXPECT_EQ(joint.voters_outgoing, peers({1, 2, 3}));
  EXPECT_EQ(joint.learners_next, peers({1}));
  EXPECT_TRUE(joint.learners.empty()) << "peer 1 still votes";
  EXPECT_TRUE(joint.auto_leave);

  EXPECT_EQ(change_conf(joint, one(T::kAddVoter, 5)).error(), ConfChangeRefusal::kAlreadyJoint);
  EXPECT_EQ(*change_conf(joint, {}), of({3, 4}, {1}));
}

TEST(ConfChange, TransitionDecidesWhetherItIsLeftByItself) {
  ConfChange change = one(T::kAddVoter, 4);
  EXPECT_EQ(conf_change_way(change), ConfChangeWay::kSimple);
  change.transition = ConfChangeTransition::kExplicit;
  EXPECT_EQ(conf_change_way(change), ConfChangeWay::kEnterJoint);
  EXPECT_FALSE(change_conf(of({1}), change)->auto_leave);
  change.transition = ConfChangeTransition::kImplicit;
  EXPECT_TRUE(change_conf(of({1}), change)->auto_leave);
}

TEST(ConfChange, NothingToLeaveWithoutAJointConfiguration) {
  EXPECT_EQ(change_conf(of({1, 2}), {}).error(), ConfChangeRefusal::kNotJoint);
}

TEST(ConfChange, ChangingBackAndForthInOneJointChangeLeavesTheLastWord) {
  ConfChange change{.changes = {{T::kAddLearner, PeerId(3)}, {T::kAddVoter, PeerId(3)}}};
  ConfState joint = *change_conf(of({1, 2, 3}), change);
  EXPECT_EQ(joint.voters, peers({1, 2, 3}));
  EXPECT_TRUE(joint.learners_next.empty());
}

}  // namespace
}  // namespace cairn::raft
