#include "store/testing/cluster.h"

#include <gtest/gtest.h>

#include <utility>

namespace cairn::store {
namespace {

using runtime::Task;
using PutResult = TestCluster::PutResult;
using SnapResult = Result<engine::RegionSnapshotPtr, engine::RegionError>;
using SplitResult = Result<std::vector<engine::RegionDescription>, engine::RegionError>;

Task<void> put_task(engine::RegionStore* regions, engine::RegionRequest request, Bytes key, Bytes value,
                    std::shared_ptr<std::optional<PutResult>> out) {
  engine::WriteData data;
  data.changes.push_back(engine::Modify::put(engine::Cf::kDefault, std::move(key), std::move(value)));
  auto written = co_await regions->write(std::move(request), engine::WriteBasis::nothing(), std::move(data));
  out->emplace(std::move(written));
}

Task<void> get_task(Store* store, runtime::Executor* executor, engine::RegionRequest request,
                    std::shared_ptr<std::optional<SnapResult>> out) {
  auto snapshot = co_await store->snapshot(std::move(request), *executor);
  out->emplace(std::move(snapshot));
}

Task<void> split_task(Store* store, runtime::Executor* executor, engine::RegionRequest request, std::vector<Bytes> keys,
                      std::shared_ptr<std::optional<SplitResult>> out) {
  auto result = co_await store->split_region(std::move(request), std::move(keys), *executor);
  out->emplace(std::move(result));
}

}  // namespace

StoreOptions TestCluster::quick() {
  StoreOptions options;
  options.address = "test";
  options.region_heartbeat_interval = 2s;
  options.region_heartbeat_interval_unhealthy = 1s;
  options.store_heartbeat_interval = 2s;
  options.log_gc_interval = 1s;
  return options;
}

StoreOptions TestCluster::tikv() {
  StoreOptions options = quick();
  options.election_ticks = 200;
  options.heartbeat_ticks = 40;
  options.tells_engine = false;
  return options;
}

TestCluster::TestCluster(uint64_t seed, StoreOptions options)
    : loop_(seed), options_(std::move(options)), net_clock_(loop_), net_(loop_, net_clock_, "net") {
  wire_ = net_.make("wire");
  client_ = net_.make("client");
}

TestCluster::~TestCluster() {
  for (auto& node : nodes_) {
    if (node->store) stop(*node);
  }
}

TestCluster::Node& TestCluster::add(std::optional<StoreOptions> options) {
  nodes_.push_back(std::make_unique<Node>());
  nodes_.back()->cluster = this;
  nodes_.back()->options = std::move(options).value_or(options_);
  nodes_.back()->clock = std::make_unique<runtime::SimClock>(loop_);
  boot(*nodes_.back());
  return *nodes_.back();
}

void TestCluster::boot(Node& node) {
  node.kv = engine::open_memory_kv(node.disk);
  node.log = engine::open_memory_raft_log(node.disk);
  node.executors = std::make_unique<runtime::SimExecutors>(loop_, *node.clock, "node");
  node.gates = std::make_unique<GatedExecutors>(*node.executors);
  StoreDeps deps{
      *node.clock, *node.gates, loop_.random().next(), *node.kv, *node.log, pd, node, [&node](StoreError error) {
        node.fatal = std::move(error);
      }};
  node.store = std::make_unique<Store>(node.options, std::move(deps));
  node.started.reset();
  node.store->start([&node](Result<void, StoreError> result) { node.started = std::move(result); });
  EXPECT_TRUE(run_until([&] { return node.started.has_value(); }));
}

void TestCluster::crash(Node& node, engine::CrashKind kind) {
  node.executors->kill();
  auto dice = loop_.random().fork();
  node.disk->crash(dice, kind);
  node.store.reset();
  node.kv.reset();
  node.log.reset();
}

void TestCluster::stop(Node& node) {
  node.gates->open_all();
  bool stopped = false;
  node.store->stop([&stopped] { stopped = true; });
  EXPECT_TRUE(run_until([&] { return stopped; }));
  node.executors->kill();
  node.store.reset();
  node.kv.reset();
  node.log.reset();
}

TestCluster::Node* TestCluster::find(uint64_t store) {
  for (auto& node : nodes_) {
    if (node->store && node->started && node->started->ok() && node->store->id().value == store) return node.get();
  }
  return nullptr;
}

size_t TestCluster::index_of(const Node* node) const {
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i].get() == node) return i;
  }
  return nodes_.size();
}

bool TestCluster::connected(const Node* a, const Node* b) const {
  return !isolated_.contains(index_of(a)) && !isolated_.contains(index_of(b));
}

void TestCluster::Node::send(raft_serverpb::RaftMessage message) {
  cluster->wire_->post([this, message = std::move(message)]() mutable {
    Node* to = cluster->find(message.to_peer().store_id());
    if (!store || (cluster->drops && cluster->drops(message))) return;
    if (!to || !cluster->connected(this, to)) {
      store->on_unreachable(RegionId(message.region_id()), PeerId(message.to_peer().id()));
      return;
    }
    to->store->on_raft_message(std::move(message));
  });
}

