// The simulated runtime: every executor of every node shares one thread and one queue, ordered by (virtual time,
// sequence). Nothing waits for real: the clock jumps to the next event. The same seed and the same jobs give the same
// order of events, which trace_hash() witnesses.
//
// A job may wait in the middle (SimLoop::wait), as a thread waits for a disk, on the executors that were made for it:
// each of their jobs has a stack of its own (fiber.h). Others go on meanwhile, and a crash may find it there.
//
// One SimLoop a world; one SimExecutors and one SimClock a node (its incarnation may be killed, paused, and its clock
// may drift and jump). Everything here is used on the loop's thread only. Tests: sim_loop_test.cc, executor_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "runtime/clock.h"
#include "runtime/executor.h"
#include "runtime/random.h"
#include "runtime/simulated/fiber.h"

namespace cairn::runtime {

class SimExecutor;

// The queue of events and the virtual time.
class SimLoop {
 public:
  explicit SimLoop(uint64_t seed);
  SimLoop(const SimLoop&) = delete;
  SimLoop& operator=(const SimLoop&) = delete;
  // Drops what is pending. Executors that somebody still holds then refuse jobs.
  ~SimLoop();

  // Virtual time since the loop began.
  Duration now() const { return now_; }
  // The world's dice. Draw from it in a fixed order only.
  Random& random() { return random_; }

  // Runs the next event; false if there is none.
  bool step();
  // Runs events until pred() holds, which is asked before each event. False if `limit` of virtual time passed first or
  // no event is left.
  bool run_until(const std::function<bool()>& pred, Duration limit);
  // Runs all events of the next `span` and moves the clock to its end.
  void run_for(Duration span);

  // The job that runs waits for `span` of virtual time. On an executor that may not wait, and outside of jobs: nothing.
  void wait(Duration span);
  // Whether wait() would: the job that runs is one of an executor that may.
  bool may_wait() const { return current_fiber_ != nullptr; }

  // Mixes `tag` into the trace: what is worth comparing between two runs of one seed.
  void trace(uint64_t tag);
  uint64_t trace_hash() const { return trace_hash_; }
  // Events run so far.
  uint64_t events() const { return events_; }
  // Events waiting.
  size_t backlog() const { return queue_.size(); }

 private:
  friend class SimExecutor;
  friend class SimExecutors;
  struct Event {
    enum class Kind : uint8_t { kJob, kTimer, kResume, kEndOfStall };
    SimExecutor* executor;
    Job job;  // null for kResume and kEndOfStall
    Kind kind = Kind::kJob;
    Fiber* fiber = nullptr;  // of kResume
  };
  using Key = std::pair<Duration, uint64_t>;  // when; the order among those of one moment

  uint64_t push(Duration when, Event event);
  void cancel(uint64_t sequence);
  // Takes the events of these executors out of the queue, in their order.
  std::vector<Event> take_events_of(const std::vector<SimExecutor*>& executors);
  // Runs a job of an executor that may wait, or what is left of it.
  void run_on_fiber(SimExecutor& executor, Fiber& fiber, Job job);
  // What was held back of the executor is due now, in the order in which it came due, before anything that comes due
  // later: what is due at this very moment and has not been looked at yet goes behind it.
  void release_held(SimExecutor& executor);

  Random random_;
  Duration now_{};
  uint64_t next_sequence_ = 1;
  uint64_t events_ = 0;
  uint64_t trace_hash_ = 0xcbf29ce484222325ULL;
  std::map<Key, Event> queue_;
  std::vector<std::map<Key, Event>::node_type> spare_;  // of events that have run, to be used again
  std::unordered_map<uint64_t, Duration> timers_;       // sequence -> when; looked up, never walked
  std::vector<std::shared_ptr<SimExecutor>> executors_;
  SimExecutor* current_ = nullptr;
  Fiber* current_fiber_ = nullptr;
  std::vector<std::unique_ptr<Fiber>> fibers_;  // all
  std::vector<Fiber*> idle_fibers_;
};

// A node's clock: virtual time seen through drift and jumps.
class SimClock final : public Clock {
 public:
  // The calendar starts at a fixed date plus `wall_offset`.
  explicit SimClock(const SimLoop& loop, Duration wall_offset = {});

