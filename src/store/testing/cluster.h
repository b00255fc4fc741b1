// A cluster of stores in one process for tests: simulated loop, memory engines, a direct transport, the fake PD.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/memory/memory_engine.h"
#include "runtime/async.h"
#include "runtime/simulated/sim_loop.h"
#include "store/store.h"
#include "store/testing/fake_pd.h"
#include "store/testing/gated_executors.h"

namespace cairn::store {

class TestCluster {
 public:
  explicit TestCluster(uint64_t seed = 1, StoreOptions options = quick());
  ~TestCluster();

  // Intervals that make a test short.
  static StoreOptions quick();
  // Of a store that has TiKV's timing and lease, and does not say what it is.
  static StoreOptions tikv();

  struct Node final : Transport {
    TestCluster* cluster = nullptr;
    StoreOptions options;
    std::shared_ptr<engine::MemoryDisk> disk = std::make_shared<engine::MemoryDisk>();
    std::unique_ptr<runtime::SimClock> clock;
    std::unique_ptr<runtime::SimExecutors> executors;
    std::unique_ptr<GatedExecutors> gates;  // what the store gets of them
    std::unique_ptr<engine::KvEngine> kv;
    std::unique_ptr<engine::RaftLogEngine> log;
    std::unique_ptr<Store> store;
    std::optional<Result<void, StoreError>> started;
    std::optional<StoreError> fatal;
    // Snapshots that the node sends stay here until they are run; else they go at once.
    bool holds_snapshots = false;
    std::vector<runtime::Job> held_snapshots;

    void send(raft_serverpb::RaftMessage message) override;
    void send_snapshot(raft_serverpb::RaftMessage message, SnapshotSource source,
                       absl::AnyInvocable<void(bool ok)> done) override;
    std::unique_ptr<api::DeadlockStream> open_detect(StoreId to, api::DeadlockSink sink) override;
  };

  // Adds a node and starts its store; with settings of its own, or those of all.
  Node& add(std::optional<StoreOptions> options = std::nullopt);
  Node& node(size_t i) { return *nodes_[i]; }
  size_t size() const { return nodes_.size(); }
  void boot(Node& node);
  // The process dies; what was not synced is lost by dice.
  void crash(Node& node, engine::CrashKind kind = engine::CrashKind::kMachine);
  void stop(Node& node);
  // Cuts the node off from the others.
  void isolate(size_t i) { isolated_.insert(i); }
  void heal() {
    isolated_.clear();
    drops = nullptr;
  }
  // Messages between stores that are lost on their way.
  std::function<bool(const raft_serverpb::RaftMessage&)> drops;

  bool run_until(const std::function<bool()>& pred, Duration limit = 30s) { return loop_.run_until(pred, limit); }
  void run_for(Duration span) { loop_.run_for(span); }
  // The node that PD's last heartbeat names; waits for one that is up.
  Node* leader_of(uint64_t region);
  Node* wait_for_leader(uint64_t region);
  // Gives leadership to the node and waits until it leads.
  bool transfer_leader(uint64_t region, Node& to);
  // What the node's store says of the region.
  std::optional<RegionStatus> status(Node& node, uint64_t region) const;

  // Through the leader, as clients do: tries until it works or the time is up.
  bool put(const Bytes& key, const Bytes& value);
  // One attempt at one node. The cell is empty until it is answered.
  using PutResult = Result<LogIndex, engine::RegionError>;
  std::shared_ptr<std::optional<PutResult>> begin_put(Node& node, const Bytes& key, const Bytes& value,
                                                      engine::DiskFullOpt opt = {});
  PutResult put_once(Node& node, const Bytes& key, const Bytes& value, engine::DiskFullOpt opt = {});
  // Nothing if no leader answered in time.
  std::optional<std::optional<Bytes>> get(const Bytes& key);
  // What the node's own engine holds.
  std::optional<Bytes> local(Node& node, const Bytes& key);
  uint64_t region_of(const Bytes& key) const;
  // Adds peers on all nodes but the first, one by one, until all are voters and hold the data.
  void replicate_everywhere(uint64_t region);
  Result<std::vector<engine::RegionDescription>, engine::RegionError> split(uint64_t region, std::vector<Bytes> keys);
  engine::RegionRequest request(uint64_t region) const;

  FakePd pd;

 private:
  friend struct Node;
  Node* find(uint64_t store);
  size_t index_of(const Node* node) const;
  bool connected(const Node* a, const Node* b) const;

  runtime::SimLoop loop_;
  StoreOptions options_;
  runtime::SimClock net_clock_;
  runtime::SimExecutors net_;
  std::shared_ptr<runtime::Executor> wire_;
  std::shared_ptr<runtime::Executor> client_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::vector<std::unique_ptr<Store>> graveyard_;
  std::set<size_t> isolated_;
  std::string last_error_;
};

}  // namespace cairn::store
