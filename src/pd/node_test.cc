// pd::Node as a whole, on the simulated loop and engines in memory: what clients and stores see, restarts and crashes.
#include "pd/node.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>

#include "engine/memory/memory_engine.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::pd {
namespace {

class NodeTest : public testing::Test {
 protected:
  ~NodeTest() override { stop(); }

  void start() {
    executors_ = std::make_unique<runtime::SimExecutors>(loop_, clock_, "pd1");
    kv_ = engine::open_memory_kv(disk_);
    log_ = engine::open_memory_raft_log(disk_);
    Options options;
    options.members = {{1, "pd1", {"http://127.0.0.1:2379"}, {"http://127.0.0.1:2380"}}};
    options.raft_log_gc_entries = 20;
    options.keyspaces = keyspaces_;
    node_ = std::make_unique<Node>(options, Dependencies{clock_, *executors_, *kv_, *log_, 7, nullptr,
                                                         [](const std::string& what) { FAIL() << what; }});
    std::optional<api::Status> status;
    node_->start([&](api::Status s) { status = std::move(s); });
    ASSERT_TRUE(loop_.run_until([&] { return status.has_value(); }, std::chrono::seconds(30)));
    ASSERT_TRUE(status->ok()) << status->message;
    auto members = call<pdpb::GetMembersResponse>(pdpb::GetMembersRequest(), &Node::get_members);
    cluster_id_ = members.header().cluster_id();
    ASSERT_NE(cluster_id_, 0);
  }

  void stop() {
    if (!node_) return;
    stream_.reset();
    bool done = false;
    node_->stop([&] { done = true; });
    EXPECT_TRUE(loop_.run_until([&] { return done; }, std::chrono::seconds(30)));
    drop();
  }

  void crash() {
    stream_.reset();
    executors_->kill();
    disk_->crash(loop_.random());
    drop();
  }

  void drop() {
    node_.reset();
    kv_.reset();
    log_.reset();
    executors_->kill();
    executors_.reset();
  }

  template <class Resp, class Req, class Self, class Object>
  api::Reply<Resp> ask(Object& object, Req request, void (Self::*method)(api::Call<Req, Resp>)) {
    std::optional<api::Reply<Resp>> reply;
    (object.*method)(api::make_call<Req, Resp>(std::move(request), [&](api::Reply<Resp> r) { reply = std::move(r); }));
    EXPECT_TRUE(loop_.run_until([&] { return reply.has_value(); }, std::chrono::seconds(30)));
    return std::move(*reply);
  }

  template <class Resp, class Req, class Self>
  Resp call(Req request, void (Self::*method)(api::Call<Req, Resp>)) {
    if constexpr (requires { request.mutable_header()->set_cluster_id(1); }) {
      if (request.header().cluster_id() == 0) request.mutable_header()->set_cluster_id(cluster_id_);
    }
    auto reply = ask<Resp>(*node_, std::move(request), method);
    EXPECT_TRUE(reply.ok()) << (reply.ok() ? "" : reply.error().message);
    return reply.ok() ? std::move(*reply) : Resp();
  }

  api::GcTurn gc_turn() {
    std::optional<api::GcTurn> turn;
    node_->ask_gc_turn([&](api::GcTurn told) { turn = std::move(told); });
    EXPECT_TRUE(loop_.run_until([&] { return turn.has_value(); }, std::chrono::seconds(30)));
    return std::move(*turn);
  }

  keyspacepb::LoadKeyspaceResponse load_keyspace(const std::string& name) {
    keyspacepb::LoadKeyspaceRequest request;
    request.mutable_header()->set_cluster_id(cluster_id_);
    request.set_name(name);
    auto reply = ask<keyspacepb::LoadKeyspaceResponse>(node_->keyspaces(), request, &api::Keyspaces::load_keyspace);
    EXPECT_TRUE(reply.ok());
    return reply.ok() ? std::move(*reply) : keyspacepb::LoadKeyspaceResponse();
  }

  uint64_t next_ts(uint32_t count = 1) {
    pdpb::TsoRequest request;
    request.set_count(count);
    auto response = call<pdpb::TsoResponse>(request, &Node::tso);
    EXPECT_EQ(response.count(), count);
    return Timestamp::compose(static_cast<uint64_t>(response.timestamp().physical()),
                              static_cast<uint64_t>(response.timestamp().logical()))
        .value;
  }

