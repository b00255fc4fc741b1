// LogWriter: the one actor that writes the Raft log, for all shards. It takes all batches that wait and ends them with
// one fsync: the busier the store, the more regions share it. It never waits in order to batch. What promises
// durability to another peer leaves only after its answer (INV-QUORUM-FSYNC).
//
// submit() from any thread; the answer runs on the writer's executor. Tests: store_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <functional>
#include <memory>
#include <vector>

#include "base/mutex.h"
#include "engine/raft_log_engine.h"
#include "replica/outbox.h"
#include "runtime/clock.h"
#include "runtime/executor.h"
#include "store/disk_health.h"

namespace cairn::store {

class LogWriter {
 public:
  using OnFailed = std::function<void(engine::Error)>;
  LogWriter(std::shared_ptr<runtime::Executor> executor, engine::RaftLogEngine& log, const runtime::Clock& clock,
            OnFailed on_failed);

  // `done` runs once the batch is written, and on disk if `sync`. After a failure nothing is written or answered.
  using Done = absl::AnyInvocable<void(const replica::LogTimes& times)>;
  void submit(std::unique_ptr<engine::RaftLogBatch> batch, engine::Sync sync, Done done);
  // Runs `job` on the writer's executor behind all that was submitted.
  void drain(runtime::Job job) { executor_->post(std::move(job)); }
  // How long its writes take. Any thread.
  WriteWatch& watch() { return watch_; }

 private:
  struct Waiting {
    std::unique_ptr<engine::RaftLogBatch> batch;
    engine::Sync sync;
    Done done;
    Instant since;
  };
  void run();

  std::shared_ptr<runtime::Executor> executor_;
  engine::RaftLogEngine& log_;
  const runtime::Clock& clock_;
  WriteWatch watch_;
  OnFailed on_failed_;
  bool failed_ = false;  // executor only
  Mutex mutex_;
  std::vector<Waiting> waiting_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::store
