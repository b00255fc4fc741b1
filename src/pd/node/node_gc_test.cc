// The bounds of garbage collection through pd::Node.
#include <gtest/gtest.h>

#include "pd/testing/node_fixture.h"

namespace cairn::pd {
namespace {

TEST_F(NodeTest, TheTxnSafePointIsMirroredForOldClients) {
  start();
  bootstrap();
  pdpb::AdvanceTxnSafePointRequest request;
  request.set_target(12345);
  EXPECT_EQ(call<pdpb::AdvanceTxnSafePointResponse>(request, &Node::advance_txn_safe_point).new_txn_safe_point(),
            12345);
  etcdserverpb::RangeRequest range;
  range.set_key("/tidb/store/gcworker/saved_safe_point");
  auto found = ask<etcdserverpb::RangeResponse>(node_->etcd(), range, &EtcdKv::range);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->kvs(0).value(), "12345");
}

TEST_F(NodeTest, TheCollectorStandsBackOnceSomebodyElseMovesASafePoint) {
  start();
  EXPECT_FALSE(gc_turn().is_serving) << "there is nothing to collect before the bootstrap";
  bootstrap();
  auto turn = gc_turn();
  ASSERT_TRUE(turn.is_serving);
  EXPECT_EQ(turn.other_owner, "");
  pdpb::AdvanceTxnSafePointRequest own;
  own.mutable_header()->set_sender_id(turn.member);
  own.set_target(1000);
  EXPECT_EQ(call<pdpb::AdvanceTxnSafePointResponse>(own, &Node::advance_txn_safe_point).new_txn_safe_point(), 1000u);
  EXPECT_EQ(gc_turn().other_owner, "");
  EXPECT_EQ(gc_turn().txn_safe_point, Timestamp(1000));

  // Asking and holding back are not owning.
  pdpb::UpdateGCSafePointRequest question;
  call<pdpb::UpdateGCSafePointResponse>(question, &Node::update_gc_safe_point);
  pdpb::UpdateServiceGCSafePointRequest backup;
  backup.set_service_id("backup");
  backup.set_ttl(1);
  backup.set_safe_point(5000);
  call<pdpb::UpdateServiceGCSafePointResponse>(backup, &Node::update_service_gc_safe_point);
  EXPECT_EQ(gc_turn().other_owner, "");

  // A SQL server that keeps old versions for longer asks for less than what is, and is refused, but heard.
  pdpb::AdvanceTxnSafePointRequest other;
  other.set_target(500);
  EXPECT_TRUE(call<pdpb::AdvanceTxnSafePointResponse>(other, &Node::advance_txn_safe_point).header().has_error());
  EXPECT_NE(gc_turn().other_owner, "");
  own.set_target(2000);
  const auto refused = call<pdpb::AdvanceTxnSafePointResponse>(own, &Node::advance_txn_safe_point);
  EXPECT_TRUE(refused.header().has_error());
  EXPECT_EQ(gc_turn().txn_safe_point, Timestamp(1000));
  pdpb::AdvanceGCSafePointRequest own_gc;
  own_gc.mutable_header()->set_sender_id(turn.member);
  own_gc.set_target(900);
  EXPECT_TRUE(call<pdpb::AdvanceGCSafePointResponse>(own_gc, &Node::advance_gc_safe_point).header().has_error());

  stop();
  start();
  EXPECT_NE(gc_turn().other_owner, "") << "a restart must not forget";
  loop_.run_for(std::chrono::hours(24));
  EXPECT_EQ(gc_turn().other_owner, "");
}

TEST_F(NodeTest, EachWayOfOwningTheGarbageIsNoticed) {
  start();
  bootstrap();
  auto expect_owner = [&](const std::string& who) {
    EXPECT_NE(gc_turn().other_owner.find(who), std::string::npos) << gc_turn().other_owner;
  };
  pdpb::AdvanceGCSafePointRequest advance;
  call<pdpb::AdvanceGCSafePointResponse>(advance, &Node::advance_gc_safe_point);
  expect_owner("AdvanceGCSafePoint");
  pdpb::UpdateServiceGCSafePointRequest service;
  service.set_service_id("gc_worker");
  service.set_ttl(INT64_MAX);
  service.set_safe_point(3000);
  call<pdpb::UpdateServiceGCSafePointResponse>(service, &Node::update_service_gc_safe_point);
  expect_owner("gc_worker");
  pdpb::UpdateGCSafePointRequest update;
  update.set_safe_point(2500);
  EXPECT_EQ(call<pdpb::UpdateGCSafePointResponse>(update, &Node::update_gc_safe_point).new_safe_point(), 2500u);
  expect_owner("UpdateGCSafePoint");
  etcdserverpb::PutRequest put;
  put.set_key("/tidb/server/minstartts/a");
  put.set_value("1");
  ASSERT_TRUE(ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put).ok());
  expect_owner("/tidb/server/minstartts/a");
  etcdserverpb::DeleteRangeRequest del;
  del.set_key("/tidb/server/minstartts/a");
  ASSERT_TRUE(ask<etcdserverpb::DeleteRangeResponse>(node_->etcd(), del, &EtcdKv::delete_range).ok());
  expect_owner("a SQL server");
}

