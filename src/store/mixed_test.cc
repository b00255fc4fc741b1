// Cairn and TiKV in one Raft group: who waits for how long, and what PD is told and tells (replica/known_stores.h).
#include <gtest/gtest.h>

#include "store/testing/cluster.h"

namespace cairn::store {
namespace {

using Node = TestCluster::Node;

bool has_lease(const Node& node, uint64_t region) {
  const auto snapshot = node.store->try_lease_snapshot({.region = RegionId(region)});
  return snapshot && snapshot->ok();
}

bool leads(TestCluster& cluster, Node& node, uint64_t region) {
  const auto status = cluster.status(node, region);
  return status && status->is_leader;
}

Term term(TestCluster& cluster, Node& node, uint64_t region) {
  const auto status = cluster.status(node, region);
  return status ? status->term : Term();
}

// One region on three stores, the first of which plays a TiKV and leads.
struct BesideTikv {
  explicit BesideTikv(uint64_t seed) : cluster(seed) {
    cluster.add(TestCluster::tikv());
    cluster.add();
    cluster.add();
    region = cluster.pd.regions.begin()->first;
    cluster.replicate_everywhere(region);
    EXPECT_TRUE(cluster.put("key", "1"));
    EXPECT_TRUE(leads(cluster, tikv(), region));
  }
  Node& tikv() { return cluster.node(0); }
  // Runs, and looks all the time whether two could serve reads, or a lease stands beside a newer leader.
  void run_and_watch(Duration span) {
    for (Duration passed{}; passed < span; passed += 20ms) {
      cluster.run_for(20ms);
      for (size_t i = 1; i < 3; ++i) {
        if (!cluster.node(i).store) continue;
        ASSERT_FALSE(has_lease(tikv(), region) && leads(cluster, cluster.node(i), region))
            << "after " << passed.count();
      }
    }
  }

  TestCluster cluster;
  uint64_t region = 0;
};

TEST(Mixed, ALeaseOfTikvOutlivesNobodysPatience) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    BesideTikv world(seed);
    world.cluster.run_for(1s);
    ASSERT_TRUE(world.cluster.put("key", "2"));
    world.cluster.isolate(0);
    world.run_and_watch(8s);
    EXPECT_TRUE(has_lease(world.tikv(), world.region)) << "it plays no TiKV";
    world.run_and_watch(17s);
    EXPECT_NE(world.cluster.leader_of(world.region), nullptr);
  }
}

TEST(Mixed, TheTermOfAnIdleGroupStays) {
  BesideTikv world(3);
  const Term before = term(world.cluster, world.tikv(), world.region);
  world.run_and_watch(180s);
  EXPECT_EQ(term(world.cluster, world.tikv(), world.region), before);
  EXPECT_TRUE(leads(world.cluster, world.tikv(), world.region));
}

// The third store hears nothing of the leader and has lost patience; the second one restarts, which the leader's lease
// rests on, and does not know whom it followed: its disk shows it alone in a region of its own store at first.
TEST(Mixed, ARestartedPeerBearsWithTheLeaderThatItForgot) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    BesideTikv world(seed);
    Node& second = world.cluster.node(1);
    world.cluster.drops = [&](const raft_serverpb::RaftMessage& message) {
      const uint64_t tikv = world.tikv().store->id().value;
      const uint64_t third = world.cluster.node(2).store->id().value;
      const uint64_t from = message.from_peer().store_id();
      const uint64_t to = message.to_peer().store_id();
      return (from == tikv && to == third) || (from == third && to == tikv);
    };
    world.run_and_watch(25s);
    ASSERT_TRUE(world.cluster.put("key", "2"));
    world.cluster.crash(second);
    world.cluster.isolate(0);
    world.cluster.boot(second);
    world.run_and_watch(8s);
    EXPECT_TRUE(has_lease(world.tikv(), world.region));
    world.run_and_watch(30s);
    EXPECT_NE(world.cluster.leader_of(world.region), nullptr);
  }
}

TEST(Mixed, WithTheLastPeerOnTikvItsTimingGoes) {
  BesideTikv world(4);
  auto& cluster = world.cluster;
  ASSERT_TRUE(cluster.transfer_leader(world.region, cluster.node(1)));
  const Node& second = cluster.node(1);
  cluster.add();
  metapb::Peer fourth;
  fourth.set_id(cluster.pd.next_id++);
  fourth.set_store_id(cluster.node(3).store->id().value);
  const auto change = [&](eraftpb::ConfChangeType type, metapb::Peer peer, int peers) {
    for (int attempt = 0; attempt < 20 && cluster.pd.regions[world.region].peers_size() != peers; ++attempt) {
      cluster.pd.change_peer(world.region, type, peer);
      cluster.run_until([&] { return cluster.pd.regions[world.region].peers_size() == peers; }, 1s);
    }
    ASSERT_EQ(cluster.pd.regions[world.region].peers_size(), peers);
  };
  fourth.set_role(metapb::Learner);
  change(eraftpb::AddLearnerNode, fourth, 4);
  cluster.run_for(1s);
  fourth.set_role(metapb::Voter);
  cluster.pd.change_peer(world.region, eraftpb::AddNode, fourth);
  cluster.run_for(1s);
  metapb::Peer of_tikv;
  for (const auto& peer : cluster.pd.regions[world.region].peers()) {
    if (peer.store_id() == world.tikv().store->id().value) of_tikv = peer;
  }

  // With it: silence of the leader is borne with for ten seconds.
  cluster.isolate(1);
  EXPECT_FALSE(cluster.run_until([&] { return cluster.leader_of(world.region) != nullptr; }, 8s));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.leader_of(world.region) != nullptr; }, 25s));
  cluster.heal();
  cluster.run_for(1s);
  for (Node* to : {&cluster.node(2), &cluster.node(3)}) {
    if (leads(cluster, world.tikv(), world.region)) ASSERT_TRUE(cluster.transfer_leader(world.region, *to));
  }

  change(eraftpb::RemoveNode, of_tikv, 3);
  cluster.run_for(1s);
  Node* leader = cluster.wait_for_leader(world.region);
  for (size_t i = 0; i < cluster.size(); ++i) {
    if (&cluster.node(i) == leader) cluster.isolate(i);
  }
  EXPECT_TRUE(cluster.run_until([&] { return cluster.leader_of(world.region) != nullptr; }, 3s));
  EXPECT_NE(second.store, nullptr);
}

