// Stories of small clusters: real stores, simulated loop, memory engines.
#include "store/store.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <variant>

#include "replica/keys.h"
#include "replica/wire.h"
#include "store/testing/cluster.h"

namespace cairn::store {
namespace {

using Node = TestCluster::Node;

uint64_t first_region(TestCluster& cluster) { return cluster.pd.regions.begin()->first; }

TEST(Store, TheFirstStoreBootstrapsTheClusterAndServes) {
  TestCluster cluster;
  cluster.add();
  ASSERT_TRUE(cluster.node(0).started->ok());
  EXPECT_TRUE(cluster.pd.bootstrapped);
  ASSERT_TRUE(cluster.put("a", "1"));
  EXPECT_EQ(cluster.get("a"), std::optional<Bytes>("1"));
  auto absent = cluster.get("b");
  ASSERT_TRUE(absent.has_value());
  EXPECT_FALSE(absent->has_value());
}

TEST(Store, TheChildOfASplitIsLedAtOnceByTheStoreOfItsParentsLeader) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(seed);
    TestCluster cluster(seed);
    for (int i = 0; i < 3; ++i) cluster.add();
    const uint64_t parent = first_region(cluster);
    cluster.replicate_everywhere(parent);
    Node* leader = cluster.wait_for_leader(parent);
    auto regions = cluster.split(parent, {"m"});
    ASSERT_TRUE(regions.ok());
    const RegionId child = regions->front().id;
    ASSERT_TRUE(cluster.run_until([&] { return cluster.leader_of(child.value) != nullptr; }, 1100ms));
    EXPECT_EQ(cluster.leader_of(child.value), leader);
    for (const auto& status : leader->store->regions()) {
      if (status.region.id == child) EXPECT_EQ(status.term, replica::kInitialTerm.next()) << "its first candidate won";
    }
  }
}

TEST(Store, AStoreOfAnotherClusterIsRefused) {
  TestCluster cluster;
  auto& node = cluster.add();
  cluster.stop(node);
  FakePd other(8);
  node.kv = engine::open_memory_kv(node.disk);
  node.log = engine::open_memory_raft_log(node.disk);
  node.executors = nullptr;
  runtime::SimLoop loop(1);
  runtime::SimClock clock(loop);
  runtime::SimExecutors executors(loop, clock, "n");
  std::optional<Result<void, StoreError>> started;
  {
    Store store(TestCluster::quick(),
                {clock, executors, 1, *node.kv, *node.log, other, node, [](const StoreError&) {}});
    store.start([&](Result<void, StoreError> result) { started = std::move(result); });
    ASSERT_TRUE(loop.run_until([&] { return started.has_value(); }, 10s));
    executors.kill();
  }
  ASSERT_FALSE(started->ok());
  EXPECT_EQ(started->error().kind, StoreError::Kind::kClusterMismatch);
  EXPECT_NE(started->error().message.find("cluster ID mismatch"), std::string::npos);
  node.kv.reset();
  node.log.reset();
}

// Starts the node's disk under another API version; what comes of it.
Result<void, StoreError> restart_as(TestCluster& cluster, Node& node, rawkv::ApiVersion version) {
  node.kv = engine::open_memory_kv(node.disk);
  node.log = engine::open_memory_raft_log(node.disk);
  auto options = TestCluster::quick();
  options.api_version = version;
  std::optional<Result<void, StoreError>> started;
  runtime::SimLoop loop(1);
  runtime::SimClock clock(loop);
  runtime::SimExecutors executors(loop, clock, "n");
  {
    Store store(options, {clock, executors, 1, *node.kv, *node.log, cluster.pd, node, [](const StoreError&) {}});
    store.start([&](Result<void, StoreError> result) { started = std::move(result); });
    CHECK(loop.run_until([&] { return started.has_value(); }, 10s), "the store neither starts nor fails");
    executors.kill();
  }
  node.kv.reset();
  node.log.reset();
  return std::move(*started);
}