  uint64_t next_id(uint32_t count = 1) {
    pdpb::AllocIDRequest request;
    request.set_count(count);
    return call<pdpb::AllocIDResponse>(request, &Node::alloc_id).id();
  }

  static metapb::Store store(uint64_t id) {
    metapb::Store out;
    out.set_id(id);
    out.set_address("store-" + std::to_string(id) + ":20160");
    out.set_version("8.5.0");
    return out;
  }

  static metapb::Region first_region() {
    metapb::Region region;
    region.set_id(100);
    region.mutable_region_epoch()->set_version(1);
    region.mutable_region_epoch()->set_conf_ver(1);
    auto& peer = *region.add_peers();
    peer.set_id(101);
    peer.set_store_id(1);
    return region;
  }

  pdpb::BootstrapResponse bootstrap() {
    pdpb::BootstrapRequest request;
    *request.mutable_store() = store(1);
    *request.mutable_region() = first_region();
    return call<pdpb::BootstrapResponse>(request, &Node::bootstrap);
  }

  pdpb::PutStoreResponse put_store(const metapb::Store& wanted) {
    pdpb::PutStoreRequest request;
    *request.mutable_store() = wanted;
    return call<pdpb::PutStoreResponse>(request, &Node::put_store);
  }

  void open_stream() {
    stream_ = node_->open_region_heartbeat(
        {[this](pdpb::RegionHeartbeatResponse response) { commands_.push_back(std::move(response)); },
         [](const api::Status&) {}});
  }

  void report(const metapb::Region& region, const std::vector<uint64_t>& pending = {}) {
    pdpb::RegionHeartbeatRequest request;
    request.mutable_header()->set_cluster_id(cluster_id_);
    *request.mutable_region() = region;
    *request.mutable_leader() = region.peers(0);
    request.set_term(6);
    for (const auto& peer : region.peers()) {
      if (std::find(pending.begin(), pending.end(), peer.id()) != pending.end()) *request.add_pending_peers() = peer;
    }
    stream_->send(std::move(request));
  }

