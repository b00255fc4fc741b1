#include "sim/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "runtime/async.h"
#include "sim/nemesis.h"
#include "store/store.h"

namespace cairn::sim {

namespace {

constexpr size_t kFailuresMax = 8;  // more say nothing new
constexpr Duration kBringUpLimit = std::chrono::minutes(1);
constexpr Duration kLivenessLimit = std::chrono::minutes(1);
constexpr Duration kSettleLimit = std::chrono::minutes(1);
constexpr Duration kLookInterval = std::chrono::milliseconds(20);

pd::Options pd_options(int stores) {
  pd::Options options;
  options.members = {{.id = 1, .name = "pd", .client_urls = {"http://pd:2379"}, .peer_urls = {"http://pd:2380"}}};
  options.cluster_id = kCluster.value;
  options.schedule.max_replicas = static_cast<uint32_t>(std::min(stores, 3));
  options.schedule.patrol_region_interval = 100ms;
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
  options.pd_timeout = 1s;
  options.pd_retry_delay = 200ms;
  if (world.is_wild) Profile::vary(options, dice);
  return options;
}

client::Options client_options(rawkv::ApiVersion api_version) {
  client::Options options;
  options.cluster = kCluster;
  options.is_api_v2 = api_version == rawkv::ApiVersion::kV2;
  options.try_timeout = 1s;
  options.budget = 5s;
  options.lock_ttl = 1s;
  options.managed_lock_ttl = 3s;
  return options;
}

}  // namespace

WorldOptions wild_world(uint64_t seed, rawkv::ApiVersion api_version) {
  return {.stores = seed % 2 == 0 ? 4 : 3, .api_version = api_version, .faults = 57s, .is_wild = true};
}

std::string Report::to_string() const {
  std::string out = fmt::format(
      "seed {}: {}; {:.1f} s of virtual time, {} events, {} register operations, {} transfers, {} audits, "
      "{} list transactions, {} splits, {} leader changes, {} snapshots, trace {:016x}, state {:016x}",
      seed, failures.empty() ? "good" : "FAILED", to_seconds(virtual_time), events, register_operations, transfers,
      audits, list_transactions, splits, leader_changes, snapshots, trace_hash, state_hash);
  for (size_t kind = 0; kind < kFaultKinds; ++kind) {
    out += fmt::format("{} {} {}", kind == 0 ? "; faults:" : ",", faults[kind], fault_name(static_cast<Fault>(kind)));
  }
  for (const auto& failure : failures) out += "\n" + failure;
  return out;
}

ClientHost::ClientHost(Surroundings world, const std::string& name, PdHost& pd,
                       std::function<api::Tikv*(NodeId)> service_at, rawkv::ApiVersion api_version)
    : world_(std::move(world)),
      clock_(world_.loop),
      executors_(world_.loop, clock_, name),
      inbox_(executors_.make("inbox")),
      api_version_(api_version),
      self_(world_.network.attach(world_.network.add_node(name), inbox_)),
      service_at_(std::move(service_at)),
      pd_(std::make_unique<SimPd>(world_.network, self_, pd.node(), [&pd] { return pd.service(); })) {
  client_ = std::make_unique<client::Client>(deps(), client_options(api_version));
}

client::Deps ClientHost::deps() {
  return {.pd = *pd_,
          .connect = [this](StoreId store) -> api::Tikv* {
            auto node = world_.directory.find(store);
            return node ? &tikv(*node) : nullptr;
          },
          .executor = *inbox_,
          .clock = clock_,
          .random = world_.loop.random().fork()};
}

client::CorePtr ClientHost::new_core() { return std::make_shared<client::Core>(deps(), client_options(api_version_)); }

api::Tikv& ClientHost::tikv(NodeId node) {
  auto& proxy = tikvs_[node];
  if (!proxy) {
    proxy = std::make_unique<SimTikv>(world_.network, self_, node, [this, node] { return service_at_(node); });
  }
  return *proxy;
}

World::World(uint64_t seed, WorldOptions options)
    : seed_(seed),
      options_(options),
      loop_(seed),
      profile_(options.is_wild ? Profile::draw(loop_.random()) : Profile{}),
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
  pd_ = std::make_unique<PdHost>(surroundings, "pd", pd_options(options_.stores), options_.gc, service_at);
  std::vector<StoreHost*> all;
  for (int i = 1; i <= options_.stores; ++i) {
    const std::string name = "store" + std::to_string(i);
    stores_.push_back(
        std::make_unique<StoreHost>(surroundings, name, store_options(name, options_, loop_.random()), *pd_));
    stores_.back()->set_disk_times(profile_.disk);
    all.push_back(stores_.back().get());
  }
  pd_->set_disk_times(profile_.pd_disk);
  for (int i = 1; i <= options_.clients; ++i) {
    clients_.push_back(std::make_unique<ClientHost>(surroundings, "client" + std::to_string(i), *pd_, service_at,
                                                    options_.api_version));
  }
  auto report = [this](std::string what) { fail(std::move(what)); };
  watch_ = std::make_unique<ClusterWatch>(std::move(all), report);
  registers_ =
      std::make_unique<RegisterWorkload>(loop_, report, RegisterWorkload::Options{.prefix = registers_prefix()});
  bank_ = std::make_unique<BankWorkload>(loop_, report, BankWorkload::Options{.prefix = bank_prefix()});
  lists_ = std::make_unique<ListWorkload>(report, ListWorkload::Options{.prefix = lists_prefix()});
}