TEST(Store, DataIsNotReadInAnotherApiVersion) {
  TestCluster cluster;
  auto& node = cluster.add();
  ASSERT_TRUE(cluster.put("k", "1"));
  cluster.stop(node);
  const auto as_v2 = restart_as(cluster, node, rawkv::ApiVersion::kV2);
  ASSERT_FALSE(as_v2.ok());
  EXPECT_EQ(as_v2.error().kind, StoreError::Kind::kOtherApiVersion);
  EXPECT_EQ(as_v2.error().message,
            "unable to switch `storage.api-version` from V1 to V2: found a key that only V1 can read: 6B");
  EXPECT_FALSE(restart_as(cluster, node, rawkv::ApiVersion::kV1Ttl).ok());
  EXPECT_TRUE(restart_as(cluster, node, rawkv::ApiVersion::kV1).ok());
}

TEST(Store, DataThatOnlyTheRaftLogHoldsCountsToo) {
  TestCluster cluster;
  auto& node = cluster.add();
  ASSERT_TRUE(cluster.put("k", "1"));
  cluster.crash(node, engine::CrashKind::kProcess);
  EXPECT_FALSE(restart_as(cluster, node, rawkv::ApiVersion::kV2).ok());
}

TEST(Store, ASqlLayersDataAndNothingAtAllMayChangeTheirApiVersion) {
  TestCluster cluster;
  auto& node = cluster.add();
  ASSERT_TRUE(cluster.put("m1", "1"));
  ASSERT_TRUE(cluster.put("t1", "1"));
  cluster.stop(node);
  EXPECT_FALSE(restart_as(cluster, node, rawkv::ApiVersion::kV1Ttl).ok()) << "V1TTL takes every value for a raw one";
  EXPECT_TRUE(restart_as(cluster, node, rawkv::ApiVersion::kV2).ok());
  EXPECT_TRUE(restart_as(cluster, node, rawkv::ApiVersion::kV1).ok());
}

TEST(Store, AcknowledgedWritesSurviveACrashOfTheOnlyMachine) {
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    TestCluster cluster(seed);
    auto& node = cluster.add();
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.put("k" + std::to_string(i), "v" + std::to_string(i)));
    cluster.crash(node);
    cluster.boot(node);
    ASSERT_TRUE(node.started->ok());
    for (int i = 0; i < 20; ++i) {
      ASSERT_EQ(cluster.get("k" + std::to_string(i)), std::optional<Bytes>("v" + std::to_string(i))) << "seed " << seed;
    }
    ASSERT_TRUE(cluster.put("after", "x"));
  }
}

TEST(Store, AConfChangeAddsPeersThatGetTheDataBySnapshotAndThenByLog) {
  TestCluster cluster;
  cluster.add();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(cluster.put("k" + std::to_string(i), Bytes(100, 'v')));
  cluster.add();
  cluster.add();
  cluster.replicate_everywhere(first_region(cluster));
  ASSERT_TRUE(cluster.put("later", "1"));
  EXPECT_TRUE(cluster.run_until([&] { return cluster.local(cluster.node(2), "later") == Bytes("1"); }));
  for (size_t n = 1; n < 3; ++n) {
    EXPECT_EQ(cluster.local(cluster.node(n), "k7"), Bytes(100, 'v'));
    EXPECT_EQ(cluster.local(cluster.node(n), "k49"), Bytes(100, 'v'));
  }
  EXPECT_EQ(cluster.pd.regions[first_region(cluster)].region_epoch().conf_ver(), 5u);
}

TEST(Store, APdThatWasAwayIsToldAtOnceWhoLeadsEachRegion) {
  StoreOptions options = TestCluster::quick();
  options.region_heartbeat_interval = std::chrono::hours(1);
  TestCluster cluster(1, options);
  cluster.add();
  ASSERT_TRUE(cluster.put("k", "v"));
  const uint64_t region = first_region(cluster);
  cluster.run_for(5s);
  cluster.pd.leaders.clear();  // as PD is after its start: it keeps leaders in memory only
  cluster.run_for(10s);
  ASSERT_TRUE(cluster.pd.leaders.empty()) << "nothing new was to be told";
  cluster.pd.sinks.back().on_closed(api::Status{api::Code::kUnavailable, "PD is gone"});
  EXPECT_TRUE(cluster.run_until([&] { return cluster.pd.leaders.contains(region); }, 10s));
}

