// The world: PD of one member or three, a few stores and clients, the real code, on one thread from one seed. It comes
// up, suffers faults while clients work (the safety phase), is healed and must then work again (the liveness phase),
// and is checked.
//
// Directed tests build one and place faults by hand; run() plays a random one. Tests: world_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/simulated/sim_loop.h"
#include "sim/bank_workload.h"
#include "sim/checkers.h"
#include "sim/client_host.h"
#include "sim/commit_history.h"
#include "sim/counter_workload.h"
#include "sim/expiry_workload.h"
#include "sim/hosts.h"
#include "sim/list_workload.h"
#include "sim/network.h"
#include "sim/profile.h"
#include "sim/proxies.h"
#include "sim/register_workload.h"
#include "sim/replica_read_workload.h"
#include "sim/safe_point.h"
#include "sim/table_workload.h"
#include "sim/timestamp_watch.h"
#include "sim/versions_workload.h"
#include "sim/watch_workload.h"

namespace cairn::sim {

// The stores' disks, unless the nemesis fills one.
inline constexpr uint64_t kRoomyDisk = uint64_t{1} << 40;
inline constexpr uint64_t kReserveSpace = uint64_t{1} << 20;

struct WorldOptions {
  int stores = 3;
  int pds = 1;
  int tikvs = 0;  // of them: stores that play a TiKV (replica/known_stores.h)
  int clients = 4;
  rawkv::ApiVersion api_version = rawkv::ApiVersion::kV1;
  Duration faults = std::chrono::seconds(6);  // length of the safety phase
  bool has_faults = true;
  bool is_wild = false;           // disks, settings and faults as the seed's profile has them; else disks take no time
  std::optional<gc::Options> gc;  // none: nobody collects garbage
  store::GcOptions store_gc;
  // What readers at replicas do (replica_read_workload.h).
  bool has_pairs_only_clients = true;
  bool reads_newest = true;
  // Whether registers are read at any replica, too: a follower that applies before its leader shows what a later read
  // of the leader does not, as in TiKV, so that such registers are not linearizable while appliers stall.
  bool has_registers_at_replicas = false;
  // Whether there are these too: keys whose old versions are collected, counters that deadlock, clients that die.
  bool has_versions = false;
  bool has_counters = false;
  bool has_table = false;
  bool has_watches = false;  // of the etcd API
  bool has_causal = false;   // of the lists' clients (list_workload.h)
  int mortals = 0;
  bool balances = false;  // PD moves leaders and regions for the sake of balance
};

// From this seed on PD has three members.
inline constexpr uint64_t kSeedsOfThreePds = 1'000'000;
// From this seed on it balances, too.
inline constexpr uint64_t kSeedsOfBalance = 2'000'000;
// And from this one on it has one member again and does not balance, and there is a table.
inline constexpr uint64_t kSeedsOfTables = 3'000'000;
// A random play: the seed chooses how many stores there are, too.
WorldOptions wild_world(uint64_t seed, rawkv::ApiVersion api_version = rawkv::ApiVersion::kV1);

// Who is waited for, to crash at the worst moment.
enum class Ambush : uint8_t { kNone, kInstaller, kVoter };

// What came of a run.
struct Report {
  uint64_t seed = 0;
  uint64_t trace_hash = 0;
  uint64_t state_hash = 0;            // of all disks in the end
  std::vector<std::string> failures;  // empty: all is well
  uint64_t events = 0;
  Duration virtual_time{};
  uint64_t register_operations = 0;
  uint64_t transfers = 0;
  uint64_t audits = 0;
  uint64_t list_transactions = 0;
  uint64_t replica_reads = 0;
  uint64_t plans = 0;  // over the table, whole
  uint64_t watch_events = 0;
  uint64_t collections = 0;  // that moved the safe point
  uint64_t deaths = 0;       // of clients
  uint64_t splits = 0;
  uint64_t leader_changes = 0;
  uint64_t snapshots = 0;  // received whole
  FaultCounts faults{};
  std::string to_string() const;
};

// A workload mix drawn by the seed: one part of the seeds collects garbage, another counts, and so on. Leaves the rest.
WorldOptions vary_workloads(uint64_t seed, WorldOptions options);

class World {
 public:
  World(uint64_t seed, WorldOptions options);
  World(const World&) = delete;
  World& operator=(const World&) = delete;
  ~World();

  // The whole play. Once.
  Report run();

  // Its acts, for directed tests. Each returns false if something failed.
  bool bring_up();           // PD and stores are started and serve
  size_t replicas() const;   // of each region, as PD is to have it
  bool wait_for_replicas();  // every region has a replica on each store
  bool open_bank();          // the accounts are there
  void start_workloads();    // clients begin
  void heal();               // all faults end, all nodes run
  bool check_liveness();     // every workload makes progress
  void stop_workloads();     // and waits for them
  void check_end();          // checks data; nodes must be up
  void stop_nodes();         // in order
  Report report() const;

