#include "store/applier.h"

#include <utility>

#include "base/log.h"
#include "base/redact.h"
#include "mvcc/gc_collect.h"
#include "rawkv/gc.h"
#include "replica/keys.h"
#include "store/metrics.h"

namespace cairn::store {
namespace {

constexpr size_t kBatchBytesMax = 4 << 20;
// Garbage of one slice, so that entries do not wait long: keys, which cost some 10 µs each, and records and values.
constexpr size_t kKeysOfASliceMax = 16;
constexpr size_t kCollectedMax = 512;

}  // namespace

Applier::Applier(std::shared_ptr<runtime::Executor> executor, engine::KvEngine& kv, Births& births, StoreId store,
                 rawkv::ApiVersion api_version, const runtime::Clock& clock, OnReports on_reports, OnFailed on_failed)
    : executor_(std::move(executor)),
      kv_(kv),
      births_(births),
      store_(store),
      api_version_(api_version),
      clock_(clock),
      on_reports_(std::move(on_reports)),
      on_failed_(std::move(on_failed)),
      batch_(kv.new_batch()) {}

void Applier::begin(Begin begin) {
  executor_->post([this, begin = std::move(begin)]() mutable {
    replica::ApplyMachine machine(
        {store_, begin.peer}, std::move(begin.description), begin.state,
        [this](const metapb::Region& child, PeerId peer) { return may_create(RegionId(child.id()), peer); });
    machines_.erase(begin.region);
    machines_.emplace(begin.region, Machine{begin.incarnation, std::move(machine)});
  });
}

void Applier::submit(std::vector<replica::ApplyTask> tasks) {
  executor_->post([this, since = clock_.now(), tasks = std::move(tasks)]() mutable {
    const auto& metrics = StoreMetrics::get();
    const Instant began = clock_.now();
    metrics.apply_wait.observe(began - since);
    metrics.apply_regions.observe(tasks.size());
    size_t entries = 0;
    for (const auto& task : tasks) {
      const auto* work = std::get_if<replica::ApplyEntries>(&task.work);
      if (work == nullptr) continue;
      metrics.apply_messages.observe(work->entries.size());
      entries += work->entries.size();
    }
    metrics.apply_entries.observe(entries);
    submitted_ = since;
    run(std::move(tasks));
    metrics.apply_time.observe(clock_.now() - began);
  });
}

void Applier::stop(runtime::Job on_stopped) {
  executor_->post([this, job = std::move(on_stopped)]() mutable {
    is_stopped_ = true;
    executor_->post(std::move(job));  // behind the next slice of a collection, which is none now
  });
}

bool Applier::may_create(RegionId child, PeerId peer) {
  if (!births_.begin(child, peer)) return false;
  auto bytes = kv_.get(engine::Cf::kRaft, replica::region_state_key(child));
  // Any record here means that the child's peer came some other way, and perhaps went again.
  const auto look = bytes.ok() && !bytes->has_value() ? Births::Look::kFree : Births::Look::kTaken;
  if (!births_.confirm(child, look)) return false;
  born_.push_back(child);
  return true;
}

void Applier::run(std::vector<replica::ApplyTask> tasks) {
  batch_begun_ = clock_.now();
  for (auto& task : tasks) {
    if (failed_) return;
    auto found = machines_.find(task.region);
    engine::Result<void> done;
    if (auto* destroyed = std::get_if<replica::DestroyPeer>(&task.work)) {
      done = destroy(task, *destroyed);
    } else if (found == machines_.end() || found->second.incarnation != task.incarnation) {
      continue;  // a life that is over
    } else if (auto* entries = std::get_if<replica::ApplyEntries>(&task.work)) {
      apply(found->second, task, *entries);
      if (batch_->bytes() >= kBatchBytesMax) done = write_batch();
    } else if (auto* snapshot = std::get_if<replica::InstallSnapshot>(&task.work)) {
      done = install(found->second, task, *snapshot);
    }
    if (!done.ok()) {
      failed_ = true;
      on_failed_(done.error());
      return;
    }
  }
  if (auto written = write_batch(); !written.ok()) {
    failed_ = true;
    on_failed_(written.error());
    return;
  }
  if (!finished_.empty()) on_reports_(std::exchange(finished_, {}));
}

void Applier::apply(Machine& machine, const replica::ApplyTask& task, const replica::ApplyEntries& work) {
  replica::ApplyReport report;
  report.region = task.region;
  report.incarnation = task.incarnation;
  for (const auto& entry : work.entries) {
    if (machine.machine.is_removed()) break;
    report.entries.push_back(machine.machine.apply(entry, *batch_));
  }
  report.applied = machine.machine.applied();
  report.applied_term = machine.machine.state().applied_term;
  report.written = machine.machine.take_written();
  in_batch_[task.region] = &machine;
  reports_.push_back(std::move(report));
}

engine::Result<void> Applier::write_batch() {
  if (reports_.empty()) return {};
  for (auto& [region, machine] : in_batch_) machine->machine.write_state(*batch_);
  watch_.begin(clock_.now());
  TRY_ASSIGN(uint64_t sequence, kv_.write(*batch_));
  births_.end(std::exchange(born_, {}));
  batch_->clear();
  in_batch_.clear();
  const Instant now = clock_.now();
  watch_.end(now);
  for (auto& report : reports_) {
    report.sequence = sequence;
    report.begun = batch_begun_;
    report.finished = now;
    finished_.push_back(std::move(report));
  }
  reports_.clear();
  batch_begun_ = now;
  return {};
}

engine::Result<void> Applier::install(Machine& machine, const replica::ApplyTask& task,
                                      const replica::InstallSnapshot& work) {
  TRY(write_batch());
  const auto& snapshot = work.snapshot;
  const Instant began = clock_.now();
  StoreMetrics::get().snapshot_apply_wait.observe(began - submitted_);
  TRY(replica::install_snapshot(kv_, snapshot.data, snapshot.state, snapshot.folder));
  StoreMetrics::get().snapshot_apply_time.observe(clock_.now() - began);
  machine.machine.reset(snapshot.data.region(), snapshot.state);
  replica::ApplyReport report;
  report.region = task.region;
  report.incarnation = task.incarnation;
  report.applied = snapshot.state.applied;
  report.applied_term = snapshot.state.applied_term;
  report.installed = true;
  report.installed_region = snapshot.data.region();
  finished_.push_back(std::move(report));
  return {};
}

void Applier::collect_garbage(std::vector<GcKey> keys, Timestamp safe_point, std::function<void(GcBatchReport)> done) {
  collect_on(std::make_shared<Collection>(Collection{std::move(keys), safe_point, std::move(done)}));
}

// Each slice waits behind what was submitted before it, so that entries wait for one slice at most.
void Applier::collect_on(std::shared_ptr<Collection> work) {
  executor_->post([this, work = std::move(work)]() mutable {
    if (is_stopped_) return;
    if (failed_ || work->next == work->keys.size()) return work->done(std::move(work->report));
    if (auto collected = collect_slice(*work); !collected.ok()) {
      failed_ = true;
      return on_failed_(collected.error());
    }
    collect_on(std::move(work));
  });
}

engine::Result<GcBatchReport> Applier::collect_key(const engine::Snapshot& snapshot, const Bytes& key,
                                                   Timestamp safe_point, engine::WriteBatch& batch) const {
  GcBatchReport report;
  bool is_done = true;
  if (api_version_ == rawkv::ApiVersion::kV2 && rawkv::is_raw_data_key(key)) {
    TRY_ASSIGN(const auto done,
               rawkv::collect_versions(snapshot, key, safe_point, clock_.wall_now().seconds(), kCollectedMax, batch));
    report.values = done.versions;
    is_done = done.is_done;
  } else {
    TRY_ASSIGN(const auto done, mvcc::collect_garbage(snapshot, key, safe_point, kCollectedMax, batch));
    report.records = done.records;
    report.values = done.values;
    is_done = done.is_done;
  }
  if (!is_done) report.unfinished.push_back(key);
  return report;
}

// Between two batches of entries: nothing changes the regions' data but what is done here.
engine::Result<void> Applier::collect_slice(Collection& work) {
  CHECK(reports_.empty(), "{} regions' entries are not written", reports_.size());
  GcBatchReport& report = work.report;
  auto snapshot = kv_.snapshot();
  auto batch = kv_.new_batch();
  for (size_t n = 0; n < kKeysOfASliceMax && batch->count() < kCollectedMax && work.next < work.keys.size(); ++n) {
    const auto& [id, key] = work.keys[work.next++];
    auto machine = machines_.find(id);
    if (machine == machines_.end() || machine->second.machine.is_removed()) continue;
    const auto& region = machine->second.machine.region();
    if (region.region_epoch().version() == 0 || key < replica::data_key(region.start_key()) ||
        key >= replica::data_end_key(region.end_key())) {
      continue;
    }
    auto done = collect_key(*snapshot, key, work.safe_point, *batch);
    if (!done.ok()) {
      if (done.error().kind != engine::Error::Kind::kCorruption) return Err(done.error());
      LOG_WARN("no old versions of key {} are collected: {}", log::user_text(key), done.error().message);
      continue;
    }
    report.records += done->records;
    report.values += done->values;
    report.unfinished.insert(report.unfinished.end(), done->unfinished.begin(), done->unfinished.end());
  }
  if (!batch->empty()) TRY(kv_.write(*batch));
  return {};
}

engine::Result<void> Applier::destroy(const replica::ApplyTask& task, const replica::DestroyPeer& work) {
  TRY(write_batch());
  metapb::Region last = work.region;
  if (auto machine = machines_.find(task.region); machine != machines_.end()) {
    // What was applied since the shard knows: a split gave a part of the range away.
    const auto& region = machine->second.machine.region();
    if (region.region_epoch().version() != 0) last = region;
    machines_.erase(machine);
  }
  if (last.region_epoch().version() != 0) return bury(task, std::move(last));
  // Had no data as far as the shard knew. It will hear that a split has made the peer anew: that life goes on.
  if (!births_.may_die(task.region)) return {};
  auto bytes = kv_.get(engine::Cf::kRaft, replica::region_state_key(task.region));
  const auto record = bytes.ok() && *bytes ? replica::decode_region_state(**bytes) : std::nullopt;
  const bool is_born = record && record->state() == raft_serverpb::Normal;
  engine::Result<void> buried;
  if (!bytes.ok()) {
    buried = Err(std::move(bytes).error());
  } else if (!is_born) {
    buried = bury(task, std::move(last));
  }
  births_.died(task.region);
  return buried;
}

engine::Result<void> Applier::bury(const replica::ApplyTask& task, metapb::Region last) {
  auto batch = kv_.new_batch();
  replica::write_region_state(*batch, last, raft_serverpb::Tombstone);
  batch->del(engine::Cf::kRaft, replica::apply_state_key(task.region));
  replica::ApplyReport report;
  report.region = task.region;
  report.incarnation = task.incarnation;
  TRY_ASSIGN(report.sequence, kv_.write(*batch));
  report.destroyed = std::move(last);
  finished_.push_back(std::move(report));
  return {};
}

}  // namespace cairn::store
