#include "store/log_writer.h"

#include <algorithm>
#include <utility>

#include "store/metrics.h"

namespace cairn::store {

LogWriter::LogWriter(std::shared_ptr<runtime::Executor> executor, engine::RaftLogEngine& log,
                     const runtime::Clock& clock, OnFailed on_failed)
    : executor_(std::move(executor)), log_(log), clock_(clock), on_failed_(std::move(on_failed)) {}

void LogWriter::submit(std::unique_ptr<engine::RaftLogBatch> batch, engine::Sync sync, Done done) {
  bool first = false;
  const Instant now = clock_.now();
  {
    MutexLock lock(mutex_);
    first = waiting_.empty();
    waiting_.push_back({std::move(batch), sync, std::move(done), now});
  }
  if (first) executor_->post([this] { run(); });
}

void LogWriter::run() {
  const Instant woken = clock_.now();
  std::vector<Waiting> round;
  {
    MutexLock lock(mutex_);
    round.swap(waiting_);
  }
  if (failed_) return;
  bool any_sync =
      std::any_of(round.begin(), round.end(), [](const Waiting& w) { return w.sync == engine::Sync::kYes; });
  const auto& metrics = StoreMetrics::get();
  size_t bytes = 0;
  for (const auto& one : round) {
    metrics.log_wait.observe(woken - one.since);
    bytes += one.batch->bytes();
  }
  metrics.log_bytes.observe(bytes);
  const Instant began = clock_.now();
  metrics.log_take.observe(began - woken);
  watch_.begin(began);
  for (size_t i = 0; i < round.size(); ++i) {
    bool last = i + 1 == round.size();
    auto written = log_.write(*round[i].batch, last && any_sync ? engine::Sync::kYes : engine::Sync::kNo);
    if (!written.ok()) {
      failed_ = true;
      on_failed_(written.error());
      return;
    }
  }
  const Instant ended = clock_.now();
  watch_.end(ended);
  metrics.log_write.observe(ended - began);
  for (auto& one : round) {
    if (one.done) one.done({.queued = one.since, .begun = began, .ended = ended});
  }
  metrics.log_loop.observe(clock_.now() - began);
}

}  // namespace cairn::store