  runtime::SimLoop& loop() { return loop_; }
  Network& network() { return network_; }
  // PD, or its member that leads.
  PdHost& pd() { return pd_hosts().leading(); }
  PdHosts pd_hosts() const;
  size_t pds() const { return pds_.size(); }
  std::vector<std::unique_ptr<StoreHost>>& stores() { return stores_; }
  ClientHost& client(size_t index) { return *clients_[index]; }
  ClusterWatch& watch() { return *watch_; }
  const WorldOptions& options() const { return options_; }
  // What stands before the keys of the workloads.
  Bytes registers_prefix() const;
  Bytes bank_prefix() const;
  Bytes lists_prefix() const;
  Bytes versions_prefix() const;
  Bytes counters_prefix() const;
  Bytes expiring_prefix() const;
  RegisterWorkload& registers() { return *registers_; }
  BankWorkload& bank() { return *bank_; }
  ListWorkload& lists() { return *lists_; }
  CommitHistory& history() { return *history_; }
  // A client's way to any replica; lives as long as the world.
  ReplicaReader& reader(size_t index) { return *readers_[index]; }
  void fail(std::string what);
  bool is_failed() const { return !failures_.empty(); }
  const Profile& profile() const { return profile_; }
  bool is_api_v2() const { return options_.api_version == rawkv::ApiVersion::kV2; }
  Directory& directory() { return directory_; }
  // Whether the world has seen the least that each seed of faults must see.
  bool is_eventful() const;
  StoreHost* store_of(NodeId node);  // null: no store
  // The next store that receives a snapshot, or grants a vote, crashes soon.
  void set_ambush(Ambush ambush) { ambush_ = ambush; }
  // Counters for the report.
  FaultCounts faults{};
  // Regions that came from splits so far.
  uint64_t splits() const { return watch_->regions_seen() == 0 ? 0 : watch_->regions_seen() - 1; }

 private:
  void on_snapshot_received(NodeId node);
  void on_vote(NodeId voter, NodeId candidate);
  uint64_t state_hash() const;
  void look_again();
  void make_workloads(const std::function<void(std::string)>& report);
  std::unique_ptr<ClientHost> make_client(const std::string& name);
  Bytes transactional(const char* rest) const;
  // Clients that work on the lists, die in the middle of it, and are followed by others.
  runtime::Task<void> live_and_die(int id, runtime::Random dice);
  runtime::Task<void> counted(runtime::Task<void> task);

  uint64_t seed_;
  WorldOptions options_;
  std::vector<std::string> failures_;
  runtime::SimLoop loop_;
  Profile profile_;
  bool has_log_room_ = true;  // every store may keep as much of its log as a product does
  Network network_;
  Directory directory_;
  runtime::SimClock clock_;  // of the watchers, exact
  runtime::SimExecutors executors_;
  std::shared_ptr<runtime::Executor> watcher_;
  std::vector<std::unique_ptr<PdHost>> pds_;
  std::vector<std::unique_ptr<StoreHost>> stores_;
  std::shared_ptr<TimestampWatch> timestamps_;
  std::vector<std::unique_ptr<ClientHost>> clients_;
  std::unique_ptr<ClusterWatch> watch_;
  std::unique_ptr<RegisterWorkload> registers_;
  std::unique_ptr<BankWorkload> bank_;
  std::unique_ptr<ListWorkload> lists_;
  uint64_t snapshots_ = 0;
  Ambush ambush_ = Ambush::kNone;
  SafePoint safe_point_;
  std::unique_ptr<VersionsWorkload> versions_;  // null: not in this world, like the next two
  std::unique_ptr<CounterWorkload> counters_;
  std::unique_ptr<TableWorkload> table_;  // if there is one
  std::unique_ptr<ExpiryWorkload> expiring_;
  std::unique_ptr<WatchWorkload> watches_;
  std::vector<std::unique_ptr<SimEtcd>> etcds_;       // of its lives
  std::vector<std::unique_ptr<ClientHost>> mortals_;  // the dead among them
  bool may_be_born_ = false;
  std::unique_ptr<CommitHistory> history_;
  std::unique_ptr<ReplicaReadWorkload> replica_reads_;
  std::vector<std::unique_ptr<ReplicaReader>> readers_;  // by client
  Duration next_history_{};                              // when to look for new versions again
  int tasks_ = 0;                                        // of the workloads, that have not ended
};

}  // namespace cairn::sim
