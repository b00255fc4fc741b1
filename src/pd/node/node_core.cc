#include "pd/node/node_core.h"

#include "base/log.h"
#include "pd/meta/record_check.h"

namespace cairn::pd {
namespace {

MetaGroup::World world_of(Dependencies& dependencies, runtime::Executor& executor, runtime::Executor& log_executor) {
  return {dependencies.clock,     executor,          log_executor,         dependencies.kv, dependencies.raft_log,
          dependencies.transport, dependencies.seed, dependencies.on_fatal};
}

constexpr Duration kLookInterval = std::chrono::seconds(1);
constexpr Duration kLeaseCheckInterval = std::chrono::milliseconds(100);

uint64_t to_ms(Duration duration) { return static_cast<uint64_t>(duration / std::chrono::milliseconds(1)); }

}  // namespace

NodeCore::NodeCore(Options options, Dependencies dependencies, std::shared_ptr<runtime::Executor> executor)
    : options_(std::move(options)),
      dependencies_(std::move(dependencies)),
      executor_(std::move(executor)),
      log_executor_(dependencies_.executors.make("pd-log")),
      scan_executor_(dependencies_.executors.make("pd-scan")),
      random_(dependencies_.seed),
      group_(options_, world_of(dependencies_, *executor_, *log_executor_),
             {.on_leadership = [this](bool leads) { on_leadership(leads); },
              .on_applied = [this] { watches_.on_applied(); },
              .on_announced = [this](const cairnpb::MemberRecord& record) { members_.on_announced(record); }}),
      leadership_(dependencies_.clock, *executor_, group_),
      members_(leadership_, options_),
      tso_(leadership_, metrics_, to_ms(options_.tso_save_interval), [this] { begin_serving(); }),
      ids_(leadership_),
      keyspaces_(leadership_, options_.keyspaces),
      regions_(leadership_, ids_, *scan_executor_),
      cluster_(leadership_, options_.schedule, regions_.tree(), keyspaces_, [this] { coordinator_.patrol(); }),
      heartbeats_(leadership_, cluster_.stores(), regions_.tree(), metrics_,
                  [this](const RegionPtr& region, const std::vector<RegionId>& removed) {
                    coordinator_.on_report(region, removed);
                  }),
      coordinator_(leadership_, {.config = options_.schedule,
                                 .stores = cluster_.stores(),
                                 .regions = regions_.tree(),
                                 .heartbeats = heartbeats_,
                                 .ids = ids_,
                                 .metrics = metrics_,
                                 .seed = dependencies_.seed ^ 0x5C4ED01E,
                                 .schedulers = options_.schedulers}),
      gc_(leadership_, options_.member_id, options_.gc_takeover_delay),
      etcd_(leadership_, members_, options_, dependencies_.kv, random_),
      meta_storage_(leadership_, etcd_),
      watches_(leadership_, options_.member_id),
      meta_watches_(leadership_, watches_),
      resources_(leadership_),
      http_parts_{.leadership = leadership_,
                  .options = options_,
                  .members = members_,
                  .cluster = cluster_,
                  .regions = regions_.tree(),
                  .gc = gc_,
                  .keyspaces = keyspaces_,
                  .coordinator = coordinator_,
                  .scan_executor = *scan_executor_} {}

void NodeCore::start(std::function<void(api::Status)> on_ready) {
  CHECK(!started_, "a node is started once");
  started_ = true;
  leadership_.set_owner(weak_from_this());
  on_ready_ = std::move(on_ready);
  if (auto opened = group_.open(); !opened.ok()) {
    ready({api::Code::kDataLoss, opened.error()});
    return;
  }
  group_.start();
  arm_timer();
}

void NodeCore::ready(api::Status status) {
  if (on_ready_) std::exchange(on_ready_, nullptr)(std::move(status));
}

void NodeCore::stop(std::function<void()> on_done) {
  leadership_.stop([this] { notify_stopped(); });
  on_stopped_ = std::move(on_done);
  ready(MetaGroup::not_leader());
  end_leadership();
  executor_->cancel(timer_);
  group_.stop([self = shared_from_this()] {
    self->log_idle_ = true;
    self->notify_stopped();
  });
}

void NodeCore::notify_stopped() {
  if (log_idle_ && leadership_.running_tasks() == 0 && on_stopped_) std::exchange(on_stopped_, nullptr)();
}

void NodeCore::on_leadership(bool leads) {
  if (leads) {
    leadership_.spawn(begin_leadership(leadership_.begin()));
  } else {
    end_leadership();
  }
}

runtime::Task<void> NodeCore::begin_leadership(uint64_t leadership) {
  if (!co_await choose_cluster_id(leadership)) co_return;
  if (auto checked = check_records(leadership_.own(), leadership_.keys()); !checked.ok()) {
    fail_start({api::Code::kDataLoss, checked.error()});
    co_return;
  }
  co_await members_.begin();
  if (leadership != leadership_.number() || leadership_.is_stopping()) co_return;
  cluster_.begin();
  coordinator_.begin();
  resources_.begin();
  if (leadership_.is_bootstrapped()) {
    // A cluster that was made before, with fewer keyspaces.
    const std::string reason = co_await keyspaces_.make_missing(leadership);
    if (leadership != leadership_.number() || leadership_.is_stopping()) co_return;
    if (!reason.empty()) LOG_ERROR("not all keyspaces could be made: {}", reason);
  }
  ids_.begin();
  tso_.begin();  // serving begins when the first bound is saved
}

void NodeCore::begin_serving() {
  etcd_.begin();
  leadership_.serve();
  if (dependencies_.on_serving) dependencies_.on_serving(true);
  LOG_INFO("pd serves cluster {}, timestamps from {}", leadership_.cluster_id(), tso_.physical_ms());
  ready({});
}

void NodeCore::fail_start(api::Status status) {
  const auto message = status.message;
  ready(std::move(status));
  if (dependencies_.on_fatal) dependencies_.on_fatal(message);
}

runtime::Task<bool> NodeCore::choose_cluster_id(uint64_t leadership) {
  const auto& own = leadership_.own();
  if (group_.store().has_records_to_adopt()) {
    LOG_INFO("PD's records move out of the etcd key space");
    co_await leadership_.run(MetaStore::encode_adopt());
  } else if (!own.value(kClusterIdKey)) {
    uint64_t chosen = options_.cluster_id;
    if (chosen == 0) chosen = (dependencies_.clock.wall_now().seconds() << 32) + (random_.next() >> 32) + 1;
    MetaTxn txn;
    txn.if_absent(kClusterIdKey).put(kClusterIdKey, number_bytes(chosen));
    co_await leadership_.commit(std::move(txn));
  }
  const auto known = own.value(kClusterIdKey);
  if (leadership != leadership_.number() || leadership_.is_stopping() || !known) co_return false;
  const uint64_t id = number_of(known);
  if (id == 0) {
    fail_start({api::Code::kDataLoss, damaged_record(kClusterIdKey)});
    co_return false;
  }
  if (options_.cluster_id != 0 && options_.cluster_id != id) {
    fail_start({api::Code::kFailedPrecondition,
                fmt::format("cluster id is {}, not {} as asked for", id, options_.cluster_id)});
    co_return false;
  }
  leadership_.set_cluster(id);
  co_return true;
}

void NodeCore::end_leadership() {
  metrics_.is_leader.set(0);
  PeerMetrics::show_lease({});
  const bool did_serve = leadership_.is_serving();
  leadership_.end();
  ids_.end();
  tso_.end();
  heartbeats_.end();
  watches_.end();
  if (did_serve && dependencies_.on_serving) dependencies_.on_serving(false);
}

void NodeCore::arm_timer() {
  timer_ = executor_->after(options_.tso_update_interval, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || self->leadership_.is_stopping()) return;
    self->on_timer();
    self->arm_timer();
  });
}