  Instant now() const override { return {monotonic()}; }
  WallTime wall_now() const override { return {monotonic() + wall_offset_}; }

  // From now on this clock gains `parts_per_million` on true time (negative: loses). More than -1,000,000.
  void set_drift(int64_t parts_per_million);
  // The calendar jumps, either way; the monotonic clock does not.
  void jump_wall(Duration by) { wall_offset_ += by; }
  // How much virtual time passes until this clock has advanced by `span`; rounded up.
  Duration virtual_span(Duration span) const;

 private:
  Duration monotonic() const;

  const SimLoop& loop_;
  Duration wall_offset_;
  int64_t drift_ppm_ = 0;
  Duration anchor_virtual_{};  // when the drift was set
  Duration anchor_local_{};    // what this clock showed then
};

// One executor on the loop. Made by SimExecutors, owned by the loop.
class SimExecutor final : public Executor {
 public:
  void post(Job job) override;
  TimerId after(Duration delay, Job job) override;
  void cancel(TimerId timer) override;
  bool is_current() const override { return loop_ != nullptr && loop_->current_ == this; }
  size_t backlog() const override { return backlog_; }
  const std::string& name() const { return name_; }
  // Its thread stands still for `span`: what comes due waits, and so does a job that runs just now.
  void stall(Duration span);

 private:
  friend class SimLoop;
  friend class SimExecutors;
  SimExecutor(SimLoop* loop, const SimClock* clock, uint64_t id, std::string name, Duration delay_max)
      : loop_(loop), clock_(clock), id_(id), name_(std::move(name)), delay_max_(delay_max) {}
  // Whether nothing of it may run now.
  bool is_still() const { return is_paused_ || loop_->now() < stalled_until_; }

  SimLoop* loop_;  // null once the loop is gone
  const SimClock* clock_;
  uint64_t id_;
  std::string name_;
  Duration delay_max_;
  Duration last_due_{};  // jobs are run in the order of posting, whatever their dice say
  size_t backlog_ = 0;
  bool is_stopped_ = false;
  bool is_paused_ = false;
  bool may_wait_ = false;
  int threads_ = 1;
  int waiting_ = 0;  // jobs that wait in the middle
  Duration stalled_until_{};
  std::function<Duration()> queueing_;  // of a pool: how long a job waits for its turn
  std::vector<SimLoop::Event> held_;    // what came due when it could not run
};

// A node's executors. kill() is the crash of its process: a new incarnation gets a new SimExecutors.
class SimExecutors final : public Executors {
 public:
  // Each job waits for a random part of `delay_max`, as a busy machine would have it. Timers run by `clock`. Both loop
  // and clock outlive this and what it made.
  SimExecutors(SimLoop& loop, const SimClock& clock, std::string node,
               Duration delay_max = std::chrono::microseconds(20));

  std::shared_ptr<Executor> make(const std::string& name) override;
  std::shared_ptr<Executor> make_pool(const std::string& name, int threads) override;

  // Of what is made from now on: whose jobs may wait (SimLoop::wait), by name.
  void let_wait(std::function<bool(const std::string& name)> which) { may_wait_ = std::move(which); }
  // Jobs of pools made from now on wait for their turn for what this draws, each by itself: they overtake one another.
  void set_queueing(std::function<Duration()> draw) { queueing_ = std::move(draw); }
  // Executors made so far whose names begin so.
  std::vector<SimExecutor*> find(const std::string& prefix) const;
  // Whether a job waits in the middle.
  bool has_waiting() const;

  // Drops all pending jobs and timers and refuses new ones, for ever. The dropped closures are destroyed here, outside
  // any executor.
  void kill();
  bool is_killed() const { return is_killed_; }
  // Nothing runs until resume(); what comes due waits.
  void pause();
  void resume();
  bool is_paused() const { return is_paused_; }

 private:
  SimLoop& loop_;
  const SimClock& clock_;
  std::string node_;
  Duration delay_max_;
  std::function<bool(const std::string&)> may_wait_;
  std::function<Duration()> queueing_;
  std::vector<SimExecutor*> made_;
  bool is_killed_ = false;
  bool is_paused_ = false;
};

}  // namespace cairn::runtime
