// The replica checker and the operators on modelled clusters: the model carries out what it is told and loses stores.
#include "pd/schedule/replica_checker.h"

#include <gtest/gtest.h>

#include "pd/schedule/operator_controller.h"
#include "runtime/random.h"

namespace cairn::pd {
namespace {

// A cluster whose leaders do at once what they are told.
class Model {
 public:
  explicit Model(int stores) {
    for (int i = 1; i <= stores; ++i) cluster_[StoreId(static_cast<uint64_t>(i))] = {};
  }

  void add_region(uint64_t id, uint64_t store) {
    RegionInfo region;
    region.meta.set_id(id);
    region.meta.mutable_region_epoch()->set_version(1);
    region.meta.mutable_region_epoch()->set_conf_ver(1);
    auto& peer = *region.meta.add_peers();
    peer.set_id(next_id_++);
    peer.set_store_id(store);
    region.leader = peer;
    regions_.push_back(region);
  }

  void lose(StoreId store, StoreHealth health) { cluster_[store].health = health; }

  // One round: counts, checks, commands. Returns how many commands were carried out.
  int round() {
    now_ = now_ + std::chrono::seconds(1);
    count();
    int done = 0;
    for (auto& region : regions_) {
      report_health(region);
      auto command = operators_.advance(region, cluster_, now_, Duration(0));
      if (!operators_.has(region.id())) {
        auto plan = check_replicas(region, cluster_, config_);
        if (plan) {
          for (auto& step : plan->steps) {
            if (step.peer_id == 0) step.peer_id = next_id_;
            if (step.kind == StepKind::kAddLearner) ++cluster_[step.store].adding;
          }
          ++next_id_;
          operators_.add(region.id(), std::move(*plan), now_);
          command = operators_.advance(region, cluster_, now_, Duration(0));
        }
      }
      if (!command) continue;
      carry_out(region, *command);
      ++done;
    }
    return done;
  }

  void settle() {
    for (int i = 0; i < 200; ++i) {
      if (round() == 0 && operators_.size() == 0) return;
    }
    FAIL() << "the cluster does not come to rest";
  }

  const std::vector<RegionInfo>& regions() const { return regions_; }
  ScheduleConfig& config() { return config_; }
  uint64_t peers_on(StoreId store) {
    count();
    return cluster_[store].peers;
  }

 private:
  void count() {
    for (auto& [id, store] : cluster_) {
      store.peers = store.adding = 0;
      for (const auto& region : regions_) store.peers += region.peer_on(id) != nullptr;
      store.adding = operators_.adding(id);
    }
  }

  // The leader sees peers on down stores as down; a lost leader is replaced by the first voter alive.
  void report_health(RegionInfo& region) {
    region.down_peers.clear();
    auto is_down = [&](const metapb::Peer& peer) {
      return cluster_[StoreId(peer.store_id())].health == StoreHealth::kDown;
    };
    for (const auto& peer : region.meta.peers()) {
      if (is_down(peer)) region.down_peers.emplace_back().mutable_peer()->CopyFrom(peer);
    }
    if (!is_down(region.leader)) return;
    for (const auto& peer : region.meta.peers()) {
      if (!is_down(peer) && peer.role() == metapb::Voter) region.leader = peer;
    }
  }

  void carry_out(RegionInfo& region, const pdpb::RegionHeartbeatResponse& command) {
    if (command.has_transfer_leader()) {
      region.leader = command.transfer_leader().peer();
      return;
    }
    ASSERT_TRUE(command.has_change_peer());
    const auto& wanted = command.change_peer().peer();
    auto& peers = *region.meta.mutable_peers();
    auto found = std::find_if(peers.begin(), peers.end(), [&](const auto& peer) { return peer.id() == wanted.id(); });
    switch (command.change_peer().change_type()) {
      case eraftpb::AddLearnerNode:
        ASSERT_TRUE(found == peers.end());
        ASSERT_EQ(region.peer_on(StoreId(wanted.store_id())), nullptr) << "two peers on one store";
        ASSERT_EQ(cluster_[StoreId(wanted.store_id())].health, StoreHealth::kUp);
        *peers.Add() = wanted;
        break;
      case eraftpb::AddNode:
        ASSERT_TRUE(found != peers.end());
        found->set_role(metapb::Voter);
        break;
      default: {
        ASSERT_TRUE(found != peers.end());
        ASSERT_NE(wanted.id(), region.leader.id()) << "the leader was told to remove itself";
        peers.erase(found);
        int voters = 0;
        int healthy = 0;
        for (const auto& peer : peers) {
          if (peer.role() != metapb::Voter) continue;
          ++voters;
          healthy += cluster_[StoreId(peer.store_id())].health != StoreHealth::kDown;
        }
        ASSERT_GT(healthy * 2, voters) << "a removal left no majority";
      }
    }
    region.meta.mutable_region_epoch()->set_conf_ver(region.meta.region_epoch().conf_ver() + 1);
  }

