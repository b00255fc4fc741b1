// Stories of messages that come to peers that are going, are gone, or begin anew; and of messages that nobody sent.
#include <gtest/gtest.h>

#include "replica/keys.h"
#include "replica/wire.h"
#include "runtime/random.h"
#include "store/store.h"
#include "store/testing/stories.h"

namespace cairn::store {
namespace {

using Node = TestCluster::Node;

TEST(StoreMessages, ASnapshotThatHasItsReceiverOnAnotherStoreIsRefused) {
  TestCluster cluster;
  cluster.add();
  cluster.add();
  Newcomer to(cluster);
  to.make_peer(500, "", "");
  auto message = to.snapshot(500, "", "", 20);
  raft_serverpb::RaftSnapshotData data;
  ASSERT_TRUE(data.ParseFromString(message.message().snapshot().data()));
  auto& peers = *data.mutable_region()->mutable_peers();
  const uint64_t store = peers[0].store_id();
  peers[0].set_store_id(peers[1].store_id());
  peers[1].set_store_id(store);
  message.mutable_message()->mutable_snapshot()->set_data(replica::serialize(data));
  EXPECT_FALSE(to.node.store->begin_snapshot(message).ok());
  EXPECT_EQ(to.node.store->stats().messages_refused, 1u);
}

TEST(StoreMessages, APeerGivesWayOnlyToOneOfALaterMembership) {
  Trio trio;
  auto& cluster = trio.cluster;
  Node& node = cluster.node(trio.follower());
  cluster.run_for(1s);
  raft_serverpb::RaftMessage word;
  word.set_region_id(trio.region);
  *word.mutable_region_epoch() = cluster.pd.regions[trio.region].region_epoch();
  *word.mutable_from_peer() = cluster.pd.leaders[trio.region];
  word.mutable_to_peer()->set_id(1 << 20);
  word.mutable_to_peer()->set_store_id(node.store->id().value);
  word.mutable_message()->set_msg_type(eraftpb::MsgHeartbeat);
  word.mutable_message()->set_from(word.from_peer().id());
  word.mutable_message()->set_to(word.to_peer().id());
  word.mutable_message()->set_term(6);
  node.store->on_raft_message(word);
  cluster.run_for(1s);
  EXPECT_EQ(node.store->stats().messages_refused, 1u);
  EXPECT_TRUE(cluster.status(node, trio.region)->applied.is_set());
  word.mutable_region_epoch()->set_conf_ver(word.region_epoch().conf_ver() + 2);
  node.store->on_raft_message(word);
  EXPECT_TRUE(cluster.run_until([&] {
    const auto status = cluster.status(node, trio.region);
    return !status || status->peer == PeerId(1 << 20);
  }));
}

// A peer is wanted here of which the disk holds what nobody wrote.
std::string end_by_damage(const std::function<void(Node&, RegionId)>& damage) {
  TestCluster cluster;
  cluster.add();
  Node& node = cluster.add();  // without a region
  const RegionId region(700);
  damage(node, region);
  raft_serverpb::RaftMessage vote;
  vote.set_region_id(region.value);
  vote.mutable_region_epoch()->set_conf_ver(1);
  vote.mutable_region_epoch()->set_version(1);
  vote.mutable_from_peer()->set_id(701);
  vote.mutable_from_peer()->set_store_id(99);
  vote.mutable_to_peer()->set_id(702);
  vote.mutable_to_peer()->set_store_id(node.store->id().value);
  vote.mutable_message()->set_msg_type(eraftpb::MsgRequestVote);
  vote.mutable_message()->set_from(701);
  vote.mutable_message()->set_to(702);
  vote.mutable_message()->set_term(6);
  vote.set_start_key("x");
  vote.set_end_key("y");
  node.store->on_raft_message(vote);
  cluster.run_until([&] { return node.fatal.has_value(); }, 3s);
  return node.fatal ? node.fatal->message : "";
}

TEST(StoreMessages, DamageThatAMessageFindsOnTheDiskEndsTheStoreInWords) {
  EXPECT_EQ(end_by_damage([](Node& node, RegionId region) {
              auto batch = node.kv->new_batch();
              batch->put(engine::Cf::kRaft, replica::region_state_key(region), "\xff\xff");
              ASSERT_TRUE(node.kv->write(*batch).ok());
            }),
            "the data are damaged: region 700 has a region state that cannot be read");
  EXPECT_EQ(end_by_damage([](Node& node, RegionId region) {
              auto batch = node.log->new_batch();
              batch->put_state(region, "\xff\xff");
              ASSERT_TRUE(node.log->write(*batch, engine::Sync::kYes).ok());
            }),
            "the raft log is damaged: region 700 has a raft state that cannot be read");
}

// The peer was made by a vote request before the split was applied; the term that it learned is not on disk yet.
TEST(StoreMessages, AChildConfirmsNoLeaderInATermThatItsFormerLifeHasNotPersisted) {
  Trio trio;
  auto& cluster = trio.cluster;
  const size_t number = trio.follower();
  Node& late = cluster.node(number);
  const uint64_t right = trio.region;
  const auto left = cluster.split(right, {"g"});
  ASSERT_TRUE(left.ok());
  cluster.run_for(1s);
  const uint64_t gone = left->front().id.value;
  cluster.pd.change_peer(gone, eraftpb::RemoveNode, peer_on(cluster, gone, late));
  ASSERT_TRUE(cluster.run_until([&] { return late.store->stats().regions == 1; }));

  auto& applier = late.gates->at("apply-0");
  applier.shut();
  const auto parts = cluster.split(right, {"m"});
  ASSERT_TRUE(parts.ok());
  const auto& child = parts->front();
  cluster.run_for(500ms);
  cluster.isolate(number);
  auto& log = late.gates->at("raft-log");
  log.shut();
  raft_serverpb::RaftMessage word;
  word.set_region_id(child.id.value);
  *word.mutable_region_epoch() = replica::to_wire(child.epoch);
  for (const auto& peer : child.peers) {
    *(peer.store == late.store->id() ? word.mutable_to_peer() : word.mutable_from_peer()) = replica::to_wire(peer);
  }
  // As if it were of a range that is free here.
  word.set_start_key("a");
  word.set_end_key("b");
  auto& raft = *word.mutable_message();
  raft.set_from(word.from_peer().id());
  raft.set_to(word.to_peer().id());
  raft.set_term(50);
  raft.set_msg_type(eraftpb::MsgHeartbeat);
  late.store->on_raft_message(word);
  cluster.run_for(50ms);
  applier.open();
  ASSERT_TRUE(cluster.run_until([&] { return has_record(*late.kv, child.id.value); }, 5s));
  cluster.run_for(50ms);
  int answers = 0;
  cluster.drops = [&](const raft_serverpb::RaftMessage& message) {
    if (message.from_peer().id() != raft.to()) return false;
    answers += message.message().term() == 50 ? 1 : 0;
    return false;
  };
  late.store->on_raft_message(word);
  cluster.run_for(50ms);
  EXPECT_EQ(answers, 0) << "a crash now would let it vote in that term again";
  log.open();
  cluster.run_for(50ms);
  EXPECT_GT(answers, 0);
}

// TiKV's way to find out: PD is asked much later.
TEST(StoreMessages, ALearnerThatWasRemovedWhileItWasAwayLearnsItFromTheOthers) {
  auto options = with_short_logs();
  options.leader_missing_after = 60s;
  Trio trio(1, options);
  auto& cluster = trio.cluster;
  Node& node = cluster.add();
  metapb::Peer learner;
  learner.set_id(cluster.pd.next_id++);
  learner.set_store_id(node.store->id().value);
  learner.set_role(metapb::Learner);
  cluster.pd.change_peer(trio.region, eraftpb::AddLearnerNode, learner);
  ASSERT_TRUE(cluster.run_until([&] {
    const auto status = cluster.status(node, trio.region);
    return status && status->applied.is_set();
  }));
  cluster.isolate(3);
  cluster.pd.change_peer(trio.region, eraftpb::RemoveNode, learner);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.pd.regions[trio.region].peers_size() == 3; }));
  cluster.run_for(1s);
  cluster.heal();
  EXPECT_TRUE(cluster.run_until([&] { return node.store->stats().regions == 0; }, 15s));
}

