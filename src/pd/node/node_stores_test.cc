// Stores through pd::Node: registration, replicas for new ones, removal.
#include <gtest/gtest.h>

#include <vector>

#include "pd/testing/node_fixture.h"

namespace cairn::pd {
namespace {

TEST_F(NodeTest, AnUnknownStoreIsToldInTheWordsThatClientsLookFor) {
  start();
  bootstrap();
  pdpb::GetStoreRequest request;
  request.set_store_id(77);
  const auto error = call<pdpb::GetStoreResponse>(request, &Node::get_store).header().error();
  EXPECT_EQ(error.type(), pdpb::UNKNOWN);
  EXPECT_NE(error.message().find("invalid store ID"), std::string::npos);
  EXPECT_NE(error.message().find("not found"), std::string::npos);
}

TEST_F(NodeTest, TwoStoresCannotShareAnAddress) {
  start();
  bootstrap();
  auto twin = store(2);
  twin.set_address(store(1).address());
  EXPECT_NE(put_store(twin).header().error().message().find("duplicated store address"), std::string::npos);
}

TEST_F(NodeTest, TheFirstRegionGrowsToThreeReplicasWithoutWaitingForItsNextHeartbeat) {
  start();
  bootstrap();
  put_store(store(2));
  put_store(store(3));
  open_stream();
  auto region = first_region();
  report(region);
  for (uint64_t conf_ver = 1; conf_ver <= 4; ++conf_ver) {
    ASSERT_TRUE(loop_.run_until([&] { return !commands_.empty(); }, std::chrono::seconds(2))) << conf_ver;
    const auto command = commands_.front();
    commands_.clear();
    ASSERT_EQ(command.region_id(), 100);
    ASSERT_EQ(command.region_epoch().conf_ver(), conf_ver);
    ASSERT_EQ(command.target_peer().id(), 101);
    const auto& wanted = command.change_peer().peer();
    region.mutable_region_epoch()->set_conf_ver(conf_ver + 1);
    if (conf_ver % 2 == 1) {
      ASSERT_EQ(command.change_peer().change_type(), eraftpb::AddLearnerNode);
      *region.add_peers() = wanted;
      report(region, {wanted.id()});  // it fetches a snapshot: nothing to do but wait
      loop_.run_for(std::chrono::seconds(1));
      ASSERT_TRUE(commands_.empty());
    } else {
      ASSERT_EQ(command.change_peer().change_type(), eraftpb::AddNode);
      region.mutable_peers(region.peers_size() - 1)->set_role(metapb::Voter);
    }
    report(region);
  }
  loop_.run_for(std::chrono::seconds(10));
  EXPECT_TRUE(commands_.empty()) << commands_.front().DebugString();
  EXPECT_NE(region.peers(1).store_id(), region.peers(2).store_id());
}

TEST_F(NodeTest, AStoreOfASmallClusterServesAtOnce) {
  start();
  bootstrap();
  ASSERT_FALSE(put_store(store(2)).header().has_error());
  open_stream();
  report(first_region());
  loop_.run_for(std::chrono::seconds(2));
  pdpb::GetStoreRequest request;
  request.set_store_id(2);
  EXPECT_EQ(call<pdpb::GetStoreResponse>(request, &Node::get_store).store().node_state(), metapb::Serving);
}

TEST_F(NodeTest, ADestroyedStoreGivesUpItsAddressIsEmptiedAndForgotten) {
  start();
  bootstrap();
  for (uint64_t id = 2; id <= 3; ++id) put_store(store(id));
  open_stream();
  auto region = first_region();
  for (uint64_t id = 2; id <= 3; ++id) {
    auto& peer = *region.add_peers();
    peer.set_id(100 + id);
    peer.set_store_id(id);
  }
  region.mutable_region_epoch()->set_conf_ver(5);
  report(region);
  auto remove = [&](uint64_t id, bool destroyed) {
    cairnpb::RemoveStoreRequest request;
    request.mutable_header()->set_cluster_id(cluster_id_);
    request.set_store_id(id);
    request.set_physically_destroyed(destroyed);
    auto reply = ask<cairnpb::RemoveStoreResponse>(node_->admin(), request, &api::Admin::remove_store);
    return reply.ok() ? reply->header().error().message() : reply.error().message;
  };
  auto state_of = [&](uint64_t id) -> std::string {
    cairnpb::ListStoresRequest request;
    request.mutable_header()->set_cluster_id(cluster_id_);
    auto reply = ask<cairnpb::ListStoresResponse>(node_->admin(), request, &api::Admin::list_stores);
    if (!reply.ok()) return reply.error().message;
    for (const auto& status : reply->stores()) {
      if (status.store().id() == id) return status.state_name();
    }
    return "";
  };
  auto heir = store(4);
  heir.set_address(store(3).address());
  EXPECT_TRUE(put_store(heir).header().has_error());
  EXPECT_NE(remove(3, false).find("can not remove store 3"), std::string::npos);
  EXPECT_EQ(remove(3, true), "");
  EXPECT_EQ(state_of(3), "Offline");
  EXPECT_FALSE(put_store(heir).header().has_error());
  crash();
  start();
  EXPECT_EQ(state_of(3), "Offline");
  open_stream();
  // The heir gets the lost store's place, step by step.
  commands_.clear();
  report(region);
  std::vector<eraftpb::ConfChangeType> steps;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(loop_.run_until([&] { return !commands_.empty(); }, std::chrono::seconds(5)));
    const auto change = commands_.front().change_peer();
    commands_.clear();
    steps.push_back(change.change_type());
    region.mutable_region_epoch()->set_conf_ver(region.region_epoch().conf_ver() + 1);
    if (change.change_type() == eraftpb::RemoveNode) {
      EXPECT_EQ(change.peer().store_id(), 3u);
      region.mutable_peers()->DeleteSubrange(2, 1);
    } else {
      EXPECT_EQ(change.peer().store_id(), 4u);
      if (region.peers_size() == 3) region.add_peers();
      *region.mutable_peers(3) = change.peer();
    }
    report(region);
  }
  EXPECT_EQ(steps, (std::vector{eraftpb::AddLearnerNode, eraftpb::AddNode, eraftpb::RemoveNode}));
  ASSERT_TRUE(loop_.run_until([&] { return state_of(3) == "Tombstone"; }, std::chrono::seconds(5)));
  pdpb::StoreHeartbeatRequest beat;
  beat.mutable_stats()->set_store_id(3);
  EXPECT_EQ(call<pdpb::StoreHeartbeatResponse>(beat, &Node::store_heartbeat).header().error().type(),
            pdpb::STORE_TOMBSTONE);
  cairnpb::RemoveTombstonesRequest forget;
  forget.mutable_header()->set_cluster_id(cluster_id_);
  ASSERT_TRUE(ask<cairnpb::RemoveTombstonesResponse>(node_->admin(), forget, &api::Admin::remove_tombstones).ok());
  EXPECT_EQ(state_of(3), "");
  stop();
  start();
  EXPECT_EQ(state_of(3), "");
  EXPECT_EQ(call<pdpb::GetAllStoresResponse>(pdpb::GetAllStoresRequest(), &Node::get_all_stores).stores_size(), 3);
}

// A region that lost its quorum never reports after a restart of PD.
TEST_F(NodeTest, AStoreThatSaysItIsEmptyNeedNotWaitForEveryRegion) {
  start();
  bootstrap();
  for (uint64_t id = 2; id <= 5; ++id) put_store(store(id));
  for (uint64_t id = 4; id <= 5; ++id) {
    cairnpb::RemoveStoreRequest request;
    request.mutable_header()->set_cluster_id(cluster_id_);
    request.set_store_id(id);
    ASSERT_TRUE(ask<cairnpb::RemoveStoreResponse>(node_->admin(), request, &api::Admin::remove_store).ok());
  }
  crash();
  start();
  const auto state_of = [&](uint64_t id) {
    pdpb::GetStoreRequest request;
    request.set_store_id(id);
    return call<pdpb::GetStoreResponse>(request, &Node::get_store).store().state();
  };
  const auto beat = [&](uint64_t id, uint32_t regions) {
    pdpb::StoreHeartbeatRequest request;
    request.mutable_stats()->set_store_id(id);
    request.mutable_stats()->set_region_count(regions);
    call<pdpb::StoreHeartbeatResponse>(request, &Node::store_heartbeat);
  };
  loop_.run_for(std::chrono::seconds(5));
  EXPECT_EQ(state_of(4), metapb::Offline) << "nothing is known of it yet";
  beat(4, 0);
  beat(5, 1);
  loop_.run_for(std::chrono::seconds(5));
  EXPECT_EQ(state_of(4), metapb::Tombstone);
  EXPECT_EQ(state_of(5), metapb::Offline);
}

TEST_F(NodeTest, ARestartDoesNotForgetHowLongAStoreWasSilent) {
  start();
  bootstrap();
  put_store(store(2));
  loop_.run_for(std::chrono::minutes(29));
  auto state_of = [&](uint64_t id) {
    cairnpb::ListStoresRequest request;
    request.mutable_header()->set_cluster_id(cluster_id_);
    auto reply = ask<cairnpb::ListStoresResponse>(node_->admin(), request, &api::Admin::list_stores);
    for (const auto& status : reply->stores()) {
      if (status.store().id() == id) return status.state_name();
    }
    return std::string();
  };
  EXPECT_EQ(state_of(2), "Disconnected");
  crash();
  start();
  loop_.run_for(std::chrono::minutes(2));
  EXPECT_EQ(state_of(2), "Down");
  pdpb::StoreHeartbeatRequest beat;
  beat.mutable_stats()->set_store_id(2);
  call<pdpb::StoreHeartbeatResponse>(beat, &Node::store_heartbeat);
  EXPECT_EQ(state_of(2), "Up");
  loop_.run_for(std::chrono::seconds(1));
  crash();
  start();
  EXPECT_EQ(state_of(2), "Up") << "the heartbeat was saved";
}

}  // namespace
}  // namespace cairn::pd
