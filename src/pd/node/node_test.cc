// pd::Node as a whole: who leads, the bootstrap, timestamps and ids, what restarts and crashes leave.
#include "pd/node/node.h"

#include <gtest/gtest.h>

#include "pd/testing/node_fixture.h"
#include "pd/tso/tso.h"

namespace cairn::pd {
namespace {

TEST_F(NodeTest, MembersNameALeaderWithUrlsAndTheClusterId) {
  start();
  auto members = call<pdpb::GetMembersResponse>(pdpb::GetMembersRequest(), &Node::get_members);
  EXPECT_EQ(members.leader().client_urls(0), "http://127.0.0.1:2379");
  EXPECT_EQ(members.leader().member_id(), 1);
  EXPECT_EQ(members.members_size(), 1);
  EXPECT_TRUE(members.has_etcd_leader());
  auto info = call<pdpb::GetClusterInfoResponse>(pdpb::GetClusterInfoRequest(), &Node::get_cluster_info);
  EXPECT_EQ(info.servicemodes(0), pdpb::PD_SVC_MODE);
}

TEST_F(NodeTest, AWrongClusterIdFailsTheCall) {
  start();
  pdpb::IsBootstrappedRequest request;
  request.mutable_header()->set_cluster_id(5);
  auto reply = ask<pdpb::IsBootstrappedResponse>(*node_, request, &Node::is_bootstrapped);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, api::Code::kFailedPrecondition);
  EXPECT_EQ(reply.error().message, "mismatch cluster id, need " + std::to_string(cluster_id_) + " but got 5");
}

TEST_F(NodeTest, ACallAfterStopSaysNotLeader) {
  start();
  bool done = false;
  node_->stop([&] { done = true; });
  ASSERT_TRUE(loop_.run_until([&] { return done; }, std::chrono::seconds(5)));
  auto reply = ask<pdpb::AllocIDResponse>(*node_, pdpb::AllocIDRequest(), &Node::alloc_id);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, api::Code::kUnavailable);
  drop();
}

TEST_F(NodeTest, BeforeTheBootstrapStoresAndRegionsAreRefusedButIdsAndTimestampsAreNot) {
  start();
  EXPECT_EQ(call<pdpb::GetStoreResponse>(pdpb::GetStoreRequest(), &Node::get_store).header().error().type(),
            pdpb::NOT_BOOTSTRAPPED);
  EXPECT_EQ(call<pdpb::GetRegionResponse>(pdpb::GetRegionRequest(), &Node::get_region).header().error().type(),
            pdpb::NOT_BOOTSTRAPPED);
  EXPECT_FALSE(
      call<pdpb::IsBootstrappedResponse>(pdpb::IsBootstrappedRequest(), &Node::is_bootstrapped).bootstrapped());
  EXPECT_GT(next_id(), 0);
  EXPECT_GT(next_ts(), 0);
}

TEST_F(NodeTest, TheClusterIsBootstrappedOnce) {
  start();
  EXPECT_FALSE(bootstrap().header().has_error());
  EXPECT_EQ(bootstrap().header().error().type(), pdpb::ALREADY_BOOTSTRAPPED);
  auto region = call<pdpb::GetRegionResponse>(pdpb::GetRegionRequest(), &Node::get_region);
  EXPECT_EQ(region.region().id(), 100);
}

TEST_F(NodeTest, ABootstrapWithTwoPeersIsRefused) {
  start();
  pdpb::BootstrapRequest request;
  *request.mutable_store() = store(1);
  *request.mutable_region() = first_region();
  request.mutable_region()->add_peers()->set_id(7);
  EXPECT_EQ(call<pdpb::BootstrapResponse>(request, &Node::bootstrap).header().error().type(), pdpb::UNKNOWN);
}