TEST(Store, AChangeOfMembersThatComesBeforeTheNewLeaderCanTakeItIsKeptForIt) {
  TestCluster cluster;
  auto& first = cluster.add();
  auto& second = cluster.add();
  uint64_t region = first_region(cluster);
  metapb::Peer learner;
  learner.set_id(cluster.pd.next_id++);
  learner.set_store_id(second.store->id().value);
  learner.set_role(metapb::Learner);
  cluster.stop(first);
  // PD answers the first word of the new leader, which has applied nothing yet, and does not repeat itself.
  bool commanded = false;
  cluster.pd.on_heartbeat = [&](const pdpb::RegionHeartbeatRequest&) {
    if (std::exchange(commanded, true)) return;
    cluster.pd.change_peer(region, eraftpb::AddLearnerNode, learner);
  };
  cluster.boot(first);
  EXPECT_TRUE(cluster.run_until([&] { return cluster.pd.regions[region].peers_size() == 2; }, 5s));
}

TEST(Store, WhenTheLeaderDiesAnotherOneServesAllThatWasAcknowledged) {
  TestCluster cluster;
  for (int i = 0; i < 3; ++i) cluster.add();
  uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  ASSERT_TRUE(cluster.put("a", "1"));
  Node* leader = cluster.wait_for_leader(region);
  cluster.crash(*leader);
  EXPECT_EQ(cluster.get("a"), std::optional<Bytes>("1"));
  ASSERT_TRUE(cluster.put("a", "2"));
  cluster.boot(*leader);
  EXPECT_TRUE(cluster.run_until([&] { return cluster.local(*leader, "a") == Bytes("2"); }));
}

template <class E>
bool is(const TestCluster::PutResult& result) {
  return !result.ok() && std::holds_alternative<E>(result.error());
}

TEST(Store, AnAlmostFullDiskTakesNoNewDataButWhatEndsTransactionsAndIsRead) {
  auto options = TestCluster::quick();
  options.reserve_space_bytes = 1 << 20;
  TestCluster cluster(1, options);
  auto& node = cluster.add();
  ASSERT_TRUE(cluster.put("a", "1"));
  const uint64_t roomy = uint64_t{1} << 40;

  node.disk->set_capacity(node.disk->used() + (900 << 10));
  cluster.run_for(1s);
  EXPECT_TRUE(is<engine::DiskFull>(cluster.put_once(node, "b", "1")));
  EXPECT_TRUE(cluster.put_once(node, "c", "1", engine::DiskFullOpt::kAllowedOnAlmostFull).ok());
  EXPECT_EQ(cluster.get("a"), std::optional<Bytes>("1"));

  node.disk->set_capacity(node.disk->used() + (400 << 10));
  cluster.run_for(1s);
  EXPECT_TRUE(is<engine::DiskFull>(cluster.put_once(node, "c", "2", engine::DiskFullOpt::kAllowedOnAlmostFull)));
  EXPECT_TRUE(cluster.put_once(node, "d", "1", engine::DiskFullOpt::kAllowedOnAlreadyFull).ok());
  EXPECT_EQ(cluster.get("c"), std::optional<Bytes>("1"));
  EXPECT_FALSE(node.fatal);

  node.disk->set_capacity(roomy);
  cluster.run_for(1s);
  EXPECT_TRUE(cluster.put_once(node, "b", "1").ok());
}

TEST(Store, AWriteIsRefusedOnceTooFewReplicasHaveRoomAndTheFullOnesCatchUpLater) {
  auto options = TestCluster::quick();
  options.reserve_space_bytes = 1 << 20;
  TestCluster cluster(1, options);
  for (int i = 0; i < 3; ++i) cluster.add();
  uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  Node* leader = cluster.wait_for_leader(region);
  std::vector<Node*> followers;
  for (size_t i = 0; i < 3; ++i) {
    if (&cluster.node(i) != leader) followers.push_back(&cluster.node(i));
  }
  auto fill = [&](Node& node) { node.disk->set_capacity(node.disk->used() + (400 << 10)); };

  fill(*followers[0]);
  cluster.run_for(1s);
  ASSERT_TRUE(cluster.put_once(*leader, "one-is-full", "1").ok());
  cluster.run_for(2s);
  EXPECT_FALSE(cluster.local(*followers[0], "one-is-full").has_value()) << "it has no room for entries";

  fill(*followers[1]);
  cluster.run_for(1s);
  auto refused = cluster.put_once(*leader, "two-are-full", "1");
  ASSERT_TRUE(is<engine::DiskFull>(refused));
  EXPECT_EQ(std::get<engine::DiskFull>(refused.error()).stores.size(), 2u);
  EXPECT_EQ(cluster.wait_for_leader(region), leader) << "full disks are no reason to elect another";

  for (Node* follower : followers) follower->disk->set_capacity(uint64_t{1} << 40);
  cluster.run_for(1s);
  EXPECT_TRUE(cluster.put_once(*leader, "room-again", "1").ok());
  for (Node* follower : followers) {
    EXPECT_TRUE(cluster.run_until([&] { return cluster.local(*follower, "room-again").has_value(); }));
    EXPECT_EQ(cluster.local(*follower, "one-is-full"), Bytes("1"));
  }
}