TEST(Mixed, ALearnerOnTikvCounts) {
  TestCluster cluster(5);
  for (int i = 0; i < 3; ++i) cluster.add();
  const uint64_t region = cluster.pd.regions.begin()->first;
  cluster.replicate_everywhere(region);
  cluster.add(TestCluster::tikv());
  metapb::Peer learner;
  learner.set_id(cluster.pd.next_id++);
  learner.set_store_id(cluster.node(3).store->id().value);
  learner.set_role(metapb::Learner);
  cluster.pd.change_peer(region, eraftpb::AddLearnerNode, learner);
  cluster.run_for(2s);
  ASSERT_EQ(cluster.pd.regions[region].peers_size(), 4);
  cluster.isolate(0);
  cluster.isolate(3);
  EXPECT_FALSE(cluster.run_until([&] { return cluster.leader_of(region) != nullptr; }, 8s));
  EXPECT_TRUE(cluster.run_until([&] { return cluster.leader_of(region) != nullptr; }, 25s));
}

TEST(Mixed, AStoreThatPdDoesNotNameCountsAsTikvUntilItDoes) {
  TestCluster cluster(6);
  cluster.pd.hides_stores = true;
  for (int i = 0; i < 3; ++i) cluster.add();
  const uint64_t region = cluster.pd.regions.begin()->first;
  cluster.replicate_everywhere(region);
  cluster.isolate(0);
  EXPECT_FALSE(cluster.run_until([&] { return cluster.leader_of(region) != nullptr; }, 5s));
  cluster.pd.hides_stores = false;
  EXPECT_TRUE(cluster.run_until([&] { return cluster.leader_of(region) != nullptr; }, 4500ms));
}

TEST(Mixed, AStoreOfCairnSaysSo) {
  TestCluster cluster;
  Node& node = cluster.add();
  const auto& labels = cluster.pd.stores[node.store->id().value].labels();
  ASSERT_EQ(labels.size(), 1);
  EXPECT_EQ(labels[0].key(), "engine-family");
  EXPECT_EQ(labels[0].value(), "cairn");
}

TEST(Mixed, WherePdRefusesTheLabelAStoreGoesWithout) {
  TestCluster cluster;
  cluster.pd.refuses_store = [](const metapb::Store& store) -> std::string {
    if (store.labels().empty()) return "";
    return "key matching the label was not found in the PD, store label key: engine-family ";
  };
  Node& node = cluster.add();
  ASSERT_TRUE(node.started && node.started->ok());
  EXPECT_EQ(cluster.pd.stores_put, 2);
  EXPECT_TRUE(cluster.pd.stores[node.store->id().value].labels().empty());
  EXPECT_TRUE(cluster.put("key", "1"));
}

TEST(Mixed, ALabelThatPdHasFromBeforeAndTakesNoMoreIsWithdrawn) {
  TestCluster cluster;
  Node& node = cluster.add();
  cluster.run_for(1s);
  cluster.crash(node, engine::CrashKind::kProcess);
  // PD weighs the labels that it has together with those that it is told; one without a value goes.
  cluster.pd.refuses_store = [](const metapb::Store& store) -> std::string {
    if (store.labels_size() == 1 && store.labels(0).value().empty()) return "";
    return "key matching the label was not found in the PD, store label key: engine-family ";
  };
  cluster.boot(node);
  ASSERT_TRUE(node.started && node.started->ok());
  EXPECT_EQ(cluster.pd.stores[node.store->id().value].labels(0).value(), "");
  EXPECT_TRUE(cluster.put("key", "1"));
}

TEST(Mixed, WherePdRefusesTheVersionTheErrorSaysBothAndWhatToDo) {
  TestCluster cluster;
  cluster.pd.refuses_store = [](const metapb::Store& store) {
    return "version should compatible with version  9.1.0, got " + store.version();
  };
  Node& node = cluster.add();
  ASSERT_TRUE(node.started && !node.started->ok());
  EXPECT_EQ(node.started->error().kind, StoreError::Kind::kRefusedByPd);
  const std::string& why = node.started->error().message;
  EXPECT_NE(why.find("the cluster is at version 9.1.0 of TiKV, and this store behaves as TiKV 9.0.0"),
            std::string::npos)
      << why;
  EXPECT_NE(why.find("server.tikv-version"), std::string::npos) << why;
}

}  // namespace
}  // namespace cairn::store
