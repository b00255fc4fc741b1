#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "pd/member/identity.h"
#include "pd/schedule/store_limits.h"
#include "replica/known_stores.h"
#include "runtime/async.h"
#include "sim/nemesis.h"
#include "store/store.h"

namespace cairn::sim {

namespace {

constexpr size_t kFailuresMax = 8;  // more say nothing new
constexpr Duration kBringUpLimit = std::chrono::minutes(1);
constexpr uint64_t kRoomyLog = 100 << 20;
constexpr Duration kLivenessLimit = std::chrono::minutes(2);
constexpr Duration kSettleLimit = std::chrono::minutes(2);
constexpr Duration kLookInterval = std::chrono::milliseconds(5);
constexpr Duration kHistoryInterval = std::chrono::milliseconds(150);

pd::Options pd_options(const WorldOptions& world, int number) {
  const int stores = world.stores;
  const int pds = world.pds;
  pd::Options options;
  options.members = {{.id = 1, .name = "pd", .client_urls = {"http://pd:2379"}, .peer_urls = {"http://pd:2380"}}};
  if (pds > 1) {
    options.members.clear();
    for (int i = 1; i <= pds; ++i) {
      const std::string name = fmt::format("pd{}", i);
      options.members.push_back(
          {.id = static_cast<uint64_t>(i), .name = name, .peer_urls = {"http://" + name + ":2380"}});
      if (i == number) options.members.back().client_urls = {"http://" + name + ":2379"};
    }
    options.member_id = static_cast<uint64_t>(number);
    options.group_id = pd::group_id_of(options.members);
    options.data_id = 100 + options.member_id;
  }
  options.cluster_id = kCluster.value;
  options.schedule.max_replicas = static_cast<uint32_t>(std::min(stores, 3));
  options.schedule.patrol_region_interval = 100ms;
  options.schedule.add_peer_limit = options.schedule.remove_peer_limit = pd::StoreLimits::kUnlimited;
  if (!world.balances) options.schedulers.clear();
  options.schedule.tolerant_size_ratio = 1;  // few regions are enough to be moved
  options.raft_log_gc_entries = 64;
  return options;
}

store::StoreOptions store_options(const std::string& name, const WorldOptions& world, runtime::Random& dice) {
  store::StoreOptions options;
  options.gc = world.store_gc;
  options.api_version = world.api_version;
  options.address = name + ":20160";
  options.status_address = name + ":20180";
  options.shards = 2;
  options.reserve_space_bytes = kReserveSpace;
  options.log_gc_interval = 500ms;
  options.log_gc_threshold = 20;
  options.region_split_bytes = 0;  // the nemesis splits
  options.store_heartbeat_interval = 1s;
  options.region_heartbeat_interval = 1s;
  options.region_heartbeat_interval_unhealthy = 500ms;
  options.leader_missing_after = 10s;  // longer than the faults, well within what healing may take
  options.pd_timeout = 1s;
  options.pd_retry_delay = 200ms;
  if (world.is_wild) Profile::vary(options, dice);
  return options;
}

// TiKV's timing and lease: elections after 10 s, heartbeats every 2 s, a lease of 9 s. And nothing that says otherwise.
void play_tikv(store::StoreOptions& options) {
  options.election_ticks = static_cast<int>(replica::kTikvPatience / options.tick);
  options.heartbeat_ticks = static_cast<int>(2s / options.tick);
  options.tells_engine = false;
}

// Where a leader comes after ten seconds at best, faults leave some time between them.
Profile profile_of(const WorldOptions& options, runtime::Random& dice) {
  Profile profile = options.is_wild ? Profile::draw(dice) : Profile{};
  constexpr int kSlower = 3;
  if (options.tikvs > 0) profile.pace_max *= kSlower;
  return profile;
}

}  // namespace

WorldOptions wild_world(uint64_t seed, rawkv::ApiVersion api_version) {
  const bool has_tikv = seed % 3 == 0;
  return {.stores = seed % 2 == 0 ? 4 : 3,
          .pds = seed >= kSeedsOfThreePds && seed < kSeedsOfTables ? 3 : 1,
          .tikvs = has_tikv ? 1 : 0,
          .api_version = api_version,
          .faults = has_tikv ? 75s : 57s,
          .is_wild = true,
          .has_table = seed >= kSeedsOfTables,
          .has_watches = seed >= kSeedsOfThreePds && seed < kSeedsOfTables,
          .balances = seed >= kSeedsOfBalance && seed < kSeedsOfTables};
}

std::string Report::to_string() const {
  std::string out = fmt::format(
      "seed {}: {}; {:.1f} s of virtual time, {} events, {} register operations, {} transfers, {} audits, "
      "{} list transactions, {} reads at replicas, {} plans, {} events of watches, {} collections, {} deaths of "
      "clients, {} splits, {} "
      "leader changes, "
      "{} snapshots, trace {:016x}, state {:016x}",
      seed, failures.empty() ? "good" : "FAILED", to_seconds(virtual_time), events, register_operations, transfers,
      audits, list_transactions, replica_reads, plans, watch_events, collections, deaths, splits, leader_changes,
      snapshots, trace_hash, state_hash);
  for (size_t kind = 0; kind < kFaultKinds; ++kind) {
    out += fmt::format("{} {} {}", kind == 0 ? "; faults:" : ",", faults[kind], fault_name(static_cast<Fault>(kind)));
  }
  for (const auto& failure : failures) out += "\n" + failure;
  return out;
}

WorldOptions vary_workloads(uint64_t seed, WorldOptions options) {
  runtime::Random dice(seed ^ 0xC0FFEE);
  options.has_versions = dice.chance(0.4);
  options.has_counters = dice.chance(0.5);
  options.mortals = static_cast<int>(dice.below(3));
  options.has_causal = dice.chance(0.5);
  if (options.has_versions) {
    // Looks and compacts so often that most versions go while the workload runs.
    options.store_gc.poll_interval = 200ms;
    options.store_gc.check_interval = 300ms;
    options.store_gc.tombstones_threshold = 1;
    options.store_gc.redundant_rows_threshold = 1;
    options.store_gc.redundant_rows_percent_threshold = 0;
    options.store_gc.ratio_threshold = 0;
    options.store_gc.batch_keys = 3;
  }
  return options;
}

World::World(uint64_t seed, WorldOptions options)
    : seed_(seed),
      options_(options),
      loop_(seed),
      profile_(profile_of(options, loop_.random())),
      network_(loop_),
      clock_(loop_),
      executors_(loop_, clock_, "world", Duration{}),
      watcher_(executors_.make("watcher")) {
  directory_.store_at = [this](NodeId node) -> store::Store* {
    StoreHost* host = store_of(node);
    return host == nullptr ? nullptr : host->store();
  };
  directory_.on_vote = [this](NodeId voter, NodeId candidate) { on_vote(voter, candidate); };
  directory_.on_snapshot_received = [this](NodeId node) { on_snapshot_received(node); };
  const Surroundings surroundings{loop_, network_, directory_, [this](std::string what) { fail(std::move(what)); },
                                  profile_};
  auto service_at = [this](NodeId node) -> api::Tikv* {
    StoreHost* host = store_of(node);
    return host == nullptr ? nullptr : host->service();
  };
  const PdHost::Peers peers{.node_of =
                                [this](uint64_t member) {
                                  for (const auto& host : pds_) {
                                    if (host->member() == member) return host->node();
                                  }
                                  return NodeId();
                                },
                            .at = [this](NodeId node) -> pd::Node* {
                              for (const auto& host : pds_) {
                                if (host->node() == node) return host->pd_node();
                              }
                              return nullptr;
                            }};
  for (int i = 1; i <= options_.pds; ++i) {
    const bool is_alone = options_.pds == 1;
    pds_.push_back(std::make_unique<PdHost>(surroundings, is_alone ? "pd" : fmt::format("pd{}", i),
                                            pd_options(options_, i), options_.gc, service_at,
                                            is_alone ? PdHost::Peers{} : peers));
  }
  std::vector<StoreHost*> all;
  for (int i = 1; i <= options_.stores; ++i) {
    const std::string name = "store" + std::to_string(i);
    store::StoreOptions of_store = store_options(name, options_, loop_.random());
    has_log_room_ = has_log_room_ && of_store.raft_log_flush_bytes >= kRoomyLog;
    if (i <= options_.tikvs) play_tikv(of_store);
    stores_.push_back(std::make_unique<StoreHost>(surroundings, name, std::move(of_store), pd_hosts()));
    stores_.back()->set_disk_times(profile_.disk);
    all.push_back(stores_.back().get());
  }
  for (auto& pd : pds_) pd->set_disk_times(profile_.pd_disk);
  auto report = [this](std::string what) { fail(std::move(what)); };
  timestamps_ = std::make_shared<TimestampWatch>(report);
  for (int i = 1; i <= options_.clients; ++i) {
    clients_.push_back(make_client("client" + std::to_string(i)));
    readers_.push_back(std::make_unique<ReplicaReader>(
        all, [host = clients_.back().get()](NodeId node) -> api::Tikv& { return host->tikv(node); },
        clients_.back()->executor(), loop_.random().next(), options_.api_version == rawkv::ApiVersion::kV2));
  }
  watch_ = std::make_unique<ClusterWatch>(loop_, std::move(all), pd_hosts(), kCluster, report);
  if (options_.gc || options_.has_versions) watch_->allow_gc();
  if (options_.tikvs > 0) watch_->allow_slow_elections();
  make_workloads(report);
}

PdHosts World::pd_hosts() const {
  PdHosts hosts;
  for (const auto& pd : pds_) hosts.all.push_back(pd.get());
  return hosts;
}

std::unique_ptr<ClientHost> World::make_client(const std::string& name) {
  const Surroundings surroundings{loop_, network_, directory_, [this](std::string what) { fail(std::move(what)); },
                                  profile_};
  auto service_at = [this](NodeId node) -> api::Tikv* {
    StoreHost* host = store_of(node);
    return host == nullptr ? nullptr : host->service();
  };
  return std::make_unique<ClientHost>(surroundings, name, pd_hosts(), service_at, options_.api_version, timestamps_);
}

void World::make_workloads(const std::function<void(std::string)>& report) {
  registers_ = std::make_unique<RegisterWorkload>(
      loop_, report, RegisterWorkload::Options{.prefix = registers_prefix(), .api_version = options_.api_version});
  history_ = std::make_unique<CommitHistory>(report);
  auto on_commit = [this](Timestamp start_ts, Timestamp commit_ts) {
    history_->acknowledge(start_ts, commit_ts, loop_.now());
  };
  SafePoint* const held = options_.has_versions ? &safe_point_ : nullptr;
  bank_ = std::make_unique<BankWorkload>(
      loop_, report, BankWorkload::Options{.on_commit = on_commit, .safe_point = held, .prefix = bank_prefix()});
  lists_ = std::make_unique<ListWorkload>(
      report,
      ListWorkload::Options{
          .on_commit = on_commit, .safe_point = held, .has_causal = options_.has_causal, .prefix = lists_prefix()});
  if (options_.has_versions) {
    VersionsWorkload::Options versions{.cluster = kCluster, .prefix = versions_prefix(), .others_prefixes = {}};
    versions.others_prefixes = {bank_prefix(), lists_prefix(), counters_prefix()};
    versions_ = std::make_unique<VersionsWorkload>(report, safe_point_, std::move(versions));
  }
  if (options_.has_counters) {
    counters_ = std::make_unique<CounterWorkload>(report, CounterWorkload::Options{counters_prefix(), held});
  }
  if (options_.has_table)
    table_ = std::make_unique<TableWorkload>(report,
                                             TableWorkload::Options{.safe_point = held, .before = transactional("")});
  if (options_.has_watches) watches_ = std::make_unique<WatchWorkload>(report);
  if (options_.api_version == rawkv::ApiVersion::kV2) {
    expiring_ = std::make_unique<ExpiryWorkload>(loop_, report, ExpiryWorkload::Options{.prefix = expiring_prefix()});
  }
  ReplicaReadWorkload::Options reads{.keys = {},
                                     .ranges = {},
                                     .has_pairs_only_clients = options_.has_pairs_only_clients,
                                     .reads_newest = options_.reads_newest,
                                     .safe_point = held};
  for (int i = 0; i < 6; ++i) {  // one more than there are lists
    reads.keys.push_back(lists_->key_of(i));
    reads.keys.push_back(fmt::format("{}account/{:02}", bank_prefix(), i));
  }
  for (const Bytes& prefix : {lists_prefix(), bank_prefix() + "account/"}) {
    reads.ranges.emplace_back(prefix, prefix_end(prefix));
  }
  replica_reads_ = std::make_unique<ReplicaReadWorkload>(loop_, report, *history_, std::move(reads));
}

World::~World() { network_.close(); }

// In API V2 mode and keyspace come first.
Bytes World::registers_prefix() const {
  return options_.api_version == rawkv::ApiVersion::kV2 ? Bytes("r\0\0\1reg/", 8) : Bytes("reg/");
}

Bytes World::expiring_prefix() const { return Bytes("r\0\0\1ttl/", 8); }

Bytes World::transactional(const char* rest) const {
  return options_.api_version == rawkv::ApiVersion::kV2 ? Bytes("x\0\0\1", 4) + rest : Bytes(rest);
}
Bytes World::bank_prefix() const { return transactional("bank/"); }
Bytes World::lists_prefix() const { return transactional("list/"); }
Bytes World::versions_prefix() const { return transactional("version/"); }
Bytes World::counters_prefix() const { return transactional("count/"); }

StoreHost* World::store_of(NodeId node) {
  for (auto& host : stores_) {
    if (host->node() == node) return host.get();
  }
  return nullptr;
}

void World::fail(std::string what) {
  LOG_WARN("sim: at {:.3f} s: {}", to_seconds(loop_.now()), what);
  if (failures_.size() < kFailuresMax) failures_.push_back(std::move(what));
}

void World::on_snapshot_received(NodeId node) {
  ++snapshots_;
  if (ambush_ != Ambush::kInstaller) return;
  ambush_ = Ambush::kNone;
  runtime::spawn(*watcher_, crash_installer(store_of(node), watcher_.get(), loop_.random().fork()));
}

void World::on_vote(NodeId voter, NodeId candidate) {
  if (ambush_ != Ambush::kVoter) return;
  ambush_ = Ambush::kNone;
  runtime::spawn(*watcher_, crash_voter(this, store_of(voter), candidate, watcher_.get(), loop_.random().fork()));
}

bool World::is_eventful() const {
  constexpr uint64_t kOperations = 100;
  if (!options_.is_wild) return true;
  // Each of these takes many requests: where faults come at every moment, few get through.
  constexpr uint64_t kTransactions = 5;
  return registers_->successes() >= kOperations && bank_->transfers() >= kTransactions &&
         lists_->successes() >= kTransactions && faults[static_cast<size_t>(Fault::kCrash)] >= 1 && splits() >= 1 &&
         snapshots_ >= 1 && watch_->terms_seen() >= 5;
}

uint64_t World::state_hash() const {
  uint64_t hash = pds_.front()->disk().digest();
  for (size_t i = 1; i < pds_.size(); ++i) hash = hash * 0x9E3779B97F4A7C15ULL ^ pds_[i]->disk().digest();
  for (const auto& store : stores_) hash = hash * 0x9E3779B97F4A7C15ULL ^ store->disk().digest();
  return hash;
}

void World::look_again() {
  watch_->look();
  if (expiring_) {
    for (auto& store : stores_) expiring_->note_calendar(store->clock().wall_now() - clock_.wall_now());
  }
  if (loop_.now() >= next_history_) {
    next_history_ = loop_.now() + kHistoryInterval;
    for (auto& store : stores_) {
      if (store->data() != nullptr) history_->look(*store, loop_.now());
    }
  }
  watcher_->after(kLookInterval, [this] { look_again(); });
}

bool World::bring_up() {
  for (auto& pd : pds_) pd->start();
  for (auto& store : stores_) store->start();
  look_again();
  const bool is_up = loop_.run_until(
      [this] {
        return is_failed() ||
               std::all_of(stores_.begin(), stores_.end(), [](auto& host) { return host->service() != nullptr; });
      },
      kBringUpLimit);
  if (!is_up) fail("the cluster does not come up");
  return !is_failed();
}

size_t World::replicas() const { return std::min<size_t>(stores_.size(), 3); }

bool World::wait_for_replicas() {
  // Asked now and then only: it looks at everything.
  Duration next{};
  const bool is_there = loop_.run_until(
      [&] {
        if (is_failed()) return true;
        if (loop_.now() < next) return false;
        next = loop_.now() + 50ms;
        return watch_->is_settled(replicas());
      },
      kSettleLimit);
  if (!is_there) fail("the replicas do not become equal:\n" + watch_->describe());
  return !is_failed();
}

runtime::Task<void> World::counted(runtime::Task<void> task) {
  co_await std::move(task);
  --tasks_;
}

bool World::open_bank() {
  auto& host = client(0);
  ++tasks_;
  runtime::spawn(host.executor(), counted(bank_->open(&host.client(), &host.executor())));
  loop_.run_until([this] { return tasks_ == 0; }, kLivenessLimit);
  if (!bank_->is_open()) fail("bank: opening the accounts does not end");
  return !is_failed();
}

void World::start_workloads() {
  may_be_born_ = true;
  for (int id = 1; id <= options_.mortals; ++id) {
    ++tasks_;
    runtime::spawn(*watcher_, counted(live_and_die(id, loop_.random().fork())));
  }
  for (size_t i = 0; i < clients_.size(); ++i) {
    auto& host = *clients_[i];
    const int id = static_cast<int>(i) + 1;
    tasks_ += 4;
    runtime::spawn(
        host.executor(),
        counted(registers_->run(&host.client(), options_.has_registers_at_replicas ? readers_[i].get() : nullptr,
                                &host.executor(), id, loop_.random().next())));
    runtime::spawn(host.executor(), counted(replica_reads_->run(host.new_core(), readers_[i].get())));
    auto also = [&](runtime::Task<void> task) {
      ++tasks_;
      runtime::spawn(host.executor(), counted(std::move(task)));
    };
    if (versions_) also(versions_->run(&host.client(), &host.executor(), loop_.random().next()));
    if (versions_ && i == 0) also(versions_->collect(&host.client(), &host.pd(), &host.executor()));
    if (counters_) also(counters_->run(&host.client(), &host.executor(), loop_.random().next()));
    if (table_) also(table_->run(&host.client(), host.new_core(), readers_[i].get()));
    if (expiring_) also(expiring_->run(&host.client(), &host.executor(), loop_.random().next()));
    if (watches_) {
      for (int life = 0; life < 2; ++life) etcds_.push_back(host.new_etcd(pd_hosts()));
      also(watches_->write(etcds_[etcds_.size() - 2].get(), &host.executor(), loop_.random().next()));
      also(watches_->watch(etcds_.back().get(), &host.executor(), loop_.random().next()));
    }
    runtime::spawn(host.executor(), counted(bank_->run(&host.client(), &host.executor(), id, loop_.random().next())));
    runtime::spawn(host.executor(), counted(lists_->run(&host.client(), &host.executor(), loop_.random().next())));
  }
}

runtime::Task<void> World::live_and_die(int id, runtime::Random dice) {
  for (int life = 1; may_be_born_; ++life) {
    {
      // Its own holds would die with it without being released.
      const Hold hold(options_.has_versions ? &safe_point_ : nullptr);
      mortals_.push_back(make_client(fmt::format("mortal{}.{}", id, life)));
      ClientHost& host = *mortals_.back();
      runtime::spawn(host.executor(),
                     lists_->run(&host.client(), &host.executor(), dice.next(), ListWorkload::Holder::kOther));
      co_await runtime::sleep(*watcher_, dice.between(100ms, 3s));
      host.kill();
    }
    co_await runtime::sleep(*watcher_, dice.between(200ms, 3s));
  }
}

void World::heal() {
  LOG_INFO("sim: all faults end");
  network_.heal();
  std::vector<Host*> hosts;
  for (auto& pd : pds_) hosts.push_back(pd.get());
  for (auto& store : stores_) hosts.push_back(store.get());
  for (Host* host : hosts) {
    host->clock().set_drift(0);
    host->set_disk_times(dynamic_cast<PdHost*>(host) != nullptr ? profile_.pd_disk.steady() : profile_.disk.steady());
    host->disk().set_capacity(kRoomyDisk);
    if (!host->is_up()) host->start();
    host->resume();
  }
}

bool World::check_liveness() {
  const uint64_t operations = registers_->successes();
  const uint64_t transfers = bank_->transfers();
  const uint64_t audits = bank_->audits();
  const uint64_t lists = lists_->successes();
  const uint64_t reads = replica_reads_->successes();
  const uint64_t plans = table_ ? table_->reads() : 0;
  const uint64_t events = watches_ ? watches_->events() : 0;
  constexpr uint64_t kProgress = 5;
  const bool is_alive = loop_.run_until(
      [&] {
        return is_failed() ||
               (registers_->successes() >= operations + kProgress && bank_->transfers() >= transfers + kProgress &&
                bank_->audits() > audits && lists_->successes() >= lists + kProgress &&
                replica_reads_->successes() >= reads + kProgress && (!table_ || table_->reads() >= plans + kProgress) &&
                (!watches_ || watches_->events() >= events + kProgress));
      },
      kLivenessLimit);
  if (!is_alive) {
    fail(
        fmt::format("no progress after the faults are over: {} register operations, {} transfers, {} audits, {} list "
                    "transactions\n{}",
                    registers_->successes() - operations, bank_->transfers() - transfers, bank_->audits() - audits,
                    lists_->successes() - lists, watch_->describe()));
  }
  // The load goes on meanwhile: who is behind must be able to catch up with it, unless the log has no room to wait.
  const Duration end = loop_.now() + kLivenessLimit;
  while (has_log_room_ && !is_failed() && !watch_->is_complete(replicas())) {
    if (loop_.now() >= end) fail("replicas do not come to their data under load:\n" + watch_->describe());
    loop_.run_until([this] { return is_failed(); }, 100ms);
  }
  return !is_failed();
}

void World::stop_workloads() {
  may_be_born_ = false;
  if (versions_) versions_->stop();
  if (counters_) counters_->stop();
  if (table_) table_->stop();
  if (expiring_) expiring_->stop();
  if (watches_) watches_->stop();
  registers_->stop();
  bank_->stop();
  lists_->stop();
  replica_reads_->stop();
  if (!loop_.run_until([this] { return tasks_ == 0; }, kLivenessLimit)) fail("the workloads do not end");
}

void World::check_end() {
  auto& host = client(0);
  tasks_ += 3;
  runtime::spawn(host.executor(), counted(lists_->read_back(&host.client(), &host.executor())));
  runtime::spawn(host.executor(), counted(registers_->read_back(&host.client(), &host.executor())));
  runtime::spawn(host.executor(), counted(bank_->final_audit(&host.client(), &host.executor())));
  if (!loop_.run_until([this] { return tasks_ == 0; }, 4 * kLivenessLimit)) fail("reading back does not end");
  registers_->check();
  lists_->check();
  if (expiring_) expiring_->check();
  if (watches_) watches_->check();
  if (counters_) {
    runtime::spawn(host.executor(), counters_->check(&host.client(), &host.executor()));
    if (!loop_.run_until([this] { return counters_->is_checked(); }, kLivenessLimit)) fail("counting does not end");
  }
  // What the clients finish in the background: an engine may be ahead of what its store shows.
  loop_.run_for(2s);
  if (!wait_for_replicas()) return;
  watch_->check_end(safe_point_.reached());
  for (auto& store : stores_) history_->look(*store, loop_.now());
  replica_reads_->check();
  if (!loop_.run_until([this] { return watch_->is_routed(); }, kSettleLimit)) {
    fail("INV-REGIONS-TILE: PD does not learn the regions of all keys");
  }
}

void World::stop_nodes() {
  for (auto& store : stores_) {
    if (!store->stop()) fail(store->name() + " does not stop");
  }
  for (auto& pd : pds_) {
    if (!pd->stop()) fail(pd->name() + " does not stop");
  }
}

Report World::report() const {
  return {.seed = seed_,
          .trace_hash = loop_.trace_hash(),
          .state_hash = state_hash(),
          .failures = failures_,
          .events = loop_.events(),
          .virtual_time = loop_.now(),
          .register_operations = registers_->successes(),
          .transfers = bank_->transfers(),
          .audits = bank_->audits(),
          .list_transactions = lists_->successes(),
          .replica_reads = replica_reads_->successes(),
          .plans = table_ ? table_->reads() : 0,
          .watch_events = watches_ ? watches_->events() : 0,
          .collections = versions_ ? versions_->collections() : 0,
          .deaths = mortals_.size(),
          .splits = splits(),
          .leader_changes = watch_->terms_seen(),
          .snapshots = snapshots_,
          .faults = faults};
}

Report World::run() {
  if (!bring_up()) return report();
  const bool is_patient = loop_.random().chance(0.7);  // else the faults begin while the replicas are being made
  if (is_patient && !wait_for_replicas()) return report();
  if (!open_bank()) return report();
  start_workloads();
  bool is_over = !options_.has_faults;
  if (options_.has_faults) {
    runtime::spawn(*watcher_, rage(this, watcher_.get(), options_.faults, loop_.random().next(), &is_over));
  } else {
    loop_.run_for(options_.faults);
  }
  loop_.run_until([&is_over] { return is_over; }, 6 * options_.faults);
  if (options_.is_wild && !is_failed() && !is_eventful()) fail("too little happened in this seed");
  loop_.run_for(3s);  // what the nemesis began ends by itself
  heal();
  if (is_failed() || !check_liveness()) return report();
  stop_workloads();
  if (is_failed()) return report();
  check_end();
  if (!is_failed()) stop_nodes();
  return report();
}

}  // namespace cairn::sim
