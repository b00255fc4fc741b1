#include "sim/hosts.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "engine/memory/memory_engine.h"
#include "gc/collector.h"
#include "pd/member/identity.h"
#include "pd/member/peer_transport.h"
#include "pd/node/node.h"
#include "server/node.h"
#include "sim/pd_watch.h"
#include "sim/proxies.h"
#include "store/store.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
// Tasks that waited on a node when its power went are never resumed and never freed: that is no leak of the product.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }
#endif
#endif

namespace cairn::sim {

namespace {

// The threads that may wait for a disk. Shards never do, and what arrives over the network is taken in at once.
bool may_wait(const std::string& thread) {
  static constexpr const char* kThreads[] = {"raft-log",   "apply", "read",   "snapshot",
                                             "disk-looks", "gc-",   "pd-log", "store-control"};
  return std::any_of(std::begin(kThreads), std::end(kThreads),
                     [&](const char* prefix) { return thread.starts_with(prefix); });
}

constexpr Duration kStopLimit = std::chrono::minutes(2);  // of virtual time

// Remains of crashed nodes. Tasks that were waiting when the power went are never resumed and never freed, and what
// they refer to stays with them.
void keep_for_ever(std::shared_ptr<void> remains) {
  static std::vector<std::shared_ptr<void>>* graveyard = new std::vector<std::shared_ptr<void>>;
  graveyard->push_back(std::move(remains));
}

}  // namespace

std::vector<SimPd::Place> places_of(const PdHosts& pds) {
  std::vector<SimPd::Place> places;
  for (PdHost* host : pds.all) places.push_back({host->node(), [host] { return host->service(); }});
  return places;
}

Host::Host(Surroundings world, std::string name)
    : world_(std::move(world)),
      name_(std::move(name)),
      node_(world_.network.add_node(name_)),
      clock_(world_.loop),
      disk_dice_(world_.loop.random().fork()) {
  make_disk();
}

void Host::make_disk() {
  disk_ = std::make_shared<engine::MemoryDisk>(world_.profile.memory);
  // Who cannot wait draws no dice either: watchers that read more or less do not change the play.
  disk_->set_pace([this](engine::DiskAccess access, uint64_t) {
    if (world_.loop.may_wait()) world_.loop.wait(disk_times_.of(access, disk_dice_));
  });
  disk_->set_cold([this] { return disk_dice_.chance(disk_times_.cold); });
}

Endpoint Host::power_on() {
  CHECK(!is_up(), "{} is up already", name_);
  ++lives_;
  executors_ = std::make_shared<runtime::SimExecutors>(world_.loop, clock_, name_);
  executors_->let_wait(may_wait);
  if (const Duration longest = world_.profile.queueing_max; longest > Duration{}) {
    // Mostly soon, now and then late.
    executors_->set_queueing([loop = &world_.loop, longest] {
      return loop->random().between(Duration{}, loop->random().chance(0.1) ? longest : longest / 50);
    });
  }
  inbox_ = executors_->make("inbox");
  return world_.network.attach(node_, inbox_);
}

void Host::power_off() {
  world_.network.detach(node_);
  executors_->kill();
  keep_for_ever(executors_);
  executors_ = nullptr;
  inbox_ = nullptr;
}

void Host::crash(engine::CrashKind kind) {
  if (!is_up()) return;
  LOG_INFO("sim: {} crashes", name_);
  power_off();
  bury();
  disk_->crash(world_.loop.random(), kind);
}

void Host::pause() {
  if (is_up()) executors_->pause();
}

void Host::resume() {
  if (is_up() && executors_->is_paused()) executors_->resume();
}

void Host::stall(const std::string& threads, Duration span) {
  if (!is_up()) return;
  for (runtime::SimExecutor* executor : executors_->find(threads)) executor->stall(span);
}

void Host::run_on(const std::string& thread, runtime::Job job) {
  if (!is_up()) return;
  if (const auto found = executors_->find(thread); !found.empty()) found.front()->post(std::move(job));
}

// Threads that wait for the disk when a node has stopped are waited for, as a process would.
bool Host::finish_stop() {
  if (!world_.loop.run_until([this] { return !executors_->has_waiting(); }, kStopLimit)) return false;
  power_off();
  return true;
}

namespace {

// Messages between PD's members are datagrams. One a life of a member.
class SimPeers final : public pd::PeerTransport {
 public:
  SimPeers(Network& network, Endpoint self, PdHost::Peers peers)
      : network_(network), self_(self), peers_(std::move(peers)) {}