  ScheduleConfig config_;
  ClusterView cluster_;
  std::vector<RegionInfo> regions_;
  OperatorController operators_{config_};
  uint64_t next_id_ = 1000;
  Instant now_{std::chrono::hours(1)};
};

void expect_three_voters(const Model& model, const std::vector<StoreId>& forbidden = {}) {
  for (const auto& region : model.regions()) {
    ASSERT_EQ(region.meta.peers_size(), 3) << region.meta.DebugString();
    for (const auto& peer : region.meta.peers()) {
      EXPECT_EQ(peer.role(), metapb::Voter);
      for (auto store : forbidden) EXPECT_NE(peer.store_id(), store.value);
    }
  }
}

TEST(ReplicaChecker, OneStoreIsLeftWithOneReplica) {
  Model model(1);
  model.add_region(1, 1);
  model.settle();
  EXPECT_EQ(model.regions()[0].meta.peers_size(), 1);
}

TEST(ReplicaChecker, RegionsGrowToThreeReplicasSpreadEvenly) {
  Model model(300);
  for (uint64_t id = 1; id <= 600; ++id) model.add_region(id, id % 3 + 1);
  model.config().replica_schedule_limit = 10'000;
  model.settle();
  expect_three_voters(model);
  for (uint64_t store = 4; store <= 300; ++store) EXPECT_LE(model.peers_on(StoreId(store)), 6);
}

TEST(ReplicaChecker, ADownStoreIsReplacedAndThenLeft) {
  Model model(5);
  for (uint64_t id = 1; id <= 20; ++id) model.add_region(id, id % 5 + 1);
  model.settle();
  model.lose(StoreId(2), StoreHealth::kDown);
  model.settle();
  expect_three_voters(model, {StoreId(2)});
}

TEST(ReplicaChecker, AStoreBeingEmptiedGivesAwayItsPeersAndItsLeaders) {
  Model model(4);
  for (uint64_t id = 1; id <= 20; ++id) model.add_region(id, 1);
  model.settle();
  model.lose(StoreId(1), StoreHealth::kOffline);
  model.settle();
  expect_three_voters(model, {StoreId(1)});
}

TEST(ReplicaChecker, WithoutASpareStoreADownReplicaIsKept) {
  Model model(3);
  model.add_region(1, 1);
  model.settle();
  model.lose(StoreId(3), StoreHealth::kDown);
  model.settle();
  EXPECT_EQ(model.regions()[0].meta.peers_size(), 3);
}

TEST(ReplicaChecker, FewerWantedReplicasAreTakenAway) {
  Model model(5);
  for (uint64_t id = 1; id <= 10; ++id) model.add_region(id, id % 5 + 1);
  model.config().max_replicas = 5;
  model.settle();
  model.config().max_replicas = 3;
  model.settle();
  expect_three_voters(model);
}

TEST(ReplicaChecker, ALeaderThatAJointChangeDemotesHandsOverFirst) {
  RegionInfo region;
  region.meta.set_id(1);
  for (uint64_t id = 1; id <= 4; ++id) {
    auto& peer = *region.meta.add_peers();
    peer.set_id(10 + id);
    peer.set_store_id(id);
  }
  region.meta.mutable_peers(0)->set_role(metapb::DemotingVoter);
  region.meta.mutable_peers(1)->set_role(metapb::DemotingVoter);
  region.meta.mutable_peers(3)->set_role(metapb::IncomingVoter);
  region.leader = region.meta.peers(0);
  *region.down_peers.emplace_back().mutable_peer() = region.meta.peers(2);
  ClusterView cluster;
  for (uint64_t id = 1; id <= 4; ++id) cluster[StoreId(id)] = {};
  const auto plan = check_replicas(region, cluster, {});
  ASSERT_TRUE(plan);
  const Step leave{StepKind::kLeaveJoint, {}, 0};
  EXPECT_EQ(plan->steps, (std::vector<Step>{{StepKind::kTransferLeader, StoreId(4), 14}, leave}));
  EXPECT_NE(unsafe_reason(leave, region, cluster), "") << "the lead came back to it: a new operator moves it again";
  region.leader = region.meta.peers(3);
  EXPECT_EQ(unsafe_reason(leave, region, cluster), "");
  EXPECT_EQ(check_replicas(region, cluster, {})->steps, std::vector<Step>{leave});
}

TEST(ReplicaChecker, TwoStoresThatLeaveDoNotPassTheLeadToEachOther) {
  RegionInfo region;
  region.meta.set_id(1);
  for (uint64_t id = 1; id <= 3; ++id) {
    auto& peer = *region.meta.add_peers();
    peer.set_id(10 + id);
    peer.set_store_id(id);
  }
  region.leader = region.meta.peers(0);
  ClusterView cluster;
  for (uint64_t id = 1; id <= 4; ++id) cluster[StoreId(id)] = {};
  for (uint64_t id = 1; id <= 2; ++id) cluster[StoreId(id)].health = StoreHealth::kOffline;
  const auto plan = check_replicas(region, cluster, {});
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->steps.size(), 4u);
  EXPECT_EQ(plan->steps[2], (Step{StepKind::kTransferLeader, StoreId(3), 13}));
  cluster[StoreId(3)].health = StoreHealth::kOffline;
  region.meta.mutable_peers()->RemoveLast();
  for (const auto& step : check_replicas(region, cluster, {}).value_or(Plan{}).steps) {
    EXPECT_NE(step.kind, StepKind::kTransferLeader);
  }
}

TEST(ReplicaChecker, StoresComeAndGoAtRandomAndThreeReplicasComeBack) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    runtime::Random dice(seed);
    Model model(9);
    for (uint64_t id = 1; id <= 30; ++id) model.add_region(id, dice.between(1, 9));
    model.settle();
    std::vector<StoreId> lost;
    for (int i = 0; i < 4; ++i) {
      const StoreId store(dice.between(1, 9));
      if (std::find(lost.begin(), lost.end(), store) != lost.end()) continue;
      lost.push_back(store);
      model.lose(store, dice.chance(0.5) ? StoreHealth::kDown : StoreHealth::kOffline);
      model.settle();
    }
    expect_three_voters(model, lost);
  }
}

}  // namespace
}  // namespace cairn::pd