// Those whom a peer knows may have gone, too.
TEST(StoreMessages, APeerWhoseFellowsAreGoneIsToldWhoCameAfterThem) {
  Trio trio;
  auto& cluster = trio.cluster;
  Node& node = cluster.node(trio.follower());
  const auto before = cluster.pd.regions[trio.region];
  const auto self = peer_on(cluster, trio.region, node);
  cluster.pd.change_peer(trio.region, eraftpb::RemoveNode, self);
  ASSERT_TRUE(cluster.run_until([&] { return node.store->stats().regions == 0; }));
  std::vector<raft_serverpb::RaftMessage> said;
  cluster.drops = [&](const raft_serverpb::RaftMessage& message) {
    if (message.from_peer().store_id() == self.store_id()) said.push_back(message);
    return false;
  };
  raft_serverpb::RaftMessage question;
  question.set_region_id(trio.region);
  *question.mutable_region_epoch() = before.region_epoch();
  *question.mutable_to_peer() = self;
  *question.mutable_from_peer() = cluster.pd.leaders[trio.region];
  question.mutable_extra_msg()->set_type(raft_serverpb::MsgCheckStalePeer);
  node.store->on_raft_message(question);
  ASSERT_TRUE(cluster.run_until([&] { return !said.empty(); }, 1s));
  EXPECT_EQ(said[0].extra_msg().type(), raft_serverpb::MsgCheckStalePeerResponse);
  EXPECT_EQ(said[0].extra_msg().check_peers_size(), 2);
  said.clear();
  question.mutable_from_peer()->set_id(4000);
  question.mutable_from_peer()->set_store_id(self.store_id() + 1000);  // a store that never was a member
  node.store->on_raft_message(question);
  ASSERT_TRUE(cluster.run_until([&] { return !said.empty(); }, 1s));
  EXPECT_TRUE(said[0].is_tombstone());
}

