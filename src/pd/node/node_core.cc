#include "pd/node/node_core.h"

#include "base/codec.h"
#include "base/log.h"
#include "pd/meta/record_check.h"

namespace cairn::pd {
namespace {

MetaGroup::World world_of(Dependencies& dependencies, runtime::Executor& executor, runtime::Executor& log_executor) {
  return {dependencies.clock,     executor,          log_executor,         dependencies.kv, dependencies.raft_log,
          dependencies.transport, dependencies.seed, dependencies.on_fatal};
}

uint64_t number_of(const std::optional<Bytes>& value) {
  if (!value) return 0;
  ByteView in = *value;
  uint64_t number = 0;
  return codec::get_u64_be(in, number) ? number : 0;
}

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
             {[this](bool leads) { on_leadership(leads); }}),
      stores_(options_.schedule),
      operators_(options_.schedule),
      tso_(to_ms(options_.tso_save_interval)),
      ids_lane_(*executor_, 1),
      cluster_lane_(*executor_, 1),
      gc_lane_(*executor_, 1),
      scan_lane_(*executor_, 1) {}

void NodeCore::start(std::function<void(api::Status)> on_ready) {
  CHECK(!started_, "a node is started once");
  started_ = true;
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
  stopping_ = true;
  on_stopped_ = std::move(on_done);
  ready(MetaGroup::not_leader());
  end_leadership();
  executor_->cancel(timer_);
  group_.stop([self = shared_from_this()] {
    self->log_idle_ = true;
    self->notify_stopped();
  });
}

bool NodeCore::spawn(Task<void> story) {
  if (stopping_) return false;
  ++running_tasks_;
  runtime::spawn_inline(run_counted(shared_from_this(), std::move(story)));
  return true;
}

runtime::Task<void> NodeCore::run_counted(std::shared_ptr<NodeCore> self, Task<void> story) {
  co_await std::move(story);
  --self->running_tasks_;
  self->notify_stopped();
}

void NodeCore::notify_stopped() {
  if (log_idle_ && running_tasks_ == 0 && on_stopped_) std::exchange(on_stopped_, nullptr)();
}

void NodeCore::on_leadership(bool leads) {
  if (leads) {
    spawn(begin_leadership(++leadership_));
  } else {
    end_leadership();
  }
}

runtime::Task<void> NodeCore::begin_leadership(uint64_t leadership) {
  if (!co_await choose_cluster_id(leadership)) co_return;
  keys_ = Keys(cluster_id_);
  if (auto checked = check_records(group_.store().own(), keys_); !checked.ok()) {
    fail_start({api::Code::kDataLoss, checked.error()});
    co_return;
  }
  load_cluster();
  if (cluster_) {
    // A cluster that was made before, with fewer keyspaces.
    const std::string reason = co_await make_keyspaces(leadership);
    if (leadership != leadership_ || stopping_) co_return;
    if (!reason.empty()) LOG_ERROR("not all keyspaces could be made: {}", reason);
  }
  tso_.reset(wall_ms(), (number_of(group_.store().own().value(keys_.timestamp())) + 999'999) / 1'000'000);
  ids_.reset(number_of(group_.store().own().value(keys_.alloc_id())));
  save_tso_bound();  // serving begins when it is saved
}

void NodeCore::fail_start(api::Status status) {
  const auto message = status.message;
  ready(std::move(status));
  if (dependencies_.on_fatal) dependencies_.on_fatal(message);
}

runtime::Task<bool> NodeCore::choose_cluster_id(uint64_t leadership) {
  const auto& own = group_.store().own();
  if (group_.store().has_records_to_adopt()) {
    LOG_INFO("PD's records move out of the etcd key space");
    co_await run(MetaStore::encode_adopt());
  } else if (!own.value(kClusterIdKey)) {
    uint64_t chosen = options_.cluster_id;
    if (chosen == 0) chosen = (dependencies_.clock.wall_now().seconds() << 32) + (random_.next() >> 32) + 1;
    Bytes value;
    codec::put_u64_be(value, chosen);
    MetaTxn txn;
    txn.if_absent(kClusterIdKey).put(kClusterIdKey, value);
    co_await commit(std::move(txn));
  }
  const auto known = own.value(kClusterIdKey);
  if (leadership != leadership_ || stopping_ || !known) co_return false;
  cluster_id_ = number_of(known);
  if (cluster_id_ == 0) {
    fail_start({api::Code::kDataLoss, damaged_record(kClusterIdKey)});
    co_return false;
  }
  if (options_.cluster_id != 0 && options_.cluster_id != cluster_id_) {
    fail_start({api::Code::kFailedPrecondition,
                fmt::format("cluster id is {}, not {} as asked for", cluster_id_, options_.cluster_id)});
    co_return false;
  }
  co_return true;
}

void NodeCore::load_cluster() {
  const auto now = dependencies_.clock.now();
  const auto wall = dependencies_.clock.wall_now();
  const auto& own = group_.store().own();
  cluster_.reset();
  stores_.clear();
  regions_.clear();
  operators_.clear();
  patrol_at_.reset();
  // check_records() has read all of these.
  if (auto value = own.value(keys_.cluster())) cluster_.emplace().ParseFromString(*value);
  own.scan_prefix(keys_.store_prefix(), [&](ByteView, ByteView value) {
    metapb::Store store;
    if (store.ParseFromArray(value.data(), static_cast<int>(value.size()))) stores_.load(std::move(store), now, wall);
  });
  stores_.set_cluster_version({});
  if (auto value = own.value(keys_.cluster_version())) {
    if (auto version = Version::parse(*value)) stores_.set_cluster_version(*version);
  }
  lease_deadlines_.clear();
  for (const auto& [id, lease] : group_.store().leases()) refresh_lease(id);
}

void NodeCore::end_leadership() {
  ++leadership_;
  serving_ = false;
  tso_.stop();
  saving_tso_ = false;
  saving_ids_ = false;
  auto waiting = std::exchange(tso_waiting_, {});
  for (auto& call : waiting) call.finish(MetaGroup::not_leader());
  // Stores open their streams to the leader anew.
  auto streams = std::exchange(streams_, {});
  for (auto& [id, stream] : streams) {
    if (stream.sink.on_closed) stream.sink.on_closed(MetaGroup::not_leader());
  }
}

void NodeCore::arm_timer() {
  timer_ = executor_->after(options_.tso_update_interval, [weak = weak_from_this()] {
    auto self = weak.lock();
    if (!self || self->stopping_) return;
    self->on_timer();
    self->arm_timer();
  });
}

void NodeCore::on_timer() {
  if (on_ready_ && !serving_ && group_.leader() != 0 && group_.leader() != options_.member_id) ready({});
  if (!tso_.is_active()) return;
  tso_.update(wall_ms(), dependencies_.clock.now());
  save_tso_bound();
  if (!serving_ || !group_.is_leader()) return;
  const auto now = dependencies_.clock.now();
  if (now >= next_lease_check_) {
    next_lease_check_ = now + kLeaseCheckInterval;
    expire_leases();
  }
  if (now >= next_patrol_) {
    next_patrol_ = now + options_.schedule.patrol_region_interval;
    patrol();
    advance_store_states();
    metrics_.observe_stores(stores_, regions_, now);
  }
}

runtime::Task<CommandResult> NodeCore::commit(MetaTxn txn) { return run(MetaStore::encode_own(txn)); }

runtime::Task<CommandResult> NodeCore::run(Bytes command) {
  auto [promise, future] = runtime::one_shot<CommandResult>();
  group_.propose(std::move(command),
                 [p = std::move(promise)](CommandResult result) mutable { p.set(std::move(result)); });
  auto result = co_await future.wait(*executor_);
  if (!result) co_return CommandResult{MetaGroup::not_leader(), {}};
  co_return std::move(*result);
}

}  // namespace cairn::pd