TEST_F(NodeTest, AServiceIsNamedByText) {
  start();
  bootstrap();
  pdpb::UpdateServiceGCSafePointRequest request;
  request.set_service_id("\xff\xfe");
  request.set_ttl(60);
  request.set_safe_point(100);
  EXPECT_EQ(call<pdpb::UpdateServiceGCSafePointResponse>(request, &Node::update_service_gc_safe_point)
                .header()
                .error()
                .message(),
            "invalid gc barrier id FFFE in hexadecimal: it is not UTF-8 text");
  crash();
  start();
}

TEST_F(NodeTest, GlobalBarriersAndKeyspacesOfOldClients) {
  start();
  bootstrap();
  pdpb::SetGlobalGCBarrierRequest set;
  set.set_barrier_id("all");
  set.set_barrier_ts(700);
  set.set_ttl_seconds(100);
  EXPECT_EQ(call<pdpb::SetGlobalGCBarrierResponse>(set, &Node::set_global_gc_barrier).new_barrier_info().barrier_ts(),
            700u);
  pdpb::UpdateServiceSafePointV2Request service;
  service.set_keyspace_id(3);
  service.set_service_id("cdc");
  service.set_safe_point(600);
  service.set_ttl(100);
  EXPECT_EQ(call<pdpb::UpdateServiceSafePointV2Response>(service, &Node::update_service_safe_point_v2).service_id(),
            "gc_worker");
  auto advance = [&] {
    pdpb::AdvanceTxnSafePointRequest request;
    request.set_target(1000);
    return call<pdpb::AdvanceTxnSafePointResponse>(request, &Node::advance_txn_safe_point).new_txn_safe_point();
  };
  EXPECT_EQ(advance(), 600u);
  service.set_ttl(0);
  call<pdpb::UpdateServiceSafePointV2Response>(service, &Node::update_service_safe_point_v2);
  EXPECT_EQ(advance(), 700u);
  pdpb::GetAllKeyspacesGCStatesRequest all;
  EXPECT_EQ(call<pdpb::GetAllKeyspacesGCStatesResponse>(all, &Node::get_all_keyspaces_gc_states)
                .global_gc_barriers(0)
                .barrier_id(),
            "all");
  pdpb::DeleteGlobalGCBarrierRequest del;
  del.set_barrier_id("all");
  EXPECT_EQ(call<pdpb::DeleteGlobalGCBarrierResponse>(del, &Node::delete_global_gc_barrier)
                .deleted_barrier_info()
                .barrier_ts(),
            700u);
  EXPECT_EQ(advance(), 1000u);

  pdpb::UpdateGCSafePointV2Request update;
  update.set_keyspace_id(3);
  update.set_safe_point(800);
  EXPECT_TRUE(call<pdpb::UpdateGCSafePointV2Response>(update, &Node::update_gc_safe_point_v2).header().has_error());
  service.set_service_id("gc_worker");
  service.set_ttl(INT64_MAX);
  EXPECT_TRUE(
      call<pdpb::UpdateServiceSafePointV2Response>(service, &Node::update_service_safe_point_v2).header().has_error());
  update.set_keyspace_id(0xFFFFFFFF);
  EXPECT_EQ(call<pdpb::UpdateGCSafePointV2Response>(update, &Node::update_gc_safe_point_v2).new_safe_point(), 800u);
  pdpb::GetGCSafePointV2Request get;
  get.set_keyspace_id(3);
  EXPECT_EQ(call<pdpb::GetGCSafePointV2Response>(get, &Node::get_gc_safe_point_v2).safe_point(), 800u);
  pdpb::GetAllGCSafePointV2Request get_all;
  EXPECT_EQ(call<pdpb::GetAllGCSafePointV2Response>(get_all, &Node::get_all_gc_safe_point_v2).gc_safe_points_size(), 0);
}

}  // namespace
}  // namespace cairn::pd