// Each message comes a second time with one byte damaged. It may cost an election or a vote, never the process.
TEST(StoreMessages, ADamagedByteOfAMessageEndsNoProcess) {
  uint64_t refused = 0;
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    Trio trio(seed);
    auto& cluster = trio.cluster;
    runtime::Random dice(seed);
    cluster.drops = [&](const raft_serverpb::RaftMessage& message) {
      if (!dice.chance(0.2)) return false;
      std::string bytes = message.SerializeAsString();
      bytes[dice.below(bytes.size())] = static_cast<char>(dice.below(256));
      raft_serverpb::RaftMessage damaged;
      if (!damaged.ParseFromString(bytes)) return false;
      for (size_t i = 0; i < cluster.size(); ++i) {
        auto& store = cluster.node(i).store;
        if (store && store->id().value == damaged.to_peer().store_id()) store->on_raft_message(damaged);
      }
      return false;
    };
    static_cast<void>(cluster.split(trio.region, {"m"}));
    for (size_t i = 0; i < 100; ++i) cluster.begin_put(cluster.node(i % 3), "k" + std::to_string(i), "v");
    cluster.run_for(20s);
    for (size_t i = 0; i < cluster.size(); ++i) refused += cluster.node(i).store->stats().messages_refused;
  }
  EXPECT_GT(refused, 100u);
}

}  // namespace
}  // namespace cairn::store
