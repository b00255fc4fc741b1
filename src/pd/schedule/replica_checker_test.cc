// The replica checker on modelled clusters: the model carries out what it is told and loses stores.
#include "pd/schedule/replica_checker.h"

#include <gtest/gtest.h>

#include "pd/testing/modelled_cluster.h"
#include "runtime/random.h"

namespace cairn::pd {
namespace {

void settle(ModelledCluster& model) {
  ASSERT_TRUE(model.settle()) << "the cluster does not come to rest";
  ASSERT_EQ(model.faults(), std::vector<std::string>());
}

void expect_three_voters(const ModelledCluster& model, const std::vector<StoreId>& forbidden = {}) {
  for (const auto& region : model.regions()) {
    ASSERT_EQ(region->meta.peers_size(), 3) << region->meta.DebugString();
    for (const auto& peer : region->meta.peers()) {
      EXPECT_EQ(peer.role(), metapb::Voter);
      for (auto store : forbidden) EXPECT_NE(peer.store_id(), store.value);
    }
  }
}

// A region of peers 11, 12, ... on the stores 1, 2, ...
RegionInfo region_on(int stores) {
  RegionInfo region;
  region.meta.set_id(1);
  for (int i = 1; i <= stores; ++i) {
    auto& peer = *region.meta.add_peers();
    peer.set_id(static_cast<uint64_t>(10 + i));
    peer.set_store_id(static_cast<uint64_t>(i));
  }
  region.leader = region.meta.peers(0);
  return region;
}

TEST(ReplicaChecker, OneStoreIsLeftWithOneReplica) {
  ModelledCluster model(1);
  model.add_region(1, {1});
  settle(model);
  EXPECT_EQ(model.regions()[0]->meta.peers_size(), 1);
}

TEST(ReplicaChecker, RegionsGrowToThreeReplicasSpreadEvenly) {
  ModelledCluster model(300);
  for (uint64_t id = 1; id <= 600; ++id) model.add_region(id, {id % 3 + 1});
  model.config.replica_schedule_limit = 10'000;
  settle(model);
  expect_three_voters(model);
  for (uint64_t store = 4; store <= 300; ++store) EXPECT_LE(model.count(StoreId(store)).peers, 6);
}

TEST(ReplicaChecker, ADownStoreIsReplacedAndThenLeft) {
  ModelledCluster model(5);
  for (uint64_t id = 1; id <= 20; ++id) model.add_region(id, {id % 5 + 1});
  settle(model);
  model.lose(StoreId(2), StoreHealth::kDown);
  settle(model);
  expect_three_voters(model, {StoreId(2)});
}

TEST(ReplicaChecker, AStoreBeingEmptiedGivesAwayItsPeersAndItsLeaders) {
  ModelledCluster model(4);
  for (uint64_t id = 1; id <= 20; ++id) model.add_region(id, {1});
  settle(model);
  model.lose(StoreId(1), StoreHealth::kOffline);
  settle(model);
  expect_three_voters(model, {StoreId(1)});
}

TEST(ReplicaChecker, WithoutASpareStoreADownReplicaIsKept) {
  ModelledCluster model(3);
  model.add_region(1, {1});
  settle(model);
  model.lose(StoreId(3), StoreHealth::kDown);
  settle(model);
  EXPECT_EQ(model.regions()[0]->meta.peers_size(), 3);
}

TEST(ReplicaChecker, FewerWantedReplicasAreTakenAway) {
  ModelledCluster model(5);
  for (uint64_t id = 1; id <= 10; ++id) model.add_region(id, {id % 5 + 1});
  model.config.max_replicas = 5;
  settle(model);
  model.config.max_replicas = 3;
  settle(model);
  expect_three_voters(model);
}

TEST(ReplicaChecker, ALeaderThatAJointChangeDemotesHandsOverFirst) {
  ModelledCluster model(4);
  auto region = region_on(4);
  region.meta.mutable_peers(0)->set_role(metapb::DemotingVoter);
  region.meta.mutable_peers(1)->set_role(metapb::DemotingVoter);
  region.meta.mutable_peers(3)->set_role(metapb::IncomingVoter);
  *region.down_peers.emplace_back().mutable_peer() = region.meta.peers(2);
  const auto plan = check_replicas(region, model.view());
  ASSERT_TRUE(plan);
  const Step leave = LeaveJoint{};
  EXPECT_EQ(plan->steps, (std::vector<Step>{TransferLeader{StoreId(1), StoreId(4), 14}, leave}));
  EXPECT_NE(unsafe_reason(leave, region, model.view()), "") << "the lead came back: a new operator moves it again";
  region.leader = region.meta.peers(3);
  EXPECT_EQ(unsafe_reason(leave, region, model.view()), "");
  EXPECT_EQ(check_replicas(region, model.view())->steps, std::vector<Step>{leave});
}

TEST(ReplicaChecker, TwoStoresThatLeaveDoNotPassTheLeadToEachOther) {
  ModelledCluster model(4);
  auto region = region_on(3);
  for (uint64_t id = 1; id <= 2; ++id) model.lose(StoreId(id), StoreHealth::kOffline);
  const auto plan = check_replicas(region, model.view());
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->steps.size(), 4u);
  EXPECT_EQ(plan->steps[2], (Step{TransferLeader{StoreId(1), StoreId(3), 13}}));
  model.lose(StoreId(3), StoreHealth::kOffline);
  region.meta.mutable_peers()->RemoveLast();
  for (const auto& step : check_replicas(region, model.view()).value_or(Plan{}).steps) {
    EXPECT_FALSE(std::holds_alternative<TransferLeader>(step));
  }
}

TEST(ReplicaChecker, StoresComeAndGoAtRandomAndThreeReplicasComeBack) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    runtime::Random dice(seed);
    ModelledCluster model(9);
    for (uint64_t id = 1; id <= 30; ++id) model.add_region(id, {dice.between(1, 9)});
    settle(model);
    std::vector<StoreId> lost;
    for (int i = 0; i < 4; ++i) {
      const StoreId store(dice.between(1, 9));
      if (std::find(lost.begin(), lost.end(), store) != lost.end()) continue;
      lost.push_back(store);
      model.lose(store, dice.chance(0.5) ? StoreHealth::kDown : StoreHealth::kOffline);
      settle(model);
    }
    expect_three_voters(model, lost);
  }
}

}  // namespace
}  // namespace cairn::pd