TEST(Store, WritesBeyondWhatMayWaitAreToldToComeLater) {
  auto options = TestCluster::quick();
  options.waiting_write_bytes_max = 1000;
  TestCluster cluster(1, options);
  for (int i = 0; i < 3; ++i) cluster.add();
  uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  Node* leader = cluster.wait_for_leader(region);
  for (size_t i = 0; i < 3; ++i) {
    if (&cluster.node(i) != leader) cluster.isolate(i);  // nothing is committed any more
  }
  auto first = cluster.begin_put(*leader, "a", Bytes(600, 'v'));
  auto second = cluster.begin_put(*leader, "b", Bytes(600, 'v'));
  cluster.run_for(10ms);
  EXPECT_FALSE(first->has_value() || second->has_value());
  EXPECT_TRUE(is<engine::ServerIsBusy>(cluster.put_once(*leader, "c", "v")));
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return first->has_value() && second->has_value(); }));
  EXPECT_TRUE(cluster.put("c", "v")) << "what was answered does not count any more";
}

TEST(Store, AnIsolatedLeaderServesNoStaleReadAfterAnotherWasElected) {
  TestCluster cluster;
  for (int i = 0; i < 3; ++i) cluster.add();
  uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  ASSERT_TRUE(cluster.put("a", "old"));
  Node* old = cluster.wait_for_leader(region);
  cluster.isolate(old == &cluster.node(0) ? 0 : old == &cluster.node(1) ? 1 : 2);
  ASSERT_TRUE(cluster.put("a", "new"));
  auto stale = old->store->try_lease_snapshot(cluster.request(region));
  EXPECT_FALSE(stale && stale->ok());
  cluster.heal();
  EXPECT_TRUE(cluster.run_until([&] { return cluster.local(*old, "a") == Bytes("new"); }));
}

TEST(Store, ALeaseReadNeedsNoShard) {
  TestCluster cluster;
  cluster.add();
  uint64_t region = first_region(cluster);
  ASSERT_TRUE(cluster.put("a", "1"));
  auto leased = cluster.node(0).store->try_lease_snapshot(cluster.request(region));
  ASSERT_TRUE(leased.has_value());
  ASSERT_TRUE(leased->ok());
  EXPECT_EQ(*(**leased).get()->get(engine::Cf::kDefault, "a"), std::optional<Bytes>("1"));
  auto wrong = cluster.request(region);
  wrong.epoch = {1, 99};
  auto refused = cluster.node(0).store->try_lease_snapshot(wrong);
  ASSERT_TRUE(refused.has_value());
  EXPECT_TRUE(std::holds_alternative<engine::EpochNotMatch>(refused->error()));
  cluster.run_for(3s);  // nothing renews it
  EXPECT_FALSE(cluster.node(0).store->try_lease_snapshot(cluster.request(region)).has_value());
}

TEST(Store, AFollowerBehindTheCompactedLogCatchesUpBySnapshot) {
  auto options = TestCluster::quick();
  options.log_gc_count_max = 100;
  TestCluster cluster(3, options);
  for (int i = 0; i < 3; ++i) cluster.add();
  uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  ASSERT_TRUE(cluster.put("before", "1"));
  Node* leader = cluster.wait_for_leader(region);
  size_t slow = leader == &cluster.node(2) ? 1 : 2;
  cluster.isolate(slow);
  for (int i = 0; i < 300; ++i) ASSERT_TRUE(cluster.put("k" + std::to_string(i), "v"));
  cluster.run_for(5s);
  cluster.heal();
  EXPECT_TRUE(cluster.run_until([&] { return cluster.local(cluster.node(slow), "k299") == Bytes("v"); }));
  EXPECT_EQ(cluster.local(cluster.node(slow), "before"), Bytes("1"));
  ASSERT_TRUE(cluster.put("after", "1"));
  EXPECT_TRUE(cluster.run_until([&] { return cluster.local(cluster.node(slow), "after") == Bytes("1"); }));
}