  runtime::SimLoop loop_{42};
  runtime::SimClock clock_{loop_, std::chrono::hours(500'000)};
  std::shared_ptr<engine::MemoryDisk> disk_ = std::make_shared<engine::MemoryDisk>();
  std::unique_ptr<runtime::SimExecutors> executors_;
  std::unique_ptr<engine::KvEngine> kv_;
  std::unique_ptr<engine::RaftLogEngine> log_;
  std::vector<std::string> keyspaces_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<api::RegionHeartbeatStream> stream_;
  std::vector<pdpb::RegionHeartbeatResponse> commands_;
  uint64_t cluster_id_ = 0;
};

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

TEST_F(NodeTest, AStaleReportIsRefused) {
  start();
  bootstrap();
  open_stream();
  auto region = first_region();
  region.mutable_region_epoch()->set_version(3);
  report(region);
  region.mutable_region_epoch()->set_version(2);
  report(region);
  ASSERT_TRUE(loop_.run_until([&] { return !commands_.empty(); }, std::chrono::seconds(2)));
  EXPECT_EQ(commands_[0].header().error().message().rfind("region is stale", 0), 0);
}

TEST_F(NodeTest, QueryRegionAnswersKeysAndIdsByOneMap) {
  start();
  bootstrap();
  open_stream();
  auto left = first_region();
  left.set_end_key("m");
  left.mutable_region_epoch()->set_version(2);
  auto right = left;
  right.set_id(200);
  right.set_start_key("m");
  right.set_end_key("");
  right.mutable_peers(0)->set_id(201);
  report(left);
  report(right);
  pdpb::QueryRegionRequest request;
  request.add_keys("a");
  request.add_keys("z");
  request.add_prev_keys("z");
  request.add_prev_keys("a");
  request.add_ids(200);
  request.add_ids(999);
  auto response = call<pdpb::QueryRegionResponse>(request, &Node::query_region);
  EXPECT_EQ(response.key_id_map(0), 100);
  EXPECT_EQ(response.key_id_map(1), 200);
  EXPECT_EQ(response.prev_key_id_map(0), 100);
  EXPECT_EQ(response.prev_key_id_map(1), 0);
  EXPECT_EQ(response.regions_by_id_size(), 2);
  EXPECT_EQ(response.regions_by_id().at(200).leader().id(), 201);
}

TEST_F(NodeTest, SplitIdsAreFreshAndOnePeerIdForEachPeer) {
  start();
  bootstrap();
  pdpb::AskBatchSplitRequest request;
  *request.mutable_region() = first_region();
  request.set_split_count(3);
  const uint64_t before = next_id();
  auto response = call<pdpb::AskBatchSplitResponse>(request, &Node::ask_batch_split);
  ASSERT_EQ(response.ids_size(), 3);
  uint64_t expected = before;
  for (const auto& ids : response.ids()) {
    EXPECT_EQ(ids.new_region_id(), ++expected);
    ASSERT_EQ(ids.new_peer_ids_size(), 1);
    EXPECT_EQ(ids.new_peer_ids(0), ++expected);
  }
  EXPECT_EQ(next_id(), expected + 1);
}

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

TEST_F(NodeTest, ALeaseThatIsNotKeptTakesItsKeysWithIt) {
  start();
  etcdserverpb::LeaseGrantRequest grant;
  grant.set_ttl(5);
  auto granted = ask<etcdserverpb::LeaseGrantResponse>(node_->etcd(), grant, &EtcdKv::lease_grant);
  ASSERT_TRUE(granted.ok());
  etcdserverpb::PutRequest put;
  put.set_key("/owner");
  put.set_lease(granted->id());
  ASSERT_TRUE(ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put).ok());
  etcdserverpb::RangeRequest range;
  range.set_key("/owner");
  etcdserverpb::LeaseKeepAliveRequest keep;
  keep.set_id(granted->id());
  loop_.run_for(std::chrono::seconds(4));
  EXPECT_EQ(ask<etcdserverpb::LeaseKeepAliveResponse>(node_->etcd(), keep, &EtcdKv::lease_keep_alive)->ttl(), 5);
  loop_.run_for(std::chrono::seconds(4));
  EXPECT_EQ(ask<etcdserverpb::RangeResponse>(node_->etcd(), range, &EtcdKv::range)->count(), 1);
  loop_.run_for(std::chrono::seconds(3));
  EXPECT_EQ(ask<etcdserverpb::RangeResponse>(node_->etcd(), range, &EtcdKv::range)->count(), 0);
  EXPECT_EQ(ask<etcdserverpb::LeaseKeepAliveResponse>(node_->etcd(), keep, &EtcdKv::lease_keep_alive)->ttl(), 0);
}

TEST_F(NodeTest, KeyspacesAreMadeAtTheBootstrapAndStayThroughARestart) {
  keyspaces_ = {"tenant"};
  start();
  ASSERT_EQ(load_keyspace("DEFAULT").header().error().type(), pdpb::NOT_BOOTSTRAPPED);
  ASSERT_EQ(bootstrap().header().error().type(), pdpb::OK);
  EXPECT_EQ(load_keyspace("DEFAULT").keyspace().id(), 0u);
  EXPECT_EQ(load_keyspace("tenant").keyspace().id(), 1u);
  EXPECT_EQ(load_keyspace("none").header().error().type(), pdpb::ENTRY_NOT_FOUND);
  keyspacepb::UpdateKeyspaceStateRequest disable;
  disable.mutable_header()->set_cluster_id(cluster_id_);
  disable.set_id(1);
  disable.set_state(keyspacepb::DISABLED);
  auto disabled =
      ask<keyspacepb::UpdateKeyspaceStateResponse>(node_->keyspaces(), disable, &api::Keyspaces::update_keyspace_state);
  ASSERT_TRUE(disabled.ok());
  EXPECT_EQ(disabled->keyspace().state(), keyspacepb::DISABLED);
  disable.set_id(0);
  disabled =
      ask<keyspacepb::UpdateKeyspaceStateResponse>(node_->keyspaces(), disable, &api::Keyspaces::update_keyspace_state);
  EXPECT_EQ(disabled->header().error().message(), "cannot modify default keyspace's state");
  stop();
  keyspaces_ = {"tenant", "another"};
  start();
  EXPECT_EQ(load_keyspace("tenant").keyspace().state(), keyspacepb::DISABLED);
  EXPECT_EQ(load_keyspace("another").keyspace().id(), 2u) << "the settings name a new one";
  keyspacepb::GetAllKeyspacesRequest all;
  all.mutable_header()->set_cluster_id(cluster_id_);
  EXPECT_EQ(ask<keyspacepb::GetAllKeyspacesResponse>(node_->keyspaces(), all, &api::Keyspaces::get_all_keyspaces)
                ->keyspaces_size(),
            3);
}

}  // namespace
}  // namespace cairn::pd
