// Applier: the actor that applies committed entries to the engine, for all regions of one shard: one engine batch for
// what has come since the last, however many regions it is of. It alone changes the data of the shard's regions.
//
// submit() from the shard; reports come on the applier's executor. Tests: store_test.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "engine/kv_engine.h"
#include "rawkv/api_version.h"
#include "replica/outbox.h"
#include "runtime/clock.h"
#include "runtime/executor.h"
#include "store/births.h"
#include "store/disk_health.h"
#include "store/gc_report.h"

namespace cairn::store {

class Applier {
 public:
  using OnReports = std::function<void(std::vector<replica::ApplyReport>)>;
  using OnFailed = std::function<void(engine::Error)>;
  // `api_version` and `clock` tell what of raw data is garbage; the clock must outlive the applier. `births` are those
  // of the whole store.
  Applier(std::shared_ptr<runtime::Executor> executor, engine::KvEngine& kv, Births& births, StoreId store,
          rawkv::ApiVersion api_version, const runtime::Clock& clock, OnReports on_reports, OnFailed on_failed);

  // A region begins (or begins anew, under another incarnation). Before its first task.
  struct Begin {
    RegionId region;
    replica::Incarnation incarnation = 0;
    PeerId peer;
    metapb::Region description;
    replica::ApplyState state;
  };
  void begin(Begin begin);
  void submit(std::vector<replica::ApplyTask> tasks);
  // Collects old versions of those of the keys that lie in their regions here, in small slices between which waiting
  // entries are applied. `done` runs on the applier's executor.
  void collect_garbage(std::vector<GcKey> keys, Timestamp safe_point, std::function<void(GcBatchReport)> done);
  // Ends collections; `on_stopped` runs on the applier's executor behind all that was submitted.
  void stop(runtime::Job on_stopped);
  // How long its writes of entries take. Any thread.
  WriteWatch& watch() { return watch_; }

 private:
  struct Machine {
    replica::Incarnation incarnation = 0;
    replica::ApplyMachine machine;
  };

  void run(std::vector<replica::ApplyTask> tasks);
  void apply(Machine& machine, const replica::ApplyTask& task, const replica::ApplyEntries& work);
  engine::Result<void> install(Machine& machine, const replica::ApplyTask& task, const replica::InstallSnapshot& work);
  engine::Result<void> destroy(const replica::ApplyTask& task, const replica::DestroyPeer& work);
  // Writes the tombstone.
  engine::Result<void> bury(const replica::ApplyTask& task, metapb::Region last);
  engine::Result<void> write_batch();
  bool may_create(RegionId child, PeerId peer);
  struct Collection {
    std::vector<GcKey> keys;
    Timestamp safe_point;
    std::function<void(GcBatchReport)> done;
    size_t next = 0;  // of the keys
    GcBatchReport report = {};
  };
  void collect_on(std::shared_ptr<Collection> work);
  engine::Result<void> collect_slice(Collection& work);
  // One key, whose changes go into the batch.
  engine::Result<GcBatchReport> collect_key(const engine::Snapshot& snapshot, const Bytes& key, Timestamp safe_point,
                                            engine::WriteBatch& batch) const;

  std::shared_ptr<runtime::Executor> executor_;
  engine::KvEngine& kv_;
  Births& births_;
  const StoreId store_;
  const rawkv::ApiVersion api_version_;
  const runtime::Clock& clock_;
  OnReports on_reports_;
  OnFailed on_failed_;
  WriteWatch watch_;
  // On the executor only.
  bool failed_ = false;
  bool is_stopped_ = false;
  std::map<RegionId, Machine> machines_;
  std::unique_ptr<engine::WriteBatch> batch_;
  Instant submitted_;  // what is run now
  Instant batch_begun_;
  std::map<RegionId, Machine*> in_batch_;       // whose entries the batch holds
  std::vector<replica::ApplyReport> reports_;   // of the batch
  std::vector<RegionId> born_;                  // by splits of the batch
  std::vector<replica::ApplyReport> finished_;  // to be told at the end of the run
};

}  // namespace cairn::store