World::~World() { network_.close(); }

// In API V2 mode and keyspace come first.
Bytes World::registers_prefix() const {
  return options_.api_version == rawkv::ApiVersion::kV2 ? Bytes("r\0\0\1reg/", 8) : Bytes("reg/");
}

Bytes World::bank_prefix() const {
  return options_.api_version == rawkv::ApiVersion::kV2 ? Bytes("x\0\0\1bank/", 9) : Bytes("bank/");
}

Bytes World::lists_prefix() const {
  return options_.api_version == rawkv::ApiVersion::kV2 ? Bytes("x\0\0\1list/", 9) : Bytes("list/");
}

StoreHost* World::store_of(NodeId node) {
  for (auto& host : stores_) {
    if (host->node() == node) return host.get();
  }
  return nullptr;
}

void World::fail(std::string what) {
  LOG_WARN("sim: {}", what);
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
  return registers_->successes() >= kOperations && bank_->transfers() >= kOperations / 10 &&
         lists_->successes() >= kOperations / 10 && faults[static_cast<size_t>(Fault::kCrash)] >= 1 && splits() >= 1 &&
         snapshots_ >= 1 && watch_->terms_seen() >= 5;
}

uint64_t World::state_hash() const {
  uint64_t hash = pd_->disk().digest();
  for (const auto& store : stores_) hash = hash * 0x9E3779B97F4A7C15ULL ^ store->disk().digest();
  return hash;
}

void World::look_again() {
  watch_->look();
  for (auto& host : stores_) {
    if (host->store() == nullptr) continue;
    for (const auto& status : host->store()->regions()) {
      if (!status.region.peers.empty()) regions_seen_.insert(status.region.id);
    }
  }
  watcher_->after(kLookInterval, [this] { look_again(); });
}

bool World::bring_up() {
  pd_->start();
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

bool World::wait_for_replicas() {
  const size_t replicas = std::min<size_t>(stores_.size(), 3);
  // Asked now and then only: it looks at everything.
  Duration next{};
  const bool is_there = loop_.run_until(
      [&] {
        if (is_failed()) return true;
        if (loop_.now() < next) return false;
        next = loop_.now() + 50ms;
        return watch_->is_settled(replicas);
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
  for (size_t i = 0; i < clients_.size(); ++i) {
    auto& host = *clients_[i];
    const int id = static_cast<int>(i) + 1;
    tasks_ += 3;
    runtime::spawn(host.executor(),
                   counted(registers_->run(&host.client(), &host.executor(), id, loop_.random().next())));
    runtime::spawn(host.executor(), counted(bank_->run(&host.client(), &host.executor(), id, loop_.random().next())));
    runtime::spawn(host.executor(), counted(lists_->run(&host.client(), &host.executor(), loop_.random().next())));
  }
}

void World::heal() {
  LOG_INFO("sim: all faults end");
  network_.heal();
  std::vector<Host*> hosts{pd_.get()};
  for (auto& store : stores_) hosts.push_back(store.get());
  for (Host* host : hosts) {
    host->clock().set_drift(0);
    host->set_disk_times(host == pd_.get() ? profile_.pd_disk.steady() : profile_.disk.steady());
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
  constexpr uint64_t kProgress = 5;
  const bool is_alive = loop_.run_until(
      [&] {
        return is_failed() ||
               (registers_->successes() >= operations + kProgress && bank_->transfers() >= transfers + kProgress &&
                bank_->audits() > audits && lists_->successes() >= lists + kProgress);
      },
      kLivenessLimit);
  if (!is_alive) {
    fail(
        fmt::format("no progress after the faults are over: {} register operations, {} transfers, {} audits, {} list "
                    "transactions\n{}",
                    registers_->successes() - operations, bank_->transfers() - transfers, bank_->audits() - audits,
                    lists_->successes() - lists, watch_->describe()));
  }
  return !is_failed();
}

void World::stop_workloads() {
  registers_->stop();
  bank_->stop();
  lists_->stop();
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
  // What the clients finish in the background: an engine may be ahead of what its store shows.
  loop_.run_for(2s);
  if (wait_for_replicas()) watch_->check_end();
}

void World::stop_nodes() {
  for (auto& store : stores_) {
    if (!store->stop()) fail(store->name() + " does not stop");
  }
  if (!pd_->stop()) fail("pd does not stop");
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
  loop_.run_until([&is_over] { return is_over; }, 4 * options_.faults);
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