TEST(Store, ASplitRegionServesBothHalvesOnAllStoresAndAfterARestart) {
  TestCluster cluster;
  for (int i = 0; i < 3; ++i) cluster.add();
  uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  ASSERT_TRUE(cluster.put("a", "1"));
  ASSERT_TRUE(cluster.put("x", "1"));
  auto parts = cluster.split(region, {"h", "p"});
  ASSERT_TRUE(parts.ok()) << engine::to_string(parts.error());
  ASSERT_EQ(parts->size(), 3u);
  EXPECT_EQ((*parts)[0].end_key, "h");
  EXPECT_EQ((*parts)[2].id.value, region);
  for (const auto& part : *parts) EXPECT_EQ(part.epoch.version, 3u);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.pd.regions.size() == 3; }));
  EXPECT_EQ(cluster.get("a"), std::optional<Bytes>("1"));
  EXPECT_EQ(cluster.get("x"), std::optional<Bytes>("1"));
  ASSERT_TRUE(cluster.put("b", "2"));
  ASSERT_TRUE(cluster.put("j", "3"));
  for (size_t i = 0; i < 3; ++i) cluster.crash(cluster.node(i));
  for (size_t i = 0; i < 3; ++i) cluster.boot(cluster.node(i));
  EXPECT_EQ(cluster.get("b"), std::optional<Bytes>("2"));
  EXPECT_EQ(cluster.get("j"), std::optional<Bytes>("3"));
  EXPECT_EQ(cluster.get("x"), std::optional<Bytes>("1"));
}

TEST(Store, ARemovedPeerLeavesTheStoreAndTakesItsData) {
  TestCluster cluster;
  for (int i = 0; i < 3; ++i) cluster.add();
  uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  ASSERT_TRUE(cluster.put("a", "1"));
  Node* leader = cluster.wait_for_leader(region);
  Node& other = leader == &cluster.node(2) ? cluster.node(1) : cluster.node(2);
  ASSERT_TRUE(cluster.run_until([&] { return cluster.local(other, "a") == Bytes("1"); }));
  for (const auto& peer : cluster.pd.regions[region].peers()) {
    if (peer.store_id() != other.store->id().value) continue;
    metapb::Peer gone = peer;
    cluster.pd.change_peer(region, eraftpb::RemoveNode, gone);
    break;
  }
  EXPECT_TRUE(cluster.run_until([&] { return other.store->stats().regions == 0; }));
  EXPECT_EQ(cluster.local(other, "a"), std::nullopt);
  ASSERT_TRUE(cluster.put("a", "2"));
}

TEST(Store, LeadershipMovesOnCommandAndWritesGoOn) {
  TestCluster cluster;
  for (int i = 0; i < 3; ++i) cluster.add();
  uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  Node* leader = cluster.wait_for_leader(region);
  metapb::Peer target;
  for (const auto& peer : cluster.pd.regions[region].peers()) {
    if (peer.store_id() != leader->store->id().value) target = peer;
  }
  pdpb::RegionHeartbeatResponse command;
  *command.mutable_transfer_leader()->mutable_peer() = target;
  // A replica that has just become a voter may not know it yet and lets the call pass; PD says it again.
  const auto has_moved = [&] { return cluster.pd.leaders[region].id() == target.id(); };
  for (int tries = 0; tries < 3 && !has_moved(); ++tries) {
    cluster.pd.command(region, command);
    cluster.run_until(has_moved, 10s);
  }
  ASSERT_TRUE(has_moved());
  ASSERT_TRUE(cluster.put("a", "1"));
  EXPECT_EQ(cluster.get("a"), std::optional<Bytes>("1"));
}

// Starts the departure; the cell holds how many regions stay, once it is over.
std::shared_ptr<std::optional<uint64_t>> depart(Node& node) {
  auto left = std::make_shared<std::optional<uint64_t>>();
  node.store->depart([left](uint64_t leaders) { *left = leaders; });
  return left;
}

uint64_t led_by(Node& node) {
  uint64_t leaders = 0;
  for (const auto& status : node.store->regions()) leaders += status.is_leader ? 1 : 0;
  return leaders;
}