namespace {

// Both ends of a stream of waits; all runs on the wire.
struct DetectLink {
  std::unique_ptr<api::DeadlockStream> server_end;
  api::DeadlockSink sink;
  bool is_closed = false;
};
class DetectEnd final : public api::DeadlockStream {
 public:
  DetectEnd(std::shared_ptr<DetectLink> link, std::shared_ptr<runtime::Executor> wire)
      : link_(std::move(link)), wire_(std::move(wire)) {}
  ~DetectEnd() override {
    wire_->post([link = link_] {
      link->is_closed = true;
      link->server_end.reset();
    });
  }
  void send(deadlock::DeadlockRequest request) override {
    wire_->post([link = link_, request = std::move(request)]() mutable {
      if (link->server_end) link->server_end->send(std::move(request));
    });
  }

 private:
  std::shared_ptr<DetectLink> link_;
  std::shared_ptr<runtime::Executor> wire_;
};

}  // namespace

std::unique_ptr<api::DeadlockStream> TestCluster::Node::open_detect(StoreId to, api::DeadlockSink sink) {
  auto link = std::make_shared<DetectLink>();
  link->sink = std::move(sink);
  auto wire = cluster->wire_;
  wire->post([this, link, wire, to] {
    Node* peer = cluster->find(to.value);
    if (!peer || !cluster->connected(this, peer)) {
      link->sink.on_closed({api::Code::kUnavailable, "not connected"});
      return;
    }
    std::weak_ptr<DetectLink> weak = link;
    link->server_end = peer->store->open_detect({.on_response =
                                                     [weak, wire](deadlock::DeadlockResponse response) {
                                                       wire->post([weak, response = std::move(response)] {
                                                         auto open = weak.lock();
                                                         if (open && !open->is_closed) open->sink.on_response(response);
                                                       });
                                                     },
                                                 .on_closed =
                                                     [weak, wire](const api::Status& status) {
                                                       wire->post([weak, status] {
                                                         auto open = weak.lock();
                                                         if (!open) return;
                                                         if (!open->is_closed) open->sink.on_closed(status);
                                                         open->server_end.reset();
                                                       });
                                                     }});
  });
  return std::make_unique<DetectEnd>(std::move(link), std::move(wire));
}

void TestCluster::Node::send_snapshot(raft_serverpb::RaftMessage message, SnapshotSource source,
                                      absl::AnyInvocable<void(bool ok)> done) {
  runtime::Job transfer = [this, message = std::move(message), source = std::move(source),
                           done = std::move(done)]() mutable {
    Node* to = cluster->find(message.to_peer().store_id());
    if (!to || !cluster->connected(this, to)) {
      done(false);
      return;
    }
    auto receiver = to->store->begin_snapshot(std::move(message));
    bool ok = receiver.ok();
    for (uint64_t offset = 0; ok && offset < source.bytes();) {
      auto bytes = source.read(offset, 1000);  // an odd size: chunks do not end where files do
      ok = bytes.ok() && (*receiver)->append(*bytes).ok();
      if (ok) offset += bytes->size();
    }
    ok = ok && (*receiver)->finish().ok();
    done(ok);
  };
  if (holds_snapshots) {
    held_snapshots.push_back(std::move(transfer));
  } else {
    cluster->wire_->post(std::move(transfer));
  }
}

TestCluster::Node* TestCluster::leader_of(uint64_t region) {
  for (auto& node : nodes_) {
    if (!node->store || !node->started || !node->started->ok()) continue;
    if (isolated_.contains(index_of(node.get()))) continue;
    for (const auto& status : node->store->regions()) {
      if (status.region.id.value == region && status.is_leader) return node.get();
    }
  }
  return nullptr;
}

TestCluster::Node* TestCluster::wait_for_leader(uint64_t region) {
  Node* leader = nullptr;
  run_until([&] { return (leader = leader_of(region)) != nullptr; });
  return leader;
}

std::optional<RegionStatus> TestCluster::status(Node& node, uint64_t region) const {
  if (!node.store) return std::nullopt;
  for (auto& status : node.store->regions()) {
    if (status.region.id.value == region) return std::move(status);
  }
  return std::nullopt;
}

bool TestCluster::transfer_leader(uint64_t region, Node& to) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    Node* leader = wait_for_leader(region);
    if (leader == &to) return true;
    auto target = status(to, region);
    if (leader && target) leader->store->transfer_leader(RegionId(region), target->peer);
    run_until([&] { return leader_of(region) == &to; }, 2s);
  }
  return false;
}

engine::RegionRequest TestCluster::request(uint64_t region) const {
  engine::RegionRequest request;
  request.region = RegionId(region);
  return request;
}

uint64_t TestCluster::region_of(const Bytes& key) const {
  uint64_t best = 0;
  for (const auto& [id, region] : pd.regions) {
    if (key < region.start_key() || (!region.end_key().empty() && key >= region.end_key())) continue;
    if (best == 0 || region.region_epoch().version() > pd.regions.at(best).region_epoch().version()) best = id;
  }
  return best;
}

