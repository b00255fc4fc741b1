#include "store/log_writer.h"

#include <algorithm>
#include <utility>

namespace cairn::store {

LogWriter::LogWriter(std::shared_ptr<runtime::Executor> executor, engine::RaftLogEngine& log,
                     const runtime::Clock& clock, OnFailed on_failed)
    : executor_(std::move(executor)), log_(log), clock_(clock), on_failed_(std::move(on_failed)) {}

void LogWriter::submit(std::unique_ptr<engine::RaftLogBatch> batch, engine::Sync sync, runtime::Job done) {
  bool first = false;
  {
    MutexLock lock(mutex_);
    first = waiting_.empty();
    waiting_.push_back({std::move(batch), sync, std::move(done)});
  }
  if (first) executor_->post([this] { run(); });
}

void LogWriter::run() {
  std::vector<Waiting> round;
  {
    MutexLock lock(mutex_);
    round.swap(waiting_);
  }
  if (failed_) return;
  bool any_sync =
      std::any_of(round.begin(), round.end(), [](const Waiting& w) { return w.sync == engine::Sync::kYes; });
  watch_.begin(clock_.now());
  for (size_t i = 0; i < round.size(); ++i) {
    bool last = i + 1 == round.size();
    auto written = log_.write(*round[i].batch, last && any_sync ? engine::Sync::kYes : engine::Sync::kNo);
    if (!written.ok()) {
      failed_ = true;
      on_failed_(written.error());
      return;
    }
  }
  watch_.end(clock_.now());
  for (auto& one : round) {
    if (one.done) one.done();
  }
}

}  // namespace cairn::store
