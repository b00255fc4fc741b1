// Where a test of executors plays: on real threads or on the simulated loop, behind one interface. For tests only.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "runtime/clock.h"
#include "runtime/executor.h"
#include "runtime/simulated/sim_loop.h"
#include "runtime/threaded/real_clock.h"
#include "runtime/threaded/thread_executor.h"

namespace cairn::runtime::testing {

// Counts up to a number; wait for it with Stage::await. Thread-safe.
class Count {
 public:
  explicit Count(int target) : target_(target) {}
  void up() {
    MutexLock lock(mutex_);
    ++value_;
    changed_.notify_all();  // under the lock: the waiter may destroy this as soon as it sees the value
  }
  bool is_reached() const {
    MutexLock lock(mutex_);
    return value_ >= target_;
  }
  int value() const {
    MutexLock lock(mutex_);
    return value_;
  }
  bool wait_for_real(std::chrono::seconds limit) {
    MutexLock lock(mutex_);
    return changed_.wait_for(mutex_, limit, [this]() CAIRN_REQUIRES(mutex_) { return value_ >= target_; });
  }

 private:
  const int target_;
  mutable Mutex mutex_;
  CondVar changed_;
  int value_ CAIRN_GUARDED_BY(mutex_) = 0;
};

class Stage {
 public:
  virtual ~Stage() = default;
  virtual Executors& executors() = 0;
  virtual const Clock& clock() = 0;
  // Lets the world run until the count is reached; false if it does not get there.
  virtual bool await(Count& count) = 0;
};

class ThreadedStage final : public Stage {
 public:
  Executors& executors() override { return executors_; }
  const Clock& clock() override { return clock_; }
  bool await(Count& count) override { return count.wait_for_real(std::chrono::seconds(20)); }

 private:
  RealClock clock_;
  ThreadedExecutors executors_;
};

class SimulatedStage final : public Stage {
 public:
  explicit SimulatedStage(uint64_t seed = 1) : loop_(seed), clock_(loop_), executors_(loop_, clock_, "node") {}
  Executors& executors() override { return executors_; }
  const Clock& clock() override { return clock_; }
  bool await(Count& count) override {
    return loop_.run_until([&count] { return count.is_reached(); }, std::chrono::hours(1));
  }
  SimLoop& loop() { return loop_; }
  SimClock& sim_clock() { return clock_; }
  SimExecutors& sim_executors() { return executors_; }

 private:
  SimLoop loop_;
  SimClock clock_;
  SimExecutors executors_;
};

inline std::unique_ptr<Stage> make_stage(const std::string& kind) {
  if (kind == "threaded") return std::make_unique<ThreadedStage>();
  return std::make_unique<SimulatedStage>();
}

}  // namespace cairn::runtime::testing