std::shared_ptr<std::optional<PutResult>> TestCluster::begin_put(Node& node, const Bytes& key, const Bytes& value,
                                                                 engine::DiskFullOpt opt) {
  auto out = std::make_shared<std::optional<PutResult>>();
  auto asked = request(region_of(key));
  asked.disk_full_opt = opt;
  node.store->on_shard(asked.region, [=](ShardHandle& shard) {
    runtime::spawn_inline(put_task(&shard.regions(), asked, key, value, out));
  });
  return out;
}

PutResult TestCluster::put_once(Node& node, const Bytes& key, const Bytes& value, engine::DiskFullOpt opt) {
  auto out = begin_put(node, key, value, opt);
  if (!run_until([&] { return out->has_value(); }, 3s)) return Err(engine::RegionError(engine::StaleCommand{}));
  return **out;
}

bool TestCluster::put(const Bytes& key, const Bytes& value) {
  for (int attempt = 0; attempt < 30; ++attempt) {
    run_until([&] { return region_of(key) != 0; });  // a split's children are reported one by one
    uint64_t region = region_of(key);
    Node* leader = wait_for_leader(region);
    if (!leader) {
      ADD_FAILURE() << "region " << region << " of " << key << " has no leader";
      return false;
    }
    auto out = std::make_shared<std::optional<PutResult>>();
    leader->store->on_shard(RegionId(region), [&](ShardHandle& shard) {
      runtime::spawn_inline(put_task(&shard.regions(), request(region), key, value, out));
    });
    // `out` is shared with the task: it may outlive this attempt.
    run_until([&] { return out->has_value(); }, 3s);
    if (out->has_value() && (*out)->ok()) return true;
    last_error_ = out->has_value() ? engine::to_string((*out)->error()) : "no answer";
    run_for(200ms);
  }
  ADD_FAILURE() << "a write of " << key << " does not succeed: " << last_error_;
  return false;
}

std::optional<std::optional<Bytes>> TestCluster::get(const Bytes& key) {
  for (int attempt = 0; attempt < 30; ++attempt) {
    run_until([&] { return region_of(key) != 0; });  // a split's children are reported one by one
    uint64_t region = region_of(key);
    Node* leader = wait_for_leader(region);
    if (!leader) return std::nullopt;
    auto out = std::make_shared<std::optional<SnapResult>>();
    runtime::spawn(*client_, get_task(leader->store.get(), client_.get(), request(region), out));
    run_until([&] { return out->has_value(); }, 3s);
    if (out->has_value() && (*out)->ok()) {
      auto value = (**out).value()->get(engine::Cf::kDefault, key);
      EXPECT_TRUE(value.ok());
      return *value;
    }
    run_for(200ms);
  }
  return std::nullopt;
}

std::optional<Bytes> TestCluster::local(Node& node, const Bytes& key) {
  auto value = node.kv->get(engine::Cf::kDefault, "z" + key);
  EXPECT_TRUE(value.ok());
  return *value;
}

void TestCluster::replicate_everywhere(uint64_t region) {
  for (size_t i = 1; i < nodes_.size(); ++i) {
    metapb::Peer peer;
    peer.set_id(pd.next_id++);
    peer.set_store_id(nodes_[i]->store->id().value);
    auto has_role = [&](metapb::PeerRole role) {
      for (const auto& p : pd.regions[region].peers()) {
        if (p.id() == peer.id() && p.role() == role) return true;
      }
      return false;
    };
    auto change = [&](eraftpb::ConfChangeType type, metapb::PeerRole role) {
      peer.set_role(role);
      for (int attempt = 0; attempt < 20 && !has_role(role); ++attempt) {  // as PD: again until it is so
        if (pd.leaders.contains(region)) pd.change_peer(region, type, peer);
        run_until([&] { return has_role(role); }, 1s);
      }
      return has_role(role);
    };
    ASSERT_TRUE(change(eraftpb::AddLearnerNode, metapb::Learner));
    auto applied = [&](Node& node) {
      for (const auto& status : node.store->regions()) {
        if (status.region.id.value == region) return status.applied.value;
      }
      return uint64_t{0};
    };
    Node* leader = wait_for_leader(region);
    ASSERT_NE(leader, nullptr);
    ASSERT_TRUE(run_until([&] { return applied(*nodes_[i]) >= applied(*leader); })) << "the learner has not caught up";
    ASSERT_TRUE(change(eraftpb::AddNode, metapb::Voter));
  }
}

Result<std::vector<engine::RegionDescription>, engine::RegionError> TestCluster::split(uint64_t region,
                                                                                       std::vector<Bytes> keys) {
  Node* leader = wait_for_leader(region);
  auto out = std::make_shared<std::optional<SplitResult>>();
  runtime::spawn(*client_, split_task(leader->store.get(), client_.get(), request(region), std::move(keys), out));
  EXPECT_TRUE(run_until([&] { return out->has_value(); }));
  return std::move(**out);
}

}  // namespace cairn::store
