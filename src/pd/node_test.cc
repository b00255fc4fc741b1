// pd::Node as a whole, on the simulated loop and engines in memory: what clients and stores see, restarts and crashes.
#include "pd/node.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>

#include "base/codec.h"
#include "engine/memory/memory_engine.h"
#include "pd/keys.h"
#include "pd/meta_store.h"
#include "pd/raft_codec.h"
#include "pd/tso.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::pd {
namespace {

class NodeTest : public testing::Test {
 protected:
  ~NodeTest() override { stop(); }

  void start() {
    const auto status = try_start();
    ASSERT_TRUE(status.ok()) << status.message;
    EXPECT_EQ(fatal_, "");
    auto members = call<pdpb::GetMembersResponse>(pdpb::GetMembersRequest(), &Node::get_members);
    cluster_id_ = members.header().cluster_id();
    ASSERT_NE(cluster_id_, 0);
  }

  api::Status try_start() {
    executors_ = std::make_unique<runtime::SimExecutors>(loop_, clock_, "pd1");
    kv_ = engine::open_memory_kv(disk_);
    log_ = engine::open_memory_raft_log(disk_);
    Options options;
    options.members = {{1, "pd1", {"http://127.0.0.1:2379"}, {"http://127.0.0.1:2380"}}};
    options.raft_log_gc_entries = log_entries_;
    options.keyspaces = keyspaces_;
    node_ = std::make_unique<Node>(options, Dependencies{clock_, *executors_, *kv_, *log_, 7, nullptr,
                                                         [this](const std::string& what) { fatal_ = what; }});
    std::optional<api::Status> status;
    node_->start([&](api::Status s) { status = std::move(s); });
    EXPECT_TRUE(loop_.run_until([&] { return status.has_value(); }, std::chrono::seconds(30)));
    return status.value_or(api::Status{api::Code::kDeadlineExceeded, "the node does not start"});
  }

