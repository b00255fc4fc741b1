#include "replica/conf_change.h"

#include <gtest/gtest.h>

#include "replica/wire.h"

namespace cairn::replica {
namespace {

metapb::Peer peer(uint64_t id, metapb::PeerRole role = metapb::Voter) {
  metapb::Peer out;
  out.set_id(id);
  out.set_store_id(id + 100);
  out.set_role(role);
  return out;
}

metapb::Region region(std::vector<metapb::Peer> peers) {
  metapb::Region out;
  out.set_id(1);
  out.mutable_region_epoch()->set_conf_ver(10);
  out.mutable_region_epoch()->set_version(3);
  for (auto& p : peers) *out.add_peers() = p;
  return out;
}

raft_cmdpb::ChangePeerRequest change(eraftpb::ConfChangeType type, metapb::Peer p) {
  raft_cmdpb::ChangePeerRequest out;
  out.set_change_type(type);
  *out.mutable_peer() = std::move(p);
  return out;
}

TEST(ChangePeers, ASimpleChangeCountsOneAndKeepsTheOrder) {
  auto after = change_peers(region({peer(1), peer(2)}), {change(eraftpb::AddLearnerNode, peer(3, metapb::Learner))});
  ASSERT_TRUE(after.ok());
  EXPECT_EQ(after->region_epoch().conf_ver(), 11u);
  EXPECT_EQ(after->region_epoch().version(), 3u);
  ASSERT_EQ(after->peers_size(), 3);
  EXPECT_EQ(after->peers(2).role(), metapb::Learner);
  auto promoted = change_peers(*after, {change(eraftpb::AddNode, peer(3))});
  ASSERT_TRUE(promoted.ok());
  EXPECT_EQ(promoted->peers(2).role(), metapb::Voter);
  EXPECT_EQ(promoted->region_epoch().conf_ver(), 12u);
  auto removed = change_peers(*promoted, {change(eraftpb::RemoveNode, peer(1))});
  ASSERT_TRUE(removed.ok());
  EXPECT_EQ(removed->peers(0).id(), 2u);
}

TEST(ChangePeers, AJointChangeCountsEachPeerAndLeavingCountsChangedRoles) {
  auto entered =
      change_peers(region({peer(1), peer(2), peer(3, metapb::Learner)}),
                   {change(eraftpb::AddNode, peer(3)), change(eraftpb::AddLearnerNode, peer(2, metapb::Learner))});
  ASSERT_TRUE(entered.ok());
  EXPECT_EQ(entered->region_epoch().conf_ver(), 12u);
  EXPECT_EQ(entered->peers(1).role(), metapb::DemotingVoter);
  EXPECT_EQ(entered->peers(2).role(), metapb::IncomingVoter);
  auto conf = conf_state_of(*entered);
  EXPECT_EQ(conf.voters, (std::vector<PeerId>{PeerId(1), PeerId(3)}));
  EXPECT_EQ(conf.voters_outgoing, (std::vector<PeerId>{PeerId(1), PeerId(2)}));
  EXPECT_EQ(conf.learners_next, (std::vector<PeerId>{PeerId(2)}));
  EXPECT_FALSE(change_peers(*entered, {change(eraftpb::RemoveNode, peer(1))}).ok());
  auto left = change_peers(*entered, {});
  ASSERT_TRUE(left.ok());
  EXPECT_EQ(left->region_epoch().conf_ver(), 14u);
  EXPECT_EQ(left->peers(1).role(), metapb::Learner);
  EXPECT_EQ(left->peers(2).role(), metapb::Voter);
}

TEST(ChangePeers, WhatCannotBeIsRefusedAndChangesNothing) {
  auto r = region({peer(1), peer(2)});
  EXPECT_FALSE(change_peers(r, {change(eraftpb::RemoveNode, peer(9))}).ok());
  EXPECT_FALSE(change_peers(r, {change(eraftpb::AddNode, peer(2))}).ok());
  EXPECT_FALSE(change_peers(r, {}).ok());
  metapb::Peer second = peer(5, metapb::Learner);
  second.set_store_id(102);
  EXPECT_FALSE(change_peers(r, {change(eraftpb::AddLearnerNode, second)}).ok());
}

ConfChangeFacts facts(const metapb::Region& r, std::vector<uint64_t> active) {
  ConfChangeFacts out{r, PeerId(1), false, LogIndex(6), {}};
  for (const auto& p : r.peers()) {
    raft::PeerProgress progress;
    progress.id = PeerId(p.id());
    progress.matched = LogIndex(20);
    progress.recently_active = std::find(active.begin(), active.end(), p.id()) != active.end();
    out.progress.push_back(progress);
  }
  return out;
}

TEST(WhyNotPropose, TheLeaderIsNeitherRemovedNorSimplyDemoted) {
  auto r = region({peer(1), peer(2), peer(3)});
  auto f = facts(r, {1, 2, 3});
  EXPECT_NE(why_not_propose({change(eraftpb::RemoveNode, peer(1))}, f), "");
  EXPECT_NE(why_not_propose({change(eraftpb::AddLearnerNode, peer(1, metapb::Learner))}, f), "");
  EXPECT_EQ(why_not_propose({change(eraftpb::RemoveNode, peer(3))}, f), "");
}

TEST(WhyNotPropose, TooFewHealthyVotersOrAPendingChangeForbidIt) {
  auto r = region({peer(1), peer(2), peer(3), peer(4)});
  EXPECT_NE(why_not_propose({change(eraftpb::RemoveNode, peer(2))}, facts(r, {1, 2})), "");
  EXPECT_EQ(why_not_propose({change(eraftpb::RemoveNode, peer(3))}, facts(r, {1, 2, 4})), "");
  auto pending = facts(r, {1, 2, 3, 4});
  pending.pending = true;
  EXPECT_NE(why_not_propose({change(eraftpb::RemoveNode, peer(3))}, pending), "");
}

TEST(WhyNotPropose, OfTwoVotersBothMustBeHealthyUnlessOneWasAlone) {
  auto r = region({peer(1), peer(2), peer(3, metapb::Learner)});
  EXPECT_NE(
      why_not_propose({change(eraftpb::AddNode, peer(4)), change(eraftpb::AddLearnerNode, peer(2, metapb::Learner))},
                      facts(r, {1, 2})),
      "")
      << "peer 4 is not there yet, and could never be made while its vote is needed";
  EXPECT_EQ(
      why_not_propose({change(eraftpb::AddNode, peer(3)), change(eraftpb::AddLearnerNode, peer(2, metapb::Learner))},
                      facts(r, {1, 2, 3})),
      "");
  EXPECT_NE(why_not_propose({change(eraftpb::RemoveNode, peer(3))}, facts(region({peer(1), peer(2), peer(3)}), {1, 3})),
            "");
  EXPECT_EQ(why_not_propose({change(eraftpb::AddNode, peer(2))}, facts(region({peer(1)}), {1})), "");
}

TEST(WhyNotPropose, AMajorityBehindTheLogForbidsIt) {
  auto r = region({peer(1), peer(2), peer(3), peer(4)});
  auto f = facts(r, {1, 2, 3, 4});
  f.progress[1].matched = f.progress[2].matched = LogIndex(0);
  EXPECT_NE(why_not_propose({change(eraftpb::RemoveNode, peer(4))}, f), "");
}

TEST(WhyNotPropose, JointChangesDemoteVotersBeforeTheyGo) {
  auto r = region({peer(1), peer(2), peer(3), peer(4, metapb::Learner)});
  auto f = facts(r, {1, 2, 3, 4});
  EXPECT_NE(why_not_propose({change(eraftpb::AddNode, peer(4)), change(eraftpb::RemoveNode, peer(3))}, f), "");
  EXPECT_EQ(why_not_propose(
                {change(eraftpb::AddNode, peer(4)), change(eraftpb::AddLearnerNode, peer(3, metapb::Learner))}, f),
            "");
}

}  // namespace
}  // namespace cairn::replica