  void send(uint64_t to_member, Bytes message) override {
    const NodeId to = peers_.node_of(to_member);
    if (!to.is_set()) return;
    auto shared = std::make_shared<const Bytes>(std::move(message));
    network_.send_datagram(
        self_, to,
        [at = peers_.at, to, shared] {
          if (pd::Node* node = at(to)) node->receive(*shared);
        },
        [at = peers_.at, from = self_.node, to_member] {
          if (pd::Node* node = at(from)) node->report_unreachable(to_member);
        });
  }
  void set_address(const pd::MemberInfo&) override {}
  void on_heard_of(uint64_t) override {}

 private:
  Network& network_;
  Endpoint self_;
  PdHost::Peers peers_;
};

}  // namespace

PdHost& PdHosts::leading() const {
  PdHost* found = all.front();
  for (PdHost* host : all) {
    if (host->serves() && (!found->serves() || host->reigns() > found->reigns())) found = host;
  }
  return *found;
}

// Members are destroyed from below: the node before what it rests on.
struct PdHost::Life {
  std::shared_ptr<runtime::SimExecutors> executors;
  std::unique_ptr<engine::KvEngine> kv;
  std::unique_ptr<engine::RaftLogEngine> raft_log;
  std::unique_ptr<SimPeers> peers;  // null: it is the only member
  std::unique_ptr<pd::Node> node;
  std::unique_ptr<WatchedPd> watched;  // what the others see of it
  std::map<NodeId, std::unique_ptr<SimTikv>> stores;
  std::unique_ptr<gc::Collector> collector;
};

PdHost::PdHost(Surroundings world, std::string name, pd::Options options, std::optional<gc::Options> gc,
               ServiceAt service_at, Peers peers)
    : Host(std::move(world), std::move(name)),
      options_(std::move(options)),
      gc_(gc),
      service_at_(std::move(service_at)),
      peers_(std::move(peers)) {}
PdHost::~PdHost() { crash(engine::CrashKind::kProcess); }

void PdHost::lose_disk() {
  CHECK(!is_up(), "{} is up", name_);
  LOG_INFO("sim: {} loses its disk", name_);
  make_disk();
  has_place_ = false;
}

void PdHost::take_place(const pd::Identity& identity) {
  identity.put_into(options_);
  has_place_ = true;
}

void PdHost::start() {
  if (!has_place_) return;
  const Endpoint self = power_on();
  life_ = std::make_shared<Life>();
  life_->executors = executors_;
  life_->kv = engine::open_memory_kv(disk_);
  life_->raft_log = engine::open_memory_raft_log(disk_);
  if (peers_.at) life_->peers = std::make_unique<SimPeers>(world_.network, self, peers_);
  serves_ = false;
  life_->node = std::make_unique<pd::Node>(
      options_,
      pd::Dependencies{.clock = clock_,
                       .executors = *executors_,
                       .kv = *life_->kv,
                       .raft_log = *life_->raft_log,
                       .seed = world_.loop.random().next(),
                       .transport = life_->peers.get(),
                       .on_fatal = [this](const std::string& why) { world_.fail(name_ + " gave up: " + why); },
                       .on_serving =
                           [this, life = life_.get()](bool serves) {
                             if (life_.get() != life) return;
                             serves_ = serves;
                             if (serves) ++reigns_;
                             if (life->watched) life->watched->begin_reign();
                           }});
  life_->watched =
      std::make_unique<WatchedPd>(*life_->node, clock_, [this](const std::string& why) { world_.fail(why); });
  life_->node->start([this](const api::Status& status) {
    if (!status.ok()) world_.fail(name_ + " did not start: " + status.message);
  });
  if (gc_) start_collector(self);
}

void PdHost::start_collector(Endpoint self) {
  Life* life = life_.get();
  auto executor = executors_->make("gc");
  auto connect = [this, life, self](StoreId store) -> api::Tikv* {
    const auto node = world_.directory.find(store);
    if (!node) return nullptr;
    auto& tikv = life->stores[*node];
    if (!tikv) {
      tikv = std::make_unique<SimTikv>(world_.network, self, *node, [this, node = *node] { return service_at_(node); });
    }
    return tikv.get();
  };
  gc::Deps deps{
      .client = {.pd = *life->node,
                 .connect = connect,
                 .executor = *executor,
                 .clock = clock_,
                 .random = world_.loop.random().fork()},
      .ask_turn = [life](std::function<void(api::GcTurn)> done) { life->node->ask_gc_turn(std::move(done)); }};
  life->collector = std::make_unique<gc::Collector>(std::move(deps), *gc_);
  life->collector->start();
}

bool PdHost::stop() {
  if (!is_up()) return true;
  resume();
  bool is_done = false;
  if (life_->collector) {
    life_->collector->stop([&is_done] { is_done = true; });
    if (!world_.loop.run_until([&is_done] { return is_done; }, kStopLimit)) return false;
    is_done = false;
  }
  life_->node->stop([&is_done] { is_done = true; });
  if (!world_.loop.run_until([&is_done] { return is_done; }, kStopLimit)) return false;
  if (!finish_stop()) return false;
  life_.reset();
  return true;
}

pd::Node* PdHost::pd_node() { return life_ ? life_->node.get() : nullptr; }

api::Pd* PdHost::service() { return life_ ? life_->watched.get() : nullptr; }

void PdHost::bury() { keep_for_ever(std::exchange(life_, nullptr)); }

struct StoreHost::Life {
  std::shared_ptr<runtime::SimExecutors> executors;
  std::unique_ptr<engine::KvEngine> kv;
  std::unique_ptr<engine::RaftLogEngine> raft_log;
  std::unique_ptr<SimPd> pd;
  std::unique_ptr<SimTransport> transport;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<server::Node> node;
  bool is_started = false;
};

StoreHost::StoreHost(Surroundings world, std::string name, store::StoreOptions options, PdHosts pds)
    : Host(std::move(world), std::move(name)), options_(std::move(options)), pds_(std::move(pds)) {}
StoreHost::~StoreHost() { crash(engine::CrashKind::kProcess); }

void StoreHost::start() {
  LOG_INFO("sim: {} starts", name_);
  const Endpoint self = power_on();
  life_ = std::make_shared<Life>();
  Life* life = life_.get();
  life->executors = executors_;
  life->kv = engine::open_memory_kv(disk_);
  life->raft_log = engine::open_memory_raft_log(disk_);
  life->pd = std::make_unique<SimPd>(world_.network, self, places_of(pds_), *inbox_);
  life->transport = std::make_unique<SimTransport>(world_.network, self, world_.directory, *inbox_);
  life->store =
      std::make_unique<store::Store>(options_, store::StoreDeps{.clock = clock_,
                                                                .executors = *executors_,
                                                                .seed = world_.loop.random().next(),
                                                                .kv = *life->kv,
                                                                .raft_log = *life->raft_log,
                                                                .pd = *life->pd,
                                                                .transport = *life->transport,
                                                                .on_fatal = [this](const store::StoreError& error) {
                                                                  world_.fail(name_ + " gave up: " + error.message);
                                                                }});
  life->store->start([this, life](const Result<void, store::StoreError>& started) {
    if (!started.ok()) return world_.fail(name_ + " did not start: " + started.error().message);
    world_.directory.nodes[life->store->id()] = node_;
    life->node =
        std::make_unique<server::Node>(*life->store, clock_,
                                       server::NodeOptions{.cluster = life->store->cluster(),
                                                           .api_version = options_.api_version,
                                                           .read_slices = {.steps = world_.profile.read_slice_steps}});
    life->is_started = true;
  });
}

bool StoreHost::stop() {
  if (!is_up()) return true;
  resume();
  bool is_done = false;
  life_->store->stop([&is_done] { is_done = true; });
  if (!world_.loop.run_until([&is_done] { return is_done; }, kStopLimit)) return false;
  if (!finish_stop()) return false;
  life_.reset();
  return true;
}

void StoreHost::command(pdpb::RegionHeartbeatResponse command) {
  if (life_ && life_->is_started) life_->pd->command(std::move(command));
}

api::Tikv* StoreHost::service() { return life_ && life_->is_started ? life_->node.get() : nullptr; }
store::Store* StoreHost::store() { return life_ && life_->is_started ? life_->store.get() : nullptr; }
engine::KvEngine* StoreHost::data() { return life_ ? life_->kv.get() : nullptr; }

void StoreHost::bury() { keep_for_ever(std::exchange(life_, nullptr)); }

}  // namespace cairn::sim
