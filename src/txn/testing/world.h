// One region in memory with a scheduler over it, for the tests of txn/: commands run to their end in virtual time.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/memory/local_region_store.h"
#include "engine/memory/memory_engine.h"
#include "runtime/simulated/sim_loop.h"
#include "runtime/testing/run_now.h"
#include "txn/reads.h"
#include "txn/scheduler.h"
#include "txn/testing/local_deadlocks.h"

namespace cairn::txn::testing {

class World {
 public:
  explicit World(SchedulerLimits limits = {},
                 engine::RegionDescription region = engine::LocalRegionStore::whole_key_space())
      : store_(engine::open_memory_kv(disk_), *executor_, std::move(region)),
        deadlocks_(clock_, limits.lock_waiting.timeout_default),
        scheduler_(store_, concurrency_, clock_, deadlocks_, limits) {
    store_.set_read_executor(*readers_);
    disk_->set_cold([this] { return dice_.chance(cold_reads_); });
  }

  // Starts a command; the answer appears in the result once it is there.
  template <class C>
  std::shared_ptr<std::optional<Answer<typename C::Result>>> start(C command, engine::RegionRequest request) {
    auto answer = std::make_shared<std::optional<Answer<typename C::Result>>>();
    runtime::spawn(*executor_, into(&scheduler_, std::move(command), std::move(request), answer));
    return answer;
  }
  template <class C>
  Answer<typename C::Result> run_raw(C command, engine::RegionRequest request) {
    auto answer = start(std::move(command), std::move(request));
    const bool is_done = loop_.run_until([&] { return answer->has_value(); }, std::chrono::seconds(10));
    CHECK(is_done, "a command never ended");
    return std::move(**answer);
  }
  // Runs a command that must not fail as a whole.
  template <class C>
  typename C::Result run(C command) {
    auto answer = run_raw(std::move(command), store_.request());
    CHECK(answer.ok(), "a command failed");
    return std::move(*answer);
  }

  // With the locks of memory in it.
  engine::RegionSnapshotPtr snapshot() { return scheduler_.pessimistic_locks().frozen(store_.snapshot_now()); }
  // All of them.
  std::vector<LockInfo> locks() {
    const auto from = snapshot();
    const ScanLock scan{Timestamp::max(), {}, {}, 0};
    auto found = runtime::testing::run_now([&](auto& slices) { return scan_lock(*from, scan, slices); });
    CHECK(found.ok() && !found->error, "locks cannot be scanned");
    return std::move(found->locks);
  }
  engine::LocalRegionStore& store() { return store_; }
  Scheduler& scheduler() { return scheduler_; }
  ConcurrencyManager& concurrency() { return concurrency_; }
  LocalDeadlocks& deadlocks() { return deadlocks_; }
  runtime::SimLoop& loop() { return loop_; }
  runtime::SimClock& clock() { return clock_; }
  runtime::Executor& executor() { return *executor_; }
  // Where reads wait for the disk.
  runtime::SimExecutor& readers() { return *executors_.find("readers").front(); }
  // How many of the looks into the cache alone find nothing.
  void set_cold_reads(double share) { cold_reads_ = share; }

 private:
  template <class C>
  static runtime::Task<void> into(Scheduler* scheduler, C command, engine::RegionRequest request,
                                  std::shared_ptr<std::optional<Answer<typename C::Result>>> answer) {
    answer->emplace(co_await scheduler->run(std::move(command), std::move(request)));
  }

  runtime::SimLoop loop_{1};
  runtime::SimClock clock_{loop_};
  runtime::SimExecutors executors_{loop_, clock_, "node"};
  std::shared_ptr<runtime::Executor> executor_ = executors_.make("shard");
  std::shared_ptr<runtime::Executor> readers_ = executors_.make("readers");
  runtime::Random dice_{3};
  double cold_reads_ = 0;
  std::shared_ptr<engine::MemoryDisk> disk_ = std::make_shared<engine::MemoryDisk>();
  ConcurrencyManager concurrency_{Timestamp(1)};
  engine::LocalRegionStore store_;
  LocalDeadlocks deadlocks_;
  Scheduler scheduler_;
};

}  // namespace cairn::txn::testing