TEST(Store, WhoDepartsHandsAllItsLeadersToOthersWithinMomentsAndServesOn) {
  for (uint64_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(seed);
    auto options = TestCluster::quick();
    options.shards = 1 + static_cast<int>(seed % 2);
    TestCluster cluster(seed, options);
    for (int i = 0; i < 3; ++i) cluster.add();
    cluster.replicate_everywhere(first_region(cluster));
    Node* leader = cluster.wait_for_leader(first_region(cluster));
    ASSERT_TRUE(cluster.split(first_region(cluster), {"b", "c", "d", "e", "f"}).ok());
    ASSERT_TRUE(cluster.run_until([&] { return led_by(*leader) == 6; }));
    cluster.run_for(1s);  // the children's followers have answered
    // Writes under way when it begins: none may be lost, whether they are acknowledged or refused.
    std::vector<std::shared_ptr<std::optional<TestCluster::PutResult>>> writes;
    for (const char* key : {"a1", "b1", "c1", "d1"}) writes.push_back(cluster.begin_put(*leader, key, "1"));
    const auto left = depart(*leader);
    ASSERT_TRUE(cluster.run_until([&] { return left->has_value(); }, 400ms)) << "no election timeout passes";
    EXPECT_EQ(**left, 0u);
    EXPECT_TRUE(cluster.pd.is_stopping[leader->store->id().value]);
    ASSERT_TRUE(cluster.run_until([&] {
      return std::all_of(writes.begin(), writes.end(), [](const auto& write) { return write->has_value(); });
    }));
    for (const char* key : {"a1", "b2", "c1", "f1"}) ASSERT_TRUE(cluster.put(key, "2"));
    EXPECT_EQ(cluster.get("b2"), std::optional<Bytes>("2"));
    // Whoever still asks it hears who leads now.
    const auto refused = cluster.put_once(*leader, "a1", "3");
    ASSERT_FALSE(refused.ok());
    const auto* elsewhere = std::get_if<engine::NotLeader>(&refused.error());
    ASSERT_NE(elsewhere, nullptr) << engine::to_string(refused.error());
    ASSERT_TRUE(elsewhere->leader.has_value());
    EXPECT_NE(elsewhere->leader->store, leader->store->id());
  }
}

TEST(Store, WhoDepartsGivesAwayAgainWhatComesBackToIt) {
  TestCluster cluster;
  for (int i = 0; i < 3; ++i) cluster.add();
  const uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  Node* leader = cluster.wait_for_leader(region);
  const auto left = depart(*leader);
  ASSERT_TRUE(cluster.run_until([&] { return left->has_value(); }));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.leader_of(region) && cluster.leader_of(region) != leader; }));
  pdpb::RegionHeartbeatResponse back;
  for (const auto& peer : cluster.pd.regions[region].peers()) {
    if (peer.store_id() == leader->store->id().value) *back.mutable_transfer_leader()->mutable_peer() = peer;
  }
  ASSERT_TRUE(cluster.run_until([&] { return cluster.pd.leaders[region].id() != back.transfer_leader().peer().id(); }));
  bool came_back = false;
  cluster.pd.on_heartbeat = [&](const pdpb::RegionHeartbeatRequest& heartbeat) {
    came_back = came_back || heartbeat.leader().id() == back.transfer_leader().peer().id();
  };
  cluster.pd.command(region, back);
  ASSERT_TRUE(cluster.run_until([&] { return came_back; }));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.pd.leaders[region].id() != back.transfer_leader().peer().id(); }));
}

TEST(Store, AStoreThatNobodyCanRelieveDepartsAllTheSame) {
  TestCluster cluster;
  for (int i = 0; i < 3; ++i) cluster.add();
  const uint64_t region = first_region(cluster);
  // Alone in its region: at once.
  {
    TestCluster single;
    const auto left = depart(single.add());
    ASSERT_TRUE(single.run_until([&] { return left->has_value(); }, 100ms));
  }
  cluster.replicate_everywhere(region);
  Node* leader = cluster.wait_for_leader(region);
  for (size_t i = 0; i < 3; ++i) {
    if (&cluster.node(i) != leader) cluster.isolate(i);
  }
  const auto left = depart(*leader);
  EXPECT_TRUE(cluster.run_until([&] { return left->has_value(); }, 5s));
}