void NodeCore::on_timer() {
  if (on_ready_ && !leadership_.is_serving() && group_.leader() != 0 && group_.leader() != options_.member_id)
    ready({});
  members_.on_timer();
  if (!tso_.is_active()) return;
  tso_.on_timer();
  if (!leadership_.can_serve()) return;
  const auto now = dependencies_.clock.now();
  if (now >= next_lease_check_) {
    next_lease_check_ = now + kLeaseCheckInterval;
    etcd_.expire_leases();
    watches_.on_timer(now);
  }
  coordinator_.schedule();
  if (now >= next_patrol_) {
    next_patrol_ = now + options_.schedule.patrol_region_interval;
    coordinator_.patrol();
    cluster_.advance_store_states();
  }
  if (now >= next_look_) {
    next_look_ = now + kLookInterval;
    update_metrics(now);
  }
}

void NodeCore::update_metrics(Instant now) {
  metrics_.observe_stores(cluster_.stores(), regions_.tree(), now);
  metrics_.observe_settings(options_.schedule);
  coordinator_.observe();
  metrics_.observe_group({.term = group_.term(),
                          .applied = group_.applied_index(),
                          .last = group_.last_index(),
                          .store_bytes = group_.store().bytes(),
                          .disk_bytes = dependencies_.kv.space().used});
  PeerMetrics::show_lease(group_.lease_left());
  metrics_.observe_leader(leadership_.cluster_id(), ids_.last());
  metrics_.tso_physical.set(static_cast<double>(tso_.physical_ms()));
  metrics_.tso_gap.set(static_cast<double>(leadership_.wall_ms()) - static_cast<double>(tso_.physical_ms()));
}

}  // namespace cairn::pd