TEST_F(NodeTest, TimestampsAndIdsGoOnlyUpThroughRestartsAndCrashesAndAClockThatGoesBack) {
  uint64_t last_ts = 0;
  uint64_t last_id = 0;
  uint64_t cluster = 0;
  for (int round = 0; round < 6; ++round) {
    start();
    if (round == 0) cluster = cluster_id_;
    EXPECT_EQ(cluster_id_, cluster);
    for (int i = 0; i < 40; ++i) {
      const uint64_t ts = next_ts(i % 7 + 1);
      ASSERT_GT(ts - static_cast<uint64_t>(i % 7), last_ts);
      last_ts = ts;
      const uint64_t id = next_id(90);
      ASSERT_GT(id - 89, last_id);
      last_id = id;
    }
    clock_.jump_wall(-std::chrono::seconds(3));
    loop_.run_for(std::chrono::seconds(7));
    ASSERT_GT(next_ts(), last_ts);
    if (round % 2 == 0) {
      crash();
    } else {
      stop();
    }
    clock_.jump_wall(-std::chrono::minutes(1));
  }
}

TEST_F(NodeTest, LargeBatchesOfTimestampsWaitForTheClockAndAreBounded) {
  start();
  const auto begin = clock_.now();
  for (int i = 0; i < 300; ++i) {
    const Timestamp last(next_ts(TsoOracle::kCountMax));
    ASSERT_LE(last.physical_ms(), static_cast<uint64_t>(clock_.wall_now().ms()));
  }
  EXPECT_GE(clock_.now() - begin, std::chrono::milliseconds(95)) << "three batches fit into a millisecond";
  EXPECT_LE(clock_.now() - begin, std::chrono::milliseconds(300));
  pdpb::TsoRequest greedy;
  greedy.mutable_header()->set_cluster_id(cluster_id_);
  greedy.set_count(TsoOracle::kCountMax + 1);
  auto refused = ask<pdpb::TsoResponse>(*node_, greedy, &Node::tso);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code, api::Code::kInvalidArgument);
}

TEST_F(NodeTest, TimestampsFollowTheClockThoughItIsLookedAtLessOftenThanTheBoundIsSaved) {
  save_interval_ = std::chrono::milliseconds(500);
  update_interval_ = std::chrono::seconds(2);
  start();
  loop_.run_for(std::chrono::minutes(1));
  const auto behind = static_cast<uint64_t>(clock_.wall_now().ms()) - Timestamp(next_ts()).physical_ms();
  EXPECT_LE(behind, 3000u);
}

TEST_F(NodeTest, WhatWasAnsweredSurvivesACrash) {
  start();
  bootstrap();
  put_store(store(2));
  etcdserverpb::PutRequest put;
  put.set_key("/a");
  for (int i = 0; i < 60; ++i) {  // beyond what the log holds before it is cut
    put.set_value(std::to_string(i));
    ASSERT_TRUE(ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put).ok());
    if (i % 20 == 0) loop_.run_for(std::chrono::milliseconds(300));
  }
  crash();
  start();
  EXPECT_EQ(bootstrap().header().error().type(), pdpb::ALREADY_BOOTSTRAPPED);
  auto stores = call<pdpb::GetAllStoresResponse>(pdpb::GetAllStoresRequest(), &Node::get_all_stores);
  EXPECT_EQ(stores.stores_size(), 2);
  etcdserverpb::RangeRequest range;
  range.set_key("/a");
  auto found = ask<etcdserverpb::RangeResponse>(node_->etcd(), range, &EtcdKv::range);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->kvs(0).value(), "59");
  EXPECT_EQ(found->kvs(0).version(), 60);
}

TEST_F(NodeTest, TheLogIsBoundedByBytesToo) {
  log_entries_ = 4096;
  start();
  etcdserverpb::PutRequest put;
  put.set_key("/large");
  put.set_value(Bytes(1 << 20, 'x'));
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put).ok()) << i;
    // 16 MiB and what comes until the flush has ended.
    ASSERT_LT(logged_bytes(), uint64_t{40} << 20) << i;
  }
  put.set_value(Bytes(5 << 20, 'x'));
  auto refused = ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "etcdserver: request is too large");
  crash();
  start();
}

}  // namespace
}  // namespace cairn::pd