  // Changes the disk of a node that does not run.
  void edit_disk(const std::function<void(engine::WriteBatch&)>& edit) {
    auto kv = engine::open_memory_kv(disk_);
    auto batch = kv->new_batch();
    edit(*batch);
    ASSERT_TRUE(kv->write(*batch).ok());
    ASSERT_TRUE(kv->flush().ok());
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

  // What the log on disk holds.
  uint64_t logged_bytes() {
    std::vector<Bytes> entries;
    const auto state = log_->state(RegionId(1));
    raft::HardState hard_state;
    LogIndex last;
    EXPECT_TRUE(state.ok() && *state && decode_local_state(**state, hard_state, last));
    LogPosition truncated;
    const auto meta = log_->meta(RegionId(1), 0);
    if (meta.ok() && *meta) EXPECT_TRUE(decode_position(**meta, truncated));
    EXPECT_TRUE(log_->entries(RegionId(1), truncated.index.next(), last.next(), SIZE_MAX, entries).ok());
    uint64_t bytes = 0;
    for (const auto& entry : entries) bytes += entry.size();
    return bytes;
  }

  runtime::SimLoop loop_{42};
  runtime::SimClock clock_{loop_, std::chrono::hours(500'000)};
  std::shared_ptr<engine::MemoryDisk> disk_ = std::make_shared<engine::MemoryDisk>();
  std::unique_ptr<runtime::SimExecutors> executors_;
  std::unique_ptr<engine::KvEngine> kv_;
  std::unique_ptr<engine::RaftLogEngine> log_;
  std::vector<std::string> keyspaces_;
  uint64_t log_entries_ = 20;  // beyond which the log is cut
  std::unique_ptr<Node> node_;
  std::unique_ptr<api::RegionHeartbeatStream> stream_;
  std::vector<pdpb::RegionHeartbeatResponse> commands_;
  uint64_t cluster_id_ = 0;
  std::string fatal_;  // why the node gave up
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

TEST_F(NodeTest, GarbageAndDeletionsInTheEtcdKeySpaceDoNotTouchPd) {
  start();
  bootstrap();
  put_store(store(2));
  const uint64_t ts = next_ts();
  for (const Bytes& root : {Bytes("/pd/"), Keys(cluster_id_).root() + "/"}) {
    for (const char* name :
         {"cluster_id", "raft", "raft/s/00000000000000000009", "alloc_id", "timestamp", "gc/safe_point",
          "gc/safe_point/service/x", "keyspaces/alloc_id", "keyspaces/id/DEFAULT"}) {
      etcdserverpb::PutRequest put;
      put.set_key(root + name);
      put.set_value("garbage");
      ASSERT_TRUE(ask<etcdserverpb::PutResponse>(node_->etcd(), put, &EtcdKv::put).ok());
    }
  }
  for (int round = 0; round < 2; ++round) {
    crash();
    start();
    EXPECT_EQ(bootstrap().header().error().type(), pdpb::ALREADY_BOOTSTRAPPED);
    EXPECT_EQ(call<pdpb::GetAllStoresResponse>(pdpb::GetAllStoresRequest(), &Node::get_all_stores).stores_size(), 2);
    EXPECT_GT(next_ts(), ts);
    EXPECT_EQ(load_keyspace("DEFAULT").header().error().type(), pdpb::OK);
    etcdserverpb::DeleteRangeRequest all;
    all.set_key(Bytes(1, '\0'));
    all.set_range_end(Bytes(1, '\0'));
    ASSERT_TRUE(ask<etcdserverpb::DeleteRangeResponse>(node_->etcd(), all, &EtcdKv::delete_range).ok());
  }
}

TEST_F(NodeTest, ADamagedRecordEndsTheStartWithItsName) {
  start();
  bootstrap();
  stop();
  const Bytes key = Keys(cluster_id_).store(1);
  edit_disk(
      [&](engine::WriteBatch& batch) { batch.put(engine::Cf::kDefault, MetaStore::image_own_key(key), "\xff\xff"); });
  const auto status = try_start();
  EXPECT_EQ(status.code, api::Code::kDataLoss);
  EXPECT_EQ(status.message, "damaged record in PD's data: " + key);
  EXPECT_EQ(fatal_, status.message);
}

TEST_F(NodeTest, ADamagedLogEntryEndsTheStartWithItsIndex) {
  start();
  stop();
  auto log = engine::open_memory_raft_log(disk_);
  const auto state = log->state(RegionId(1));
  raft::HardState hard_state;
  LogIndex last;
  ASSERT_TRUE(state.ok() && *state && decode_local_state(**state, hard_state, last));
  auto batch = log->new_batch();
  batch->put_entry(RegionId(1), last, "\xff\xff");
  ASSERT_TRUE(log->write(*batch, engine::Sync::kYes).ok());
  log.reset();
  EXPECT_EQ(try_start().message, fmt::format("PD's raft log: damaged entry {}", last));
}

// A directory as it was when PD's records stood among the keys of the etcd API: some on disk, the last ones only in the
// log.
TEST_F(NodeTest, ADirectoryOfOldIsMovedAtTheFirstStart) {
  const Keys keys(0x1234);
  const auto number = [](uint64_t value) {
    Bytes out;
    codec::put_u64_be(out, value);
    return out;
  };
  const auto put_of_old = [](const Bytes& key, const Bytes& value) {
    etcdserverpb::TxnRequest txn;
    txn.add_success()->mutable_request_put()->set_key(key);
    txn.mutable_success(0)->mutable_request_put()->set_value(value);
    return MetaStore::encode_txn(txn);
  };
  const uint64_t far_ms = static_cast<uint64_t>(clock_.wall_now().ms()) + 3'600'000;
  metapb::Cluster cluster;
  cluster.set_id(0x1234);
  MetaStore old;
  for (const auto& [key, value] : std::vector<std::pair<Bytes, Bytes>>{
           {kClusterIdKey, number(0x1234)},
           {keys.cluster(), cluster.SerializeAsString()},
           {keys.store(1),
            [] {
              auto s = store(1);
              s.set_state(metapb::Up);
              s.set_node_state(metapb::Serving);
              return s.SerializeAsString();
            }()},
           {keys.region(100), first_region().SerializeAsString()},
           {keys.cluster_version(), "8.5.0"},
           {keys.alloc_id(), number(5000)},
           {keys.barrier_prefix() + "backup",
            R"({"service_id":"backup","expired_at":9223372036854775807,"safe_point":777})"},
           {"/tidb/store/gcworker/saved_safe_point", "555"},
           {"/owner", "a SQL server"}}) {
    ASSERT_TRUE(old.apply(put_of_old(key, value)).ok());
  }
  const raft::Entry entry{raft::EntryType::kNormal,
                          Term(5),
                          LogIndex(10),
                          SharedBytes(put_of_old(keys.timestamp(), number(far_ms * 1'000'000))),
                          {}};
  edit_disk([&](engine::WriteBatch& batch) {
    old.write_image([&](ByteView key, ByteView value) { batch.put(engine::Cf::kDefault, key, value); });
    batch.put(engine::Cf::kDefault, "a", encode_position({LogIndex(9), Term(5)}));
  });
  {
    auto log = engine::open_memory_raft_log(disk_);
    auto batch = log->new_batch();
    batch->put_meta(RegionId(1), 0, encode_position({LogIndex(9), Term(5)}));
    batch->put_entry(RegionId(1), LogIndex(10), encode_entry(entry));
    batch->put_state(RegionId(1), encode_local_state({Term(5), PeerId(1), LogIndex(10)}, LogIndex(10)));
    ASSERT_TRUE(log->write(*batch, engine::Sync::kYes).ok());
  }
  for (int round = 0; round < 3; ++round) {
    start();
    EXPECT_EQ(cluster_id_, 0x1234u);
    EXPECT_GT(Timestamp(next_ts()).physical_ms(), far_ms);
    EXPECT_GT(next_id(), 5000u);
    EXPECT_EQ(bootstrap().header().error().type(), pdpb::ALREADY_BOOTSTRAPPED);
    EXPECT_EQ(call<pdpb::GetAllStoresResponse>(pdpb::GetAllStoresRequest(), &Node::get_all_stores).stores_size(), 1);
    const auto state = call<pdpb::GetGCStateResponse>(pdpb::GetGCStateRequest(), &Node::get_gc_state).gc_state();
    EXPECT_EQ(state.txn_safe_point(), 555u);
    EXPECT_EQ(state.gc_barriers_size(), 1);
    etcdserverpb::RangeRequest all;
    all.set_key(Bytes(1, '\0'));
    all.set_range_end(Bytes(1, '\0'));
    auto found = ask<etcdserverpb::RangeResponse>(node_->etcd(), all, &EtcdKv::range);
    ASSERT_TRUE(found.ok());
    ASSERT_EQ(found->kvs_size(), 2);
    EXPECT_EQ(found->kvs(0).key(), "/owner");
    round % 2 == 0 ? crash() : stop();
  }
}

TEST_F(NodeTest, ASplitLeavesNoHoleInRoutingWhateverReportComesFirst) {
  start();
  bootstrap();
  open_stream();
  auto parent = first_region();
  report(parent);
  parent.set_end_key("m");
  parent.mutable_region_epoch()->set_version(2);
  auto child = parent;
  child.set_id(200);
  child.set_start_key("m");
  child.set_end_key("");
  child.mutable_peers(0)->set_id(201);
  auto id_at = [&](const Bytes& key) {
    pdpb::GetRegionRequest request;
    request.set_region_key(key);
    return call<pdpb::GetRegionResponse>(request, &Node::get_region).region().id();
  };
  report(child);
  EXPECT_EQ(id_at("a"), 100u) << "the parent has not reported yet";
  EXPECT_EQ(id_at("z"), 200u);
  report(parent);
  EXPECT_EQ(id_at("a"), 100u);
  // The next one is told by a report of the split alone.
  auto left = child;
  left.set_id(300);
  left.set_end_key("t");
  left.mutable_peers(0)->set_id(301);
  left.mutable_region_epoch()->set_version(3);
  auto right = child;
  right.set_start_key("t");
  right.mutable_region_epoch()->set_version(3);
  pdpb::ReportBatchSplitRequest split;
  *split.add_regions() = left;
  *split.add_regions() = right;
  call<pdpb::ReportBatchSplitResponse>(split, &Node::report_batch_split);
  EXPECT_EQ(id_at("n"), 300u);
  EXPECT_EQ(id_at("z"), 200u);
  pdpb::GetRegionRequest request;
  request.set_region_key("n");
  EXPECT_EQ(call<pdpb::GetRegionResponse>(request, &Node::get_region).leader().id(), 301u);
}

TEST_F(NodeTest, AReportThatCannotBeARegionIsRefused) {
  start();
  bootstrap();
  open_stream();
  auto region = first_region();
  region.set_start_key("z");
  region.set_end_key("a");
  report(region);
  ASSERT_TRUE(loop_.run_until([&] { return !commands_.empty(); }, std::chrono::seconds(2)));
  EXPECT_NE(commands_[0].header().error().message().find("invalid request region 100"), std::string::npos);
}

TEST_F(NodeTest, MetaStorageIsTheEtcdKeySpace) {
  start();
  meta_storagepb::PutRequest put;
  put.set_key("resource_group/settings/a");
  put.set_value("1");
  auto done = ask<meta_storagepb::PutResponse>(node_->meta_storage(), put, &MetaStorage::meta_put);
  ASSERT_TRUE(done.ok());
  EXPECT_EQ(done->header().cluster_id(), cluster_id_);
  EXPECT_FALSE(done->header().has_error());
  etcdserverpb::RangeRequest range;
  range.set_key(put.key());
  EXPECT_EQ(ask<etcdserverpb::RangeResponse>(node_->etcd(), range, &EtcdKv::range)->kvs(0).value(), "1");
  meta_storagepb::GetRequest get;
  get.set_key("resource_group/");
  get.set_range_end("resource_group0");
  auto found = ask<meta_storagepb::GetResponse>(node_->meta_storage(), get, &MetaStorage::meta_get);
  ASSERT_TRUE(found.ok());
  EXPECT_EQ(found->count(), 1);
  EXPECT_EQ(found->kvs(0).value(), "1");
  EXPECT_EQ(found->header().revision(), done->header().revision());
  get.set_revision(1);
  found = ask<meta_storagepb::GetResponse>(node_->meta_storage(), get, &MetaStorage::meta_get);
  EXPECT_EQ(found->header().error().type(), meta_storagepb::UNKNOWN) << "that revision is gone";
  meta_storagepb::DeleteRequest del;
  del.set_key(put.key());
  del.set_prev_kv(true);
  auto deleted = ask<meta_storagepb::DeleteResponse>(node_->meta_storage(), del, &MetaStorage::meta_delete);
  ASSERT_TRUE(deleted.ok());
  EXPECT_EQ(deleted->deleted(), 1);
  EXPECT_EQ(deleted->prev_kvs(0).value(), "1");
  put.set_lease(99);
  done = ask<meta_storagepb::PutResponse>(node_->meta_storage(), put, &MetaStorage::meta_put);
  EXPECT_EQ(done->header().error().message(), "etcdserver: requested lease not found");
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

// Whatever is asked of all regions, what others ask meanwhile is answered between its slices.
TEST_F(NodeTest, AScanOfAllRegionsGoesInSlicesAndStopsNobody) {
  start();
  bootstrap();
  open_stream();
  constexpr uint64_t kRegions = 20'000;
  auto key_of = [](uint64_t i) { return i == 0 || i == kRegions ? Bytes() : fmt::format("{:08}", i); };
  for (uint64_t i = 0; i < kRegions; ++i) {
    auto region = first_region();
    region.set_id(1000 + i);
    region.set_start_key(key_of(i));
    region.set_end_key(key_of(i + 1));
    region.mutable_region_epoch()->set_version(2);
    report(region);
  }
  next_id();  // from now on there are ids that need no disk
  pdpb::ScanRegionsRequest all;
  all.mutable_header()->set_cluster_id(cluster_id_);
  std::optional<api::Reply<pdpb::ScanRegionsResponse>> scanned;
  node_->scan_regions(api::make_call<pdpb::ScanRegionsRequest, pdpb::ScanRegionsResponse>(
      all, [&](api::Reply<pdpb::ScanRegionsResponse> reply) { scanned = std::move(reply); }));
  // Another client that asks again as soon as it is answered.
  auto other = executors_->make("client");
  int answered = 0;
  std::function<void()> ask_again = [&] {
    pdpb::AllocIDRequest request;
    request.mutable_header()->set_cluster_id(cluster_id_);
    node_->alloc_id(api::make_call<pdpb::AllocIDRequest, pdpb::AllocIDResponse>(
        request, [&](const api::Reply<pdpb::AllocIDResponse>&) {
          if (scanned.has_value() || ++answered == 1000) return;
          other->post(ask_again);
        }));
  };
  other->post(ask_again);
  ASSERT_TRUE(loop_.run_until([&] { return scanned.has_value(); }, std::chrono::seconds(5)));
  EXPECT_GT(answered, 5) << "others had their turn";
  ASSERT_TRUE(scanned->ok());
  EXPECT_EQ((*scanned)->regions_size(), static_cast<int>(kRegions));
  EXPECT_EQ((*scanned)->leaders_size(), static_cast<int>(kRegions));
  EXPECT_EQ((*scanned)->header().cluster_id(), cluster_id_);
}

}  // namespace
}  // namespace cairn::pd
