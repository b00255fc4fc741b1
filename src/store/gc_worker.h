// GcWorker: garbage collection below Raft, on this store alone.
//
//   PD ─ safe point, polled ─▶ GcFilters ─▶ filters of the engine's compactions drop old versions as they pass
//                                  └─ leftovers ─▶ batch by batch to the appliers, who own the data (gc_collect.h)
//   every so often: look at the engine's tables, compact ranges that are waste to a good part
//   UnsafeDestroyRange: a range goes at once, files and all
//
// Replicas collect at their own pace and so differ in what nobody reads. Nothing here is replicated, and nothing needs
// to be: what is lost in a crash is found again by the next compaction. An actor on the store's control executor;
// compactions and range deletions block executors of their own. Tests: gc_worker_test.cc.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "runtime/task.h"
#include "store/compaction_plan.h"
#include "store/gc_filters.h"
#include "store/gc_report.h"
#include "store/shared.h"

namespace cairn::store {

// Hands the keys to the appliers of their regions; `done` runs once, on any thread, when all have been looked at.
using CollectLeftovers =
    std::function<void(std::vector<Bytes> keys, Timestamp safe_point, std::function<void(GcBatchReport)> done)>;

class GcWorker {
 public:
  // `control` is the store's; what is given must outlive the worker.
  GcWorker(Shared& shared, std::shared_ptr<runtime::Executor> control, CollectLeftovers collect);
  ~GcWorker();

  // All below on the control executor, unless it says otherwise.
  void begin();
  // `on_stopped` runs on the control executor when nothing blocks any more.
  void stop(runtime::Job on_stopped);
  void on_safe_point(Timestamp safe_point);
  // Settings that have changed. Whether the compactions collect at all is none of them.
  void reconfigure(const GcOptions& options) { options_ = options; }
  // Removes all data of [begin, end) (data keys) from this store; durable on return. Where there is nothing, nothing
  // waits for the disk. Any executor.
  runtime::Task<engine::Result<void>> destroy_range(Bytes begin, Bytes end, runtime::Executor& resume_on);
  // Removes what a destroyed peer has left; its tombstone is on disk. `done` runs on the executor of deletions. Any
  // thread.
  void clear_remains(Bytes begin, Bytes end, std::function<void(engine::Result<void>)> done);

 private:
  void drain();
  void on_collected(GcBatchReport report);
  void arm_check();
  void check();
  void run_compactions(engine::Cf cf, std::vector<CompactionRange> ranges);
  void plan(engine::Cf cf, const GcOptions& options, OldVersions old_versions, bool& is_cut_short);

  Shared& shared_;
  GcOptions options_ = shared_.options.gc;  // the worker's own, see reconfigure()
  std::shared_ptr<runtime::Executor> control_;
  std::shared_ptr<runtime::Executor> compactions_;  // blocks
  std::shared_ptr<runtime::Executor> deletions_;    // blocks
  CollectLeftovers collect_;
  std::shared_ptr<GcFilters> filters_;
  std::atomic<bool> is_canceled_{false};  // compactions under way end soon
  bool is_stopped_ = false;
  bool is_draining_ = false;
  bool is_checking_ = false;
  runtime::TimerId check_timer_, drain_timer_;
  Timestamp checked_at_;  // the safe point of the last look that left nothing over
};

}  // namespace cairn::store
