#include "store/applier.h"

#include <utility>

#include "base/log.h"
#include "mvcc/gc_collect.h"
#include "rawkv/gc.h"
#include "replica/keys.h"

namespace cairn::store {
namespace {

constexpr size_t kBatchBytesMax = 4 << 20;
constexpr size_t kCollectedOfAKeyMax = 4096;  // records and values at a time, so that entries do not wait long

}  // namespace

Applier::Applier(std::shared_ptr<runtime::Executor> executor, engine::KvEngine& kv, StoreId store,
                 rawkv::ApiVersion api_version, const runtime::Clock& clock, OnReports on_reports, OnFailed on_failed)
    : executor_(std::move(executor)),
      kv_(kv),
      store_(store),
      api_version_(api_version),
      clock_(clock),
      on_reports_(std::move(on_reports)),
      on_failed_(std::move(on_failed)),
      batch_(kv.new_batch()) {}

void Applier::begin(Begin begin) {
  executor_->post([this, begin = std::move(begin)]() mutable {
    replica::ApplyMachine machine({store_, begin.peer}, std::move(begin.description), begin.state,
                                  [this](const metapb::Region& child, PeerId) { return may_create(child); });
    machines_.erase(begin.region);
    machines_.emplace(begin.region, Machine{begin.incarnation, std::move(machine)});
  });
}

void Applier::submit(std::vector<replica::ApplyTask> tasks) {
  executor_->post([this, tasks = std::move(tasks)]() mutable { run(std::move(tasks)); });
}

bool Applier::may_create(const metapb::Region& child) const {
  auto bytes = kv_.get(engine::Cf::kRaft, replica::region_state_key(RegionId(child.id())));
  // Any record here means that the child's peer came some other way, and perhaps went again.
  return bytes.ok() && !bytes->has_value();
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
  TRY(replica::install_snapshot(kv_, snapshot.data, snapshot.state, snapshot.folder));
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

void Applier::collect_garbage(std::shared_ptr<const std::vector<Bytes>> keys, Timestamp safe_point,
                              std::function<void(GcBatchReport)> done) {
  executor_->post([this, keys = std::move(keys), safe_point, done = std::move(done)] {
    if (failed_) return done({});
    auto collected = collect(*keys, safe_point);
    if (collected.ok()) return done(std::move(*collected));
    failed_ = true;
    on_failed_(collected.error());
  });
}

engine::Result<GcBatchReport> Applier::collect_key(const engine::Snapshot& snapshot, const Bytes& key,
                                                   Timestamp safe_point, engine::WriteBatch& batch) const {
  GcBatchReport report;
  bool is_done = true;
  if (api_version_ == rawkv::ApiVersion::kV2 && rawkv::is_raw_data_key(key)) {
    TRY_ASSIGN(const auto done, rawkv::collect_versions(snapshot, key, safe_point, clock_.wall_now().seconds(),
                                                        kCollectedOfAKeyMax, batch));
    report.values = done.versions;
    is_done = done.is_done;
  } else {
    TRY_ASSIGN(const auto done, mvcc::collect_garbage(snapshot, key, safe_point, kCollectedOfAKeyMax, batch));
    report.records = done.records;
    report.values = done.values;
    is_done = done.is_done;
  }
  if (!is_done) report.unfinished.push_back(key);
  return report;
}

// Between two batches of entries: nothing changes the regions' data but what is done here.
engine::Result<GcBatchReport> Applier::collect(const std::vector<Bytes>& keys, Timestamp safe_point) {
  CHECK(reports_.empty(), "{} regions' entries are not written", reports_.size());
  std::map<Bytes, Bytes> regions;  // bounds of those that live here, as data keys
  for (const auto& [id, machine] : machines_) {
    const auto& region = machine.machine.region();
    if (machine.machine.is_removed() || region.region_epoch().version() == 0) continue;
    regions.emplace(replica::data_key(region.start_key()), replica::data_end_key(region.end_key()));
  }
  GcBatchReport report;
  auto snapshot = kv_.snapshot();
  auto batch = kv_.new_batch();
  for (const auto& key : keys) {
    auto region = regions.upper_bound(key);
    if (region == regions.begin() || key >= std::prev(region)->second) continue;
    auto done = collect_key(*snapshot, key, safe_point, *batch);
    if (!done.ok()) {
      if (done.error().kind != engine::Error::Kind::kCorruption) return Err(done.error());
      LOG_WARN("no old versions of key {} are collected: {}", to_hex(key), done.error().message);
      continue;
    }
    report.records += done->records;
    report.values += done->values;
    report.unfinished.insert(report.unfinished.end(), done->unfinished.begin(), done->unfinished.end());
    if (batch->bytes() < kBatchBytesMax) continue;
    TRY(kv_.write(*batch));
    batch->clear();
  }
  if (!batch->empty()) TRY(kv_.write(*batch));
  return report;
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
  auto batch = kv_.new_batch();
  replica::write_region_state(*batch, last, raft_serverpb::Tombstone);
  batch->del(engine::Cf::kRaft, replica::apply_state_key(task.region));
  TRY(kv_.write(*batch));
  // The Raft log of the region, with its vote, goes next: the tombstone must be there to stay first. If a crash comes
  // between tombstone and data, the next start clears what belongs to nobody (start.cc).
  bool had_data = last.region_epoch().version() != 0;
  TRY(had_data ? kv_.clear_range(replica::data_key(last.start_key()), replica::data_end_key(last.end_key()))
               : kv_.flush());
  replica::ApplyReport report;
  report.region = task.region;
  report.incarnation = task.incarnation;
  report.destroyed = true;
  finished_.push_back(std::move(report));
  return {};
}

}  // namespace cairn::store
