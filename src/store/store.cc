#include "store/store.h"

#include <algorithm>
#include <atomic>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "base/mutex.h"
#include "replica/keys.h"
#include "replica/message_check.h"
#include "replica/region_check.h"
#include "runtime/async.h"
#include "store/core.h"
#include "store/deadlocks.h"
#include "store/placement.h"
#include "store/siblings.h"
#include "store/snapshot_receiver.h"
#include "store/start.h"

namespace cairn::store {

using engine::RegionError;

Store::Core::Core(StoreOptions options, StoreDeps deps) : shared(std::move(options), std::move(deps)) {
  auto& executors = shared.deps.executors;
  control = executors.make("store-control");
  read_pool = executors.make_pool("read", shared.options.read_threads);
  shared.command_reads = executors.make_pool("read-command", shared.options.read_threads);
  shared.snapshot_pool = executors.make_pool("snapshot", shared.options.snapshot_threads);
  shared.disk_looks = executors.make("disk-looks");
  shared.log_writer = std::make_unique<LogWriter>(executors.make("raft-log"), shared.deps.raft_log, shared.deps.clock,
                                                  [this](const engine::Error& error) { shared.fail(error); });
  PdSession::Hooks hooks;
  hooks.on_command = [this](pdpb::RegionHeartbeatResponse command) { on_pd_command(std::move(command)); };
  hooks.on_region_found = [this](metapb::Region region) {
    auto& shard = shard_of(RegionId(region.id()));
    shard.executor().post([&shard, region = std::move(region)] { shard.on_region_gone(region); });
  };
  hooks.on_reconnected = [this] {
    for (auto& shard : shards) shard->executor().post([at = shard.get()] { at->report_again(); });
  };
  hooks.region_count = [this] { return shared.directory.regions().size(); };
  hooks.on_stores = [this](std::shared_ptr<const replica::KnownStores> known) {
    for (auto& shard : shards) shard->executor().post([at = shard.get(), known] { at->set_stores(known); });
  };
  hooks.on_safe_point = [this](Timestamp safe_point) { gc->on_safe_point(safe_point); };
  gc = std::make_unique<GcWorker>(shared, control, [this](auto keys, Timestamp safe_point, auto done) {
    collect_leftovers(std::move(keys), safe_point, std::move(done));
  });
  health =
      std::make_unique<DiskHealth>(control, shared.deps.clock, shared.options.inspect_interval, [this](Instant now) {
        Duration longest = shared.log_writer->watch().take_longest(now);
        StoreMetrics::get().longest_log_write.observe(longest);
        for (auto& shard : shards) longest = std::max(longest, shard->apply_watch().take_longest(now));
        StoreMetrics::get().longest_write.observe(longest);
        return longest;
      });
  shared.slow_score = [this] { return health->slow_score(); };
  shared.deadlocks = std::make_shared<Deadlocks>(shared, executors.make("deadlock"));
  pd = std::make_shared<PdSession>(shared, control, std::move(hooks));
  shared.heartbeat = [this](pdpb::RegionHeartbeatRequest request) { pd->heartbeat(std::move(request)); };
  shared.sync_max_ts = [this](Shared::OnTimestamp done) { pd->sync_max_ts(std::move(done)); };
  shared.report_missing_leader = [this](RegionId region) { pd->look_up(region); };
  shared.look_for_store = [this](StoreId store) { pd->look_for(store); };
  shared.split = [this](engine::RegionRequest request, std::vector<Bytes> keys, std::function<void(bool)> done) {
    start_split(std::move(request), std::move(keys), std::move(done));
  };
  shared.clear_remains = [this](Bytes begin, Bytes end, std::function<void(engine::Result<void>)> done) {
    gc->clear_remains(std::move(begin), std::move(end), std::move(done));
  };
  shared.post_to_shard = [this](int index, absl::AnyInvocable<void(Shard&)> job) {
    auto& shard = *shards[static_cast<size_t>(index)];
    shard.executor().post([&shard, job = std::move(job)]() mutable { job(shard); });
  };
}

Store::Core::~Core() {
  shared.revoke();
  // A store that is dropped without stop() was killed: the frames of its tasks are lost with its process.
  if (!tasks->empty()) static_cast<void>(tasks.release());
}

int Store::Core::shard_index(RegionId region) const {
  if (auto entry = shared.directory.find(region)) return entry->shard;
  return home_shard(region, static_cast<int>(shards.size()));
}

void Store::Core::make_shards() {
  for (int i = 0; i < std::max(1, shared.options.shards); ++i) {
    shards.push_back(std::make_unique<Shard>(i, shared, pd->stores()));
  }
}

void Store::Core::load(std::vector<Shard::LoadedRegion> regions) {
  std::vector<RegionDirectory::Range> ranges;
  for (const auto& loaded : regions) {
    const auto& region = loaded.region;
    ranges.push_back({RegionId(region.id()), region.start_key(), region.end_key()});
  }
  shared.directory.set_ranges(ranges);
  for (auto& loaded : regions) {
    RegionId id(loaded.region.id());
    const int index = home_shard(id, static_cast<int>(shards.size()));
    shared.directory.claim(id, index);
    auto& shard = *shards[static_cast<size_t>(index)];
    shard.executor().post([&shard, region = std::move(loaded)]() mutable { shard.load(std::move(region)); });
  }
}

runtime::Task<void> Store::Core::start(absl::AnyInvocable<void(Result<void, StoreError>)> on_started) {
  auto identified = co_await identify(shared, pd);
  if (!identified.ok()) {
    on_started(std::move(identified));
    co_return;
  }
  auto regions = load_regions(shared);
  if (!regions.ok()) {
    on_started(Err(StoreError{StoreError::Kind::kEngine, regions.error().message}));
    co_return;
  }
  LOG_INFO("store {} of cluster {} starts with {} regions", shared.store, shared.cluster, regions->size());
  make_shards();
  load(std::move(*regions));
  gc->begin();
  health->begin();
  pd->begin();
  for (auto& shard : shards) shard->executor().post([s = shard.get()] { s->begin(); });
  figures = std::make_unique<StoreFigures>(shared);
  started.store(true, std::memory_order_release);
  on_started({});
}

void Store::Core::depart(absl::AnyInvocable<void(uint64_t)> on_departed) {
  CHECK(is_started(), "a store departs that has not started");
  shared.departing = true;
  control->post([this, done = std::move(on_departed)]() mutable {
    pd->report_departure();
    struct Barrier {
      std::atomic<size_t> left;
      absl::AnyInvocable<void(uint64_t)> done;
    };
    auto barrier = std::make_shared<Barrier>();
    barrier->left = shards.size();
    barrier->done = std::move(done);
    for (auto& shard : shards) {
      shard->executor().post([this, s = shard.get(), barrier] {
        s->depart([this, barrier] {
          if (--barrier->left == 0) barrier->done(shared.counters.leaders);
        });
      });
    }
  });
}

void Store::Core::stop(absl::AnyInvocable<void()> on_stopped) {
  shared.stopping = true;
  control->post([this, done = std::move(on_stopped)]() mutable {
    figures.reset();
    pd->stop();
    health->stop();
    shared.deadlocks->stop();
    gc->stop([this, done = std::move(done)]() mutable { stop_shards(std::move(done)); });
  });
}

void Store::Core::stop_shards(absl::AnyInvocable<void()> on_stopped) {
  // A task may wait for a split that is never committed.
  for (auto& shard : shards) shard->executor().post([s = shard.get()] { s->refuse(); });
  tasks->close([this, done = std::move(on_stopped)]() mutable {
    struct Barrier {
      std::atomic<size_t> left;
      absl::AnyInvocable<void()> done;
    };
    if (shards.empty()) {
      shared.revoke();
      done();
      return;
    }
    auto barrier = std::make_shared<Barrier>();
    barrier->left = shards.size();
    barrier->done = std::move(done);
    for (auto& shard : shards) {
      shard->executor().post([this, s = shard.get(), barrier] {
        s->stop([this, barrier] {
          if (--barrier->left > 0) return;
          shared.log_writer->drain([this, barrier] {
            control->post([this, barrier] {
              shared.revoke();
              barrier->done();
            });
          });
        });
      });
    }
  });
}

void Store::Core::collect_leftovers(std::vector<Bytes> keys, Timestamp safe_point,
                                    std::function<void(GcBatchReport)> done) {
  struct Gathered {
    Mutex mutex;
    size_t left CAIRN_GUARDED_BY(mutex) = 0;
    GcBatchReport report CAIRN_GUARDED_BY(mutex);
    std::function<void(GcBatchReport)> done CAIRN_GUARDED_BY(mutex);
  };
  std::vector<std::vector<GcKey>> parts(shards.size());
  for (auto& key : keys) {
    auto region = shared.directory.region_at(ByteView(key).substr(1));  // behind the prefix of data keys
    auto entry = region ? shared.directory.find(*region) : std::nullopt;
    if (entry) parts[static_cast<size_t>(entry->shard)].push_back({*region, std::move(key)});
  }
  const auto left = std::count_if(parts.begin(), parts.end(), [](const auto& part) { return !part.empty(); });
  if (left == 0) return done({});  // of regions that went away
  auto gathered = std::make_shared<Gathered>();
  {
    MutexLock lock(gathered->mutex);
    gathered->left = static_cast<size_t>(left);
    gathered->done = std::move(done);
  }
  for (size_t i = 0; i < shards.size(); ++i) {
    if (parts[i].empty()) continue;
    shards[i]->collect_garbage(std::move(parts[i]), safe_point, [gathered](GcBatchReport part) {
      MutexLock lock(gathered->mutex);
      auto& sum = gathered->report;
      sum.records += part.records;
      sum.values += part.values;
      std::move(part.unfinished.begin(), part.unfinished.end(), std::back_inserter(sum.unfinished));
      if (--gathered->left == 0) gathered->done(std::move(sum));
    });
  }
}

void Store::Core::on_pd_command(pdpb::RegionHeartbeatResponse command) {
  if (!is_started() || command.region_id() == 0) return;
  if (!command.has_split_region()) {
    auto& shard = shard_of(RegionId(command.region_id()));
    shard.executor().post([&shard, command = std::move(command)] { shard.on_pd_command(command); });
    return;
  }
  if (command.split_region().policy() != pdpb::USEKEY) return;  // half splits are the store's own business
  engine::RegionRequest request;
  request.region = RegionId(command.region_id());
  request.epoch = replica::describe(command.region_epoch());
  std::vector<Bytes> keys(command.split_region().keys().begin(), command.split_region().keys().end());
  start_split(std::move(request), std::move(keys));
}

void Store::Core::start_split(engine::RegionRequest request, std::vector<Bytes> keys, std::function<void(bool)> done) {
  control->post([this, request, keys = std::move(keys), done = std::move(done)]() mutable {
    struct Story {
      static runtime::Task<void> tell(Core* core, engine::RegionRequest asked, std::vector<Bytes> at,
                                      std::function<void(bool)> on_end) {
        auto outcome = co_await core->split(std::move(asked), std::move(at));
        if (!outcome.ok()) LOG_INFO("a split is not carried out: {}", engine::to_string(outcome.error()));
        co_await runtime::switch_to(*core->control);
        if (on_end) on_end(outcome.ok());
      }
    };
    tasks->spawn(Story::tell(this, std::move(request), std::move(keys), std::move(done)));
  });
}

runtime::Task<Result<std::vector<engine::RegionDescription>, RegionError>> Store::Core::split(
    engine::RegionRequest request, std::vector<Bytes> keys) {
  auto* shard = &shard_of(request.region);
  co_await runtime::switch_to(shard->executor());
  auto region = shard->region_for(request);
  if (!region.ok()) co_return Err(std::move(region).error());
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  for (const auto& key : keys) {
    if (!replica::in_range(key, region->start_key(), region->end_key())) {
      co_return Err(RegionError(engine::KeyNotInRegion{key, replica::describe(*region)}));
    }
  }
  std::erase(keys, region->start_key());  // a bound already
  if (keys.empty()) {
    std::vector<engine::RegionDescription> unchanged{replica::describe(*region)};
    co_return std::move(unchanged);
  }
  co_await runtime::switch_to(*control);
  auto ids = co_await pd->ask_split(*region, static_cast<uint32_t>(keys.size()));
  if (!ids.ok()) co_return Err(RegionError(engine::OtherRegionError{"PD gave no ids for a split: " + ids.error()}));
  raft_cmdpb::BatchSplitRequest splits;
  splits.set_right_derive(true);
  for (size_t i = 0; i < keys.size(); ++i) {
    auto& part = *splits.add_requests();
    part.set_split_key(keys[i]);
    part.set_new_region_id(ids->ids(static_cast<int>(i)).new_region_id());
    *part.mutable_new_peer_ids() = ids->ids(static_cast<int>(i)).new_peer_ids();
    part.set_right_derive(true);
  }
  request.epoch = replica::describe(region->region_epoch());
  co_await runtime::switch_to(shard->executor());
  co_return co_await shard->split(std::move(request), std::move(splits));
}

Store::Store(StoreOptions options, StoreDeps deps)
    : core_(std::make_shared<Core>(std::move(options), std::move(deps))) {}
Store::~Store() = default;

void Store::start(absl::AnyInvocable<void(Result<void, StoreError>)> on_started) {
  core_->control->post([core = core_.get(), done = std::move(on_started)]() mutable {
    core->tasks->spawn(core->start(std::move(done)));
  });
}

void Store::reconfigure(const StoreOptions& options) {
  auto& shared = core_->shared;
  shared.snapshots_sending_max = static_cast<uint64_t>(std::max(1, options.snapshots_sending_max));
  shared.snapshots_receiving_max = static_cast<uint64_t>(std::max(1, options.snapshots_receiving_max));
  core_->control->post([core = core_.get(), options] {
    core->pd->reconfigure(options);
    core->gc->reconfigure(options.gc);
    for (auto& shard : core->shards) {
      shard->executor().post([s = shard.get(), options] { s->reconfigure(options); });
    }
  });
}

void Store::depart(absl::AnyInvocable<void(uint64_t)> on_departed) { core_->depart(std::move(on_departed)); }

void Store::stop(absl::AnyInvocable<void()> on_stopped) { core_->stop(std::move(on_stopped)); }

int Store::slow_score() const { return core_->health->slow_score(); }

StoreId Store::id() const { return core_->shared.store; }
ClusterId Store::cluster() const { return core_->shared.cluster; }
const StoreOptions& Store::options() const { return core_->shared.options; }

void Store::on_shard(RegionId region, absl::AnyInvocable<void(ShardHandle&)> job) {
  on_shard_at(core_->shard_index(region), std::move(job));
}

int Store::shard_count() const { return static_cast<int>(core_->shards.size()); }

void Store::on_shard_at(int index, absl::AnyInvocable<void(ShardHandle&)> job) {
  auto& shard = *core_->shards[static_cast<size_t>(index)];
  if (shard.executor().is_current()) {
    job(shard);
    return;
  }
  shard.executor().post([&shard, job = std::move(job)]() mutable { job(shard); });
}

std::optional<Result<engine::RegionSnapshotPtr, RegionError>> Store::try_lease_snapshot(
    const engine::RegionRequest& request) {
  auto& shared = core_->shared;
  auto entry = shared.directory.find(request.region);
  if (!entry || request.replica_read || request.stale_read || shared.stopping) return std::nullopt;
  const auto& metrics = StoreMetrics::get();
  metrics.local_reads_asked.add();
  auto view = entry->cell->view();
  if (!view) {
    metrics.local_reads_no_lease.add();
    return std::nullopt;
  }
  replica::PeerView peer{shared.store, view->peer, view->term, true, true, std::nullopt, &view->region};
  if (auto error = replica::check_request(request, peer)) {
    if (auto* mismatch = std::get_if<engine::EpochNotMatch>(&*error)) {
      add_siblings(*mismatch, request.epoch, shared.directory);
    }
    metrics.local_reads_refused.add();
    return Err(std::move(*error));
  }
  LogIndex applied = entry->cell->applied();
  if (!entry->cell->lease_is_valid(shared.deps.clock.now())) {
    metrics.local_reads_no_lease.add();
    return std::nullopt;
  }
  auto snapshot = shared.deps.kv.snapshot();
  if (entry->cell->view() != view) return std::nullopt;  // something changed meanwhile: the shard knows
  metrics.local_reads.add();
  return replica::make_region_snapshot(std::move(snapshot), std::move(view), applied);
}

// NOLINTBEGIN(*-coroutine-parameters): an executor outlives what waits for it (async.h)
runtime::Task<Result<engine::RegionSnapshotPtr, RegionError>> Store::snapshot(engine::RegionRequest request,
                                                                              runtime::Executor& resume_on) {
  if (auto leased = try_lease_snapshot(request)) {
    co_await runtime::switch_to(resume_on);
    co_return std::move(*leased);
  }
  auto* shard = &core_->shard_of(request.region);
  co_await runtime::switch_to(shard->executor());
  auto result = co_await shard->snapshot(std::move(request));
  co_await runtime::switch_to(resume_on);
  co_return std::move(result);
}

runtime::Task<Result<engine::RegionSnapshotPtr, RegionError>> Store::snapshot_with_locks(engine::RegionRequest request,
                                                                                         runtime::Executor& resume_on) {
  auto* shard = &core_->shard_of(request.region);
  co_await runtime::switch_to(shard->executor());
  auto result = co_await shard->snapshot_with_locks(std::move(request));
  co_await runtime::switch_to(resume_on);
  co_return std::move(result);
}

runtime::Executor& Store::read_pool() { return *core_->read_pool; }

runtime::Task<Result<Timestamp, std::string>> Store::timestamps(uint32_t count) {
  auto pd = core_->pd;
  co_await runtime::switch_to(*core_->control);
  co_return co_await pd->timestamps(count);
}

txn::ConcurrencyManager& Store::concurrency() { return core_->shared.concurrency; }

runtime::Task<Result<std::vector<engine::RegionDescription>, RegionError>> Store::split_region(
    engine::RegionRequest request, std::vector<Bytes> keys, runtime::Executor& resume_on) {
  auto result = co_await core_->split(std::move(request), std::move(keys));
  co_await runtime::switch_to(resume_on);
  co_return std::move(result);
}

runtime::Task<Result<LogIndex, RegionError>> Store::read_index(engine::RegionRequest request,
                                                               runtime::Executor& resume_on) {
  auto* shard = &core_->shard_of(request.region);
  co_await runtime::switch_to(shard->executor());
  auto result = co_await shard->read_index(std::move(request));
  co_await runtime::switch_to(resume_on);
  co_return std::move(result);
}

runtime::Task<engine::Result<void>> Store::destroy_range(Bytes begin, Bytes end, runtime::Executor& resume_on) {
  co_return co_await core_->gc->destroy_range(replica::data_key(begin), replica::data_key(end), resume_on);
}
// NOLINTEND(*-coroutine-parameters)

void Store::transfer_leader(RegionId region, PeerId to) {
  auto& shard = core_->shard_of(region);
  shard.executor().post([&shard, region, to] { shard.transfer_leader(region, to); });
}

void Store::on_raft_message(raft_serverpb::RaftMessage message) {
  // Snapshots come with their files, by begin_snapshot().
  if (message.message().msg_type() == eraftpb::MsgSnapshot) return;
  core_->on_raft_message(std::move(message));
}

void Store::Core::on_raft_message(raft_serverpb::RaftMessage message) {
  if (!is_started() || shared.stopping) return;
  if (message.to_peer().store_id() != shared.store.value) return;
  if (const char* why = replica::why_malformed(message)) {
    shared.refusals.note(Refusals::Origin(message), why, shared.deps.clock.now());
    return;
  }
  auto& shard = shard_of(RegionId(message.region_id()));
  shard.executor().post(
      [&shard, message = std::move(message)]() mutable { shard.on_raft_message(std::move(message)); });
}

void Store::on_unreachable(StoreId store) {
  // Each message that is dropped says so, and each report is a walk over all regions.
  if (!core_->is_started() || !core_->unreachable.is_due(store, core_->shared.deps.clock.now())) return;
  for (auto& shard : core_->shards) {
    shard->executor().post([s = shard.get(), store] { s->on_unreachable(store); });
  }
}

void Store::on_unreachable(RegionId region, PeerId peer) {
  if (!core_->is_started()) return;
  auto& shard = core_->shard_of(region);
  shard.executor().post([&shard, region, peer] { shard.on_unreachable(region, peer); });
}

Result<std::unique_ptr<SnapshotReceiver>, std::string> Store::begin_snapshot(raft_serverpb::RaftMessage message) {
  auto& shared = core_->shared;
  if (!core_->is_started() || shared.stopping) return Err(std::string("the store is not ready"));
  if (message.to_peer().store_id() != shared.store.value) return Err(std::string("the snapshot is for another store"));
  if (shared.counters.snapshots_receiving >= shared.snapshots_receiving_max) {
    return Err(std::string("too many snapshots are being received"));
  }
  if (shared.own_disk_usage != disk_usage::Normal) return Err(std::string("the disk has no room"));
  raft_serverpb::RaftSnapshotData data;
  if (message.message().msg_type() != eraftpb::MsgSnapshot ||
      !data.ParseFromString(message.message().snapshot().data())) {
    return Err(std::string("not a snapshot"));
  }
  if (const char* why = replica::why_malformed(message)) {
    shared.refusals.note(Refusals::Origin(message), why, shared.deps.clock.now());
    return Err(std::string(why));
  }
  data.mutable_meta()->clear_tablet_snap_path();
  return std::make_unique<FileSnapshotReceiver>(
      shared, std::move(message), std::move(data),
      [core = core_.get()](raft_serverpb::RaftMessage whole) { core->on_raft_message(std::move(whole)); });
}

std::vector<RegionStatus> Store::regions() const {
  std::vector<RegionStatus> out;
  if (!core_->is_started()) return out;
  for (const auto& shard : core_->shards) {
    auto part = shard->status();
    out.insert(out.end(), std::make_move_iterator(part.begin()), std::make_move_iterator(part.end()));
  }
  std::sort(out.begin(), out.end(),
            [](const RegionStatus& a, const RegionStatus& b) { return a.region.id < b.region.id; });
  return out;
}

std::unique_ptr<api::DeadlockStream> Store::open_detect(api::DeadlockSink sink) {
  return core_->shared.deadlocks->open_detect(std::move(sink));
}

// NOLINTNEXTLINE(*-coroutine-parameters): an executor outlives what waits for it (async.h)
runtime::Task<std::vector<deadlock::WaitForEntry>> Store::lock_waits(LockWaits which, runtime::Executor& resume_on) {
  std::vector<deadlock::WaitForEntry> entries;
  const auto add = [&entries](const txn::LockWait& wait) {
    entries.push_back(to_wire(wait.edge));
    entries.back().set_wait_time(static_cast<uint64_t>(std::max<int64_t>(0, wait.waited / 1ms)));
  };
  for (auto& shard : core_->shards) {
    co_await runtime::switch_to(shard->executor());
    const auto& waiting = shard->scheduler().lock_waiting();
    if (which == LockWaits::kNow) {
      for (const auto& wait : waiting.waits()) add(wait);
    } else {
      for (const auto& wait : waiting.ended_waits()) add(wait);
    }
  }
  co_await runtime::switch_to(resume_on);
  co_return std::move(entries);
}

StoreStats Store::stats() const {
  const auto& counters = core_->shared.counters;
  StoreStats stats;
  stats.regions = core_->shared.directory.regions().size();
  stats.leaders = counters.leaders;
  stats.bytes_written = counters.bytes_written;
  stats.keys_written = counters.keys_written;
  stats.snapshots_sending = counters.snapshots_sending;
  stats.snapshots_receiving = counters.snapshots_receiving;
  stats.snapshots_applying = counters.snapshots_applying;
  stats.messages_refused = core_->shared.refusals.count();
  return stats;
}

}  // namespace cairn::store
