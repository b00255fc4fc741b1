// Executors on threads of the operating system: one thread behind one queue, or a pool behind one queue. This folder is
// the only place where threads are started.
//
// A sleeping thread's wake-up costs about 3 us of CPU and everything else nearly nothing: so a job is pushed under a
// mutex, the thread is notified only if it sleeps, and it takes all that is there at once. Tests: executor_test.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/metrics.h"
#include "base/mutex.h"
#include "runtime/executor.h"

namespace cairn::runtime {

// One queue and its threads. With one thread, jobs run one at a time in the order of posting; with more, in no order.
class ThreadExecutor final : public Executor {
 public:
  // Starts the threads, named `name` (the first 15 characters; a pool's threads get a number).
  explicit ThreadExecutor(const std::string& name, int threads = 1);
  // Stops. Not on a thread of its own.
  ~ThreadExecutor() override;

  void post(Job job) override;
  TimerId after(Duration delay, Job job) override;
  void cancel(TimerId timer) override;
  bool is_current() const override;
  size_t backlog() const override;

  // Lets the jobs that run now end, joins the threads and drops what is pending; later jobs are dropped. Idempotent.
  // Not on a thread of its own.
  void stop();

 private:
  using TimePoint = std::chrono::steady_clock::time_point;
  struct Deadline {
    TimePoint when;
    uint64_t id;
    friend bool operator>(const Deadline& a, const Deadline& b) {
      return a.when != b.when ? a.when > b.when : a.id > b.id;
    }
  };

  void work(const std::string& thread_name);
  // Waits for work and moves it to `batch`; false when stopping.
  bool take(std::vector<Job>& batch);
  // Whether somebody sleeps whom nobody has woken: the caller is to notify one.
  bool must_notify() CAIRN_REQUIRES(mutex_);
  void take_due_timers(std::vector<Job>& batch) CAIRN_REQUIRES(mutex_);
  void compact_deadlines() CAIRN_REQUIRES(mutex_);

  const bool is_pool_;
  mutable Mutex mutex_;
  CondVar work_here_;
  std::vector<Job> queue_ CAIRN_GUARDED_BY(mutex_);
  size_t queue_head_ CAIRN_GUARDED_BY(mutex_) = 0;  // a pool takes one job at a time
  int idle_ CAIRN_GUARDED_BY(mutex_) = 0;           // threads that wait
  int notified_ CAIRN_GUARDED_BY(mutex_) = 0;       // of these, how many have been woken already
  bool is_stopping_ CAIRN_GUARDED_BY(mutex_) = false;
  uint64_t next_timer_ CAIRN_GUARDED_BY(mutex_) = 1;
  std::unordered_map<uint64_t, Job> timers_ CAIRN_GUARDED_BY(mutex_);  // live timers' jobs
  std::vector<Deadline> deadlines_ CAIRN_GUARDED_BY(mutex_);  // heap, soonest first, with leftovers of cancelled ones
  std::vector<std::thread> threads_ CAIRN_GUARDED_BY(mutex_);
  metrics::CollectorPtr collector_;  // the first to go
};

// A process's executors. Its death stops them all, and only then destroys them.
class ThreadedExecutors final : public Executors {
 public:
  ThreadedExecutors() = default;
  ~ThreadedExecutors() override;

  std::shared_ptr<Executor> make(const std::string& name) override;
  std::shared_ptr<Executor> make_pool(const std::string& name, int threads) override;
  // Stops them all, the newest first; they stay as objects that drop what is posted. Not on one of their threads.
  void stop();

 private:
  Mutex mutex_;
  std::vector<std::shared_ptr<ThreadExecutor>> made_ CAIRN_GUARDED_BY(mutex_);
};

}  // namespace cairn::runtime