TEST(Store, ALogIsCompactedAlsoAfterHandOversThatFailed) {
  auto options = TestCluster::quick();
  options.log_gc_threshold = 5;
  TestCluster cluster(1, options);
  for (int i = 0; i < 3; ++i) cluster.add();
  const uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  ASSERT_TRUE(cluster.transfer_leader(region, cluster.node(0)));
  cluster.drops = [](const auto& message) { return message.message().msg_type() == eraftpb::MsgTimeoutNow; };
  Node& leader = cluster.node(0);
  const PeerId target = cluster.status(cluster.node(1), region)->peer;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.put("k" + std::to_string(i), "v"));
    leader.store->transfer_leader(RegionId(region), target);
    cluster.run_for(1500ms);
  }
  const LogIndex last = cluster.status(leader, region)->last;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(cluster.put("k" + std::to_string(i), "v"));
  cluster.run_for(2s);
  ASSERT_TRUE(leader.kv->flush().ok());
  EXPECT_TRUE(cluster.run_until([&] { return !leader.log->entry(RegionId(region), last)->has_value(); }, 5s));
}

TEST(Store, AStopWaitsForNoSplitThatIsNeverCommitted) {
  TestCluster cluster;
  for (int i = 0; i < 3; ++i) cluster.add();
  const uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  ASSERT_TRUE(cluster.transfer_leader(region, cluster.node(0)));
  cluster.isolate(0);
  pdpb::RegionHeartbeatResponse split;
  split.mutable_split_region()->set_policy(pdpb::USEKEY);
  split.mutable_split_region()->add_keys("m");
  cluster.pd.command(region, std::move(split));
  cluster.run_for(100ms);
  cluster.stop(cluster.node(0));
}

TEST(Store, RandomCrashesOfOneMachineAtATimeLoseNothingAcknowledged) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    auto options = TestCluster::quick();
    options.shards = 1 + static_cast<int>(seed % 2);
    options.log_gc_count_max = seed % 3 == 0 ? 20 : 10000;  // snapshots, too
    options.log_gc_threshold = 5;
    TestCluster cluster(seed, options);
    for (int i = 0; i < 3; ++i) cluster.add();
    cluster.replicate_everywhere(first_region(cluster));
    for (int round = 0; round < 6; ++round) {
      for (int i = 0; i < 5; ++i) {
        ASSERT_TRUE(cluster.put("k" + std::to_string(i), std::to_string(round))) << "seed " << seed;
      }
      auto& victim = cluster.node((seed + static_cast<uint64_t>(round)) % 3);
      cluster.crash(victim);
      for (int i = 0; i < 5; ++i) {
        ASSERT_EQ(cluster.get("k" + std::to_string(i)), std::optional<Bytes>(std::to_string(round))) << "seed " << seed;
      }
      if (round % 2 == 0) cluster.run_for(3s);
      cluster.boot(victim);
      if (round == 2) {
        auto parts = cluster.split(first_region(cluster), {"k2"});
        ASSERT_TRUE(parts.ok()) << "seed " << seed << " " << engine::to_string(parts.error());
      }
    }
  }
}

LogIndex truncated(Node& node, uint64_t region) {
  auto bytes = node.kv->get(engine::Cf::kRaft, replica::apply_state_key(RegionId(region)));
  return replica::decode_apply_state(**bytes)->truncated;
}

TEST(Store, ALogIsTruncatedOnThoughTheProposalWasRefusedOnce) {
  auto options = TestCluster::quick();
  options.log_gc_count_max = 30;
  options.log_gc_threshold = 5;
  TestCluster cluster(1, options);
  for (int i = 0; i < 3; ++i) cluster.add();
  const uint64_t region = first_region(cluster);
  cluster.replicate_everywhere(region);
  ASSERT_TRUE(cluster.transfer_leader(region, cluster.node(0)));
  Node& leader = cluster.node(0);
  cluster.run_for(2s);
  const auto before = cluster.status(leader, region);
  // It gives its leadership to one that does not hear of it, at a time when the log is to be truncated: while that
  // lasts, nothing can be proposed.
  cluster.isolate(1);
  for (int i = 0; i < 60; ++i) ASSERT_TRUE(cluster.put("a", std::to_string(i)));
  const LogIndex kept = truncated(leader, region);
  const auto target = cluster.status(cluster.node(1), region);
  for (int i = 0; i < 15; ++i) {
    leader.store->transfer_leader(RegionId(region), target->peer);
    cluster.run_for(100ms);
  }
  cluster.run_for(2s);  // it keeps it after all
  cluster.heal();
  cluster.run_for(3s);
  EXPECT_EQ(cluster.status(leader, region)->term, before->term) << "the case is about a leader that stays";
  EXPECT_TRUE(cluster.status(leader, region)->is_leader);
  EXPECT_GT(truncated(leader, region), kept);
}

