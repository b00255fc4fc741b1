// NodeTest: one pd::Node on the simulated loop and engines in memory, with restarts, crashes and the calls of its
// clients and stores. Each test file of the node takes one part of what they see.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/memory/memory_engine.h"
#include "pd/meta/raft_codec.h"
#include "pd/node/node.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::pd {

class NodeTest : public ::testing::Test {
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
    options.tso_save_interval = save_interval_;
    options.tso_update_interval = update_interval_;
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
  Duration save_interval_ = std::chrono::seconds(5);
  Duration update_interval_ = std::chrono::milliseconds(50);
  std::unique_ptr<Node> node_;
  std::unique_ptr<api::RegionHeartbeatStream> stream_;
  std::vector<pdpb::RegionHeartbeatResponse> commands_;
  uint64_t cluster_id_ = 0;
  std::string fatal_;  // why the node gave up
};

}  // namespace cairn::pd
