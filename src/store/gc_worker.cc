#include "store/gc_worker.h"

#include <utility>

#include "base/log.h"
#include "base/metrics.h"
#include "base/redact.h"
#include "runtime/async.h"
#include "store/metrics.h"
#include "store/range_data.h"

namespace cairn::store {
namespace {

// Ranges of a column family that one look compacts; the next one comes soon enough.
constexpr size_t kRangesMax = 64;
// Leftovers wait so long before they are collected: by then the compaction that named them has often ended, and what it
// drops need not be deleted again.
constexpr Duration kDrainDelay = 1s;

metrics::Counter& tasks(const std::string& task) {
  return metrics::counter("tikv_gcworker_gc_tasks_vec", "Counter of gc tasks processed by gc_worker", {{"task", task}});
}
metrics::Counter& failures(const std::string& task) {
  return metrics::counter("tikv_gcworker_gc_task_fail_vec", "Counter of gc tasks that is failed", {{"task", task}});
}
metrics::Histogram& durations(const std::string& task) {
  return metrics::histogram("tikv_gcworker_gc_task_duration_vec", "Duration of gc tasks execution", metrics::kJobTimes,
                            {{"task", task}});
}

constexpr const char* kGcKeys = "gc_keys";
constexpr const char* kDestroyRange = "unsafe_destroy_range";
constexpr const char* kCompact = "compact";

}  // namespace

GcWorker::GcWorker(Shared& shared, std::shared_ptr<runtime::Executor> control, CollectLeftovers collect)
    : shared_(shared),
      control_(std::move(control)),
      compactions_(shared.deps.executors.make("gc-compact")),
      deletions_(shared.deps.executors.make("gc-delete")),
      collect_(std::move(collect)),
      filters_(std::make_shared<GcFilters>(shared.options.api_version, shared.deps.clock, [this] {
        control_->post([this] {
          if (is_stopped_ || is_draining_) return;
          is_draining_ = true;
          drain_timer_ = control_->after(kDrainDelay, [this] { drain(); });
        });
      })) {}

GcWorker::~GcWorker() { filters_->close(); }

void GcWorker::begin() {
  for (const char* task : {kGcKeys, kDestroyRange, kCompact}) {
    tasks(task).add(0);
    failures(task).add(0);
  }
  if (options_.enable_compaction_filter) shared_.deps.kv.set_compaction_filters(filters_);
  arm_check();
}

void GcWorker::stop(runtime::Job on_stopped) {
  is_stopped_ = true;
  is_canceled_ = true;
  control_->cancel(check_timer_);
  control_->cancel(drain_timer_);
  filters_->close();
  shared_.deps.kv.set_compaction_filters(nullptr);
  compactions_->post([this, done = std::move(on_stopped)]() mutable {
    deletions_->post([this, done = std::move(done)]() mutable { control_->post(std::move(done)); });
  });
}

void GcWorker::on_safe_point(Timestamp safe_point) {
  if (filters_->set_safe_point(safe_point)) LOG_INFO("the safe point is now {}", safe_point);
}

void GcWorker::drain() {
  if (is_stopped_) return;
  auto keys = filters_->take_leftovers(options_.batch_keys);
  if (keys.empty()) {
    is_draining_ = false;
    return;
  }
  tasks(kGcKeys).add();
  const Instant began = shared_.deps.clock.now();
  collect_(std::move(keys), filters_->safe_point(), [this, began](GcBatchReport report) {
    control_->post([this, began, report = std::move(report)]() mutable {
      durations(kGcKeys).observe(shared_.deps.clock.now() - began);
      on_collected(std::move(report));
    });
  });
}

void GcWorker::on_collected(GcBatchReport report) {
  static auto& records = metrics::counter("tikv_gcworker_gc_keys", "Counter of keys affected during gc",
                                          {{"cf", "write"}, {"tag", "del"}});
  static auto& values = metrics::counter("tikv_gcworker_gc_keys", "Counter of keys affected during gc",
                                         {{"cf", "default"}, {"tag", "del"}});
  records.add(report.records);
  values.add(report.values);
  filters_->put_back(std::move(report.unfinished));
  drain();
}

void GcWorker::arm_check() {
  check_timer_ = control_->after(options_.check_interval, [this] { check(); });
}

void GcWorker::check() {
  if (is_stopped_) return;
  arm_check();
  if (is_checking_) return;  // the last one's compactions are still under way
  is_checking_ = true;
  compactions_->post([this, options = options_, safe_point = filters_->safe_point(), before = checked_at_] {
    const bool collects = options.enable_compaction_filter && safe_point > before;
    bool is_cut_short = false;
    for (engine::Cf cf : engine::kDataCfs) {
      const bool counts = collects && cf == engine::Cf::kWrite;
      plan(cf, options, counts ? OldVersions::kCount : OldVersions::kIgnore, is_cut_short);
    }
    // Behind the compactions that were planned.
    compactions_->post([this, safe_point, is_cut_short] {
      control_->post([this, safe_point, is_cut_short] {
        is_checking_ = false;
        if (!is_cut_short) checked_at_ = safe_point;
      });
    });
  });
}

void GcWorker::plan(engine::Cf cf, const GcOptions& options, OldVersions old_versions, bool& is_cut_short) {
  auto tables = shared_.deps.kv.tables(cf);
  if (!tables.ok()) {
    LOG_WARN("the tables of {} cannot be looked at: {}", engine::cf_name(cf), tables.error().message);
    is_cut_short = true;
    return;
  }
  auto ranges = plan_compactions(*tables, options, old_versions, kRangesMax);
  if (ranges.empty()) return;
  is_cut_short = is_cut_short || ranges.size() == kRangesMax;
  LOG_INFO("{} ranges of {} are to be compacted; the first has {} versions or tombstones too many", ranges.size(),
           engine::cf_name(cf), ranges.front().waste);
  run_compactions(cf, std::move(ranges));
}

void GcWorker::run_compactions(engine::Cf cf, std::vector<CompactionRange> ranges) {
  for (auto& range : ranges) {
    compactions_->post([this, cf, range = std::move(range)] {
      if (is_canceled_) return;
      tasks(kCompact).add();
      const Instant began = shared_.deps.clock.now();
      const auto done = shared_.deps.kv.compact(cf, range.begin, range.end + '\0', is_canceled_);
      durations(kCompact).observe(shared_.deps.clock.now() - began);
      if (done.ok()) return;
      failures(kCompact).add();
      LOG_WARN("a compaction of {} ended early: {}", engine::cf_name(cf), done.error().message);
    });
  }
}

void GcWorker::clear_remains(Bytes begin, Bytes end, std::function<void(engine::Result<void>)> done) {
  deletions_->post([this, begin = std::move(begin), end = std::move(end), done = std::move(done)] {
    const auto& metrics = StoreMetrics::get();
    const Instant began = shared_.deps.clock.now();
    auto cleared = clear_data(shared_.deps.kv, begin, end);
    metrics.ranges_cleared.add();
    metrics.clear_time.observe(shared_.deps.clock.now() - began);
    done(std::move(cleared));
  });
}

// NOLINTNEXTLINE(*-coroutine-parameters): an executor outlives what waits for it (async.h)
runtime::Task<engine::Result<void>> GcWorker::destroy_range(Bytes begin, Bytes end, runtime::Executor& resume_on) {
  co_await runtime::switch_to(*deletions_);
  LOG_INFO("destroying the range [{}, {})", log::user_text(begin), log::user_text(end));
  const Instant began = shared_.deps.clock.now();
  // Durable: whoever is told that it is gone does not ask again after a crash. What was deleted before by another call
  // is durable, too; what was by entries of the Raft log is deleted by them again.
  auto done = clear_data(shared_.deps.kv, begin, end);
  tasks(kDestroyRange).add();
  durations(kDestroyRange).observe(shared_.deps.clock.now() - began);
  if (!done.ok()) failures(kDestroyRange).add();
  co_await runtime::switch_to(resume_on);
  co_return done;
}

}  // namespace cairn::store