TEST(Store, ASplitThatWasRefusedIsTriedAgainThoughNothingMoreIsWritten) {
  auto options = TestCluster::quick();
  options.region_split_bytes = 10'000;
  options.split_check_interval = 1s;
  TestCluster cluster(1, options);
  cluster.add();
  cluster.pd.refuses_splits = true;
  for (int i = 100; i < 140; ++i) ASSERT_TRUE(cluster.put("k" + std::to_string(i), Bytes(1000, 'v')));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.pd.splits_asked > 0; }));
  cluster.run_for(2s);
  cluster.pd.refuses_splits = false;
  EXPECT_TRUE(cluster.run_until([&] { return cluster.pd.regions.size() > 1; }));
}

TEST(Store, SettingsThatChangeAreGoneByFromThenOn) {
  auto options = TestCluster::quick();
  options.region_split_bytes = 0;
  TestCluster cluster(1, options);
  auto& node = cluster.add();
  for (int i = 100; i < 140; ++i) ASSERT_TRUE(cluster.put("k" + std::to_string(i), Bytes(1000, 'v')));
  cluster.run_for(3s);
  EXPECT_EQ(cluster.pd.splits_asked, 0);

  options.region_split_bytes = 10'000;
  options.split_check_interval = 1s;
  node.store->reconfigure(options);
  EXPECT_TRUE(cluster.run_until([&] { return cluster.pd.regions.size() > 1; }));

  const auto heartbeats = [&] { return cluster.pd.store_heartbeats; };
  options.store_heartbeat_interval = 100ms;
  node.store->reconfigure(options);
  cluster.run_for(options.store_heartbeat_interval * 2 + TestCluster::quick().store_heartbeat_interval);
  const auto before = heartbeats();
  cluster.run_for(1s);
  EXPECT_GE(heartbeats() - before, 9);
}

runtime::Task<void> destroy_task(Store* store, runtime::Executor* executor, Bytes begin, Bytes end, int* done) {
  auto destroyed = co_await store->destroy_range(std::move(begin), std::move(end), *executor);
  EXPECT_TRUE(destroyed.ok());
  ++*done;
}

TEST(Store, DestroyingRangesFlushesOnlyWhatIsUnflushedInThem) {
  TestCluster cluster;
  auto& node = cluster.add();
  for (const char* key : {"a", "b", "h"}) ASSERT_TRUE(cluster.put(key, "1"));
  int flushes = 0, done = 0;
  node.disk->set_hook([&](engine::DiskAccess access, uint64_t) -> std::optional<engine::Error> {
    flushes += access == engine::DiskAccess::kKvFlush ? 1 : 0;
    return std::nullopt;
  });
  auto executor = node.executors->make("client");
  auto destroy = [&](const Bytes& begin, const Bytes& end) {
    const int before = done;
    runtime::spawn(*executor, destroy_task(node.store.get(), executor.get(), begin, end, &done));
    return cluster.run_until([&] { return done > before; });
  };
  ASSERT_TRUE(destroy("a", "d"));
  EXPECT_EQ(flushes, 1);
  ASSERT_TRUE(destroy("a", "d"));
  ASSERT_TRUE(destroy("x", "y"));
  EXPECT_EQ(flushes, 1);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(cluster.put("k" + std::to_string(i), "1"));
  ASSERT_TRUE(node.kv->flush().ok());
  flushes = 0;
  ASSERT_TRUE(cluster.put("h2", "1"));
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(destroy("k" + std::to_string(i), "k" + std::to_string(i) + "x"));
  EXPECT_EQ(flushes, 0) << "ranges of which nothing is in memory";
  node.disk->set_hook(nullptr);
  cluster.crash(node);
  cluster.boot(node);
  EXPECT_EQ(cluster.get("h"), std::optional<Bytes>("1"));
  EXPECT_EQ(cluster.get("h2"), std::optional<Bytes>("1"));
  EXPECT_EQ(cluster.local(node, "b"), std::nullopt);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(cluster.local(node, "k" + std::to_string(i)), std::nullopt);
}

}  // namespace
}  // namespace cairn::store
