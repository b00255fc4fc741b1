// Executors: where an actor's jobs run, one at a time, in the order of posting. The real one is a thread with a queue
// (threaded/); in the simulator all executors of all nodes share one loop ordered by virtual time (simulated/).
//
// An actor owns its executor; whoever wants something of it posts a job. So nothing inside an actor needs a lock.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/time.h"

namespace cairn::runtime {

using Job = absl::AnyInvocable<void()>;

struct TimerId {
  uint64_t value = 0;  // 0: no timer
  bool is_set() const { return value != 0; }
};

class Executor {
 public:
  virtual ~Executor() = default;
  // Runs `job` later on this executor, after all jobs posted before. Thread-safe; never runs it inline. After stop()
  // the job is dropped unrun.
  virtual void post(Job job) = 0;
  // Runs `job` once `delay` has passed. Thread-safe.
  virtual TimerId after(Duration delay, Job job) = 0;
  // The timer's job will not run if it has not begun. Unknown and past ids are ignored. Thread-safe.
  virtual void cancel(TimerId timer) = 0;
  // Whether the caller runs on this executor.
  virtual bool is_current() const = 0;
  // Jobs waiting now; for metrics and back-pressure. Thread-safe, approximate.
  virtual size_t backlog() const = 0;
};

// Makes a node's executors: the one place where threads come from. Keeps what it made alive as long as it lives itself,
// because whoever holds a promise may post to an executor that has stopped.
class Executors {
 public:
  virtual ~Executors() = default;
  // A new single-threaded executor; `name` is for logs, thread names and metrics (15 characters at most are shown).
  virtual std::shared_ptr<Executor> make(const std::string& name) = 0;
  // A pool of `threads` workers behind one queue: jobs run in parallel and in no order. For pure jobs over immutable
  // snapshots only. In the simulator: an ordinary executor.
  virtual std::shared_ptr<Executor> make_pool(const std::string& name, int threads) = 0;
};

}  // namespace cairn::runtime
