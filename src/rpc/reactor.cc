#include "rpc/reactor.h"

#include <grpc/support/time.h>
#include <grpcpp/alarm.h>
#include <grpcpp/server_builder.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"
#include "rpc/completion.h"
#include "rpc/grpc_log.h"

namespace cairn::rpc {

namespace {

thread_local const Reactor* current_reactor = nullptr;
constexpr int kEventsInARow = 64;  // so that jobs have their turn
constexpr size_t kThreadNameMax = 15;
constexpr size_t kJobsKept = 4096;  // a burst's capacity is not kept beyond this

}  // namespace

class Reactor::Core {
 public:
  Core(const Reactor& self, const std::string& name) : self_(self), queue_(builder_.AddCompletionQueue()) {
    thread_ = std::thread([this, name] {
      pthread_setname_np(pthread_self(), name.substr(0, kThreadNameMax).c_str());
      current_reactor = &self_;
      run();
    });
  }

  void post(runtime::Job job) {
    {
      MutexLock lock(mutex_);
      if (is_stopping_) return;  // the job dies as the parameter does: after the lock
      jobs_.push_back(std::move(job));
      if (!must_wake()) return;
    }
    wake();
  }

  runtime::TimerId after(Duration delay, runtime::Job job) {
    const TimePoint when = std::chrono::steady_clock::now() + std::max(delay, Duration{});
    uint64_t id = 0;
    {
      MutexLock lock(mutex_);
      if (is_stopping_) return {};
      id = next_timer_++;
      deadlines_.emplace(id, when);
      const auto added = timers_.emplace(std::pair(when, id), std::move(job)).first;
      if (added != timers_.begin() || !must_wake()) return {id};
    }
    wake();
    return {id};
  }

  void cancel(runtime::TimerId timer) {
    runtime::Job dropped;  // dies after the lock: its closure may do anything
    MutexLock lock(mutex_);
    const auto found = deadlines_.find(timer.value);
    if (found == deadlines_.end()) return;
    const auto entry = timers_.find({found->second, timer.value});
    dropped = std::move(entry->second);
    timers_.erase(entry);
    deadlines_.erase(found);
  }

  size_t backlog() const {
    MutexLock lock(mutex_);
    return jobs_.size();
  }

  void stop() {
    {
      MutexLock lock(mutex_);
      if (is_stopping_) return;
      is_stopping_ = true;
    }
    while (wakers_.load() > 0) std::this_thread::yield();  // a queue that is shut takes no alarm
    queue_->Shutdown();
    thread_.join();
    std::vector<runtime::Job> jobs;
    std::map<std::pair<TimePoint, uint64_t>, runtime::Job> timers;
    MutexLock lock(mutex_);
    jobs.swap(jobs_);
    timers.swap(timers_);
    deadlines_.clear();
  }

  grpc::ServerBuilder& builder() { return builder_; }
  grpc::ServerCompletionQueue& queue() { return *queue_; }

 private:
  using TimePoint = std::chrono::steady_clock::time_point;

  // The alarm's event: it has woken the thread, which is all that it is for.
  struct Wakeup final : Completion {
    explicit Wakeup(Core& core_in) : core(core_in) {}
    void proceed(bool) override {
      MutexLock lock(core.mutex_);
      core.is_woken_ = false;
    }
    Core& core;
  };

  // Whether the thread sleeps and nobody has woken it: then the caller is to call wake().
  bool must_wake() CAIRN_REQUIRES(mutex_) {
    if (!is_asleep_ || is_woken_ || self_.is_current()) return false;
    is_woken_ = true;
    ++wakers_;
    return true;
  }
  void wake() {
    alarm_.Set(queue_.get(), gpr_time_0(GPR_CLOCK_MONOTONIC), &wakeup_);
    --wakers_;
  }

  void run() {
    int in_a_row = 0;
    for (;;) {
      void* tag = nullptr;
      bool ok = false;
      const auto next = queue_->AsyncNext(&tag, &ok, fall_asleep());
      wake_up();
      if (next == grpc::CompletionQueue::SHUTDOWN) return;
      if (next == grpc::CompletionQueue::GOT_EVENT) {
        static_cast<Completion*>(tag)->proceed(ok);
        if (++in_a_row < kEventsInARow) continue;
      }
      in_a_row = 0;
      run_jobs();
    }
  }

  // Returns until when the queue may be waited for: not at all if there is a job.
  gpr_timespec fall_asleep() {
    MutexLock lock(mutex_);
    is_asleep_ = jobs_.empty();
    if (!is_asleep_) return gpr_time_0(GPR_CLOCK_MONOTONIC);
    if (timers_.empty()) return gpr_inf_future(GPR_CLOCK_MONOTONIC);
    const Duration left = timers_.begin()->first.first - std::chrono::steady_clock::now();
    return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                        gpr_time_from_nanos(std::max<int64_t>(left.count(), 0), GPR_TIMESPAN));
  }

  void wake_up() {
    MutexLock lock(mutex_);
    is_asleep_ = false;
  }

  void run_jobs() {
    {
      MutexLock lock(mutex_);
      take_due_timers();
      batch_.swap(jobs_);
    }
    for (auto& job : batch_) {
      job();
      job = nullptr;  // what it captured goes now, not at the end of the batch
    }
    batch_.clear();
    if (batch_.capacity() > kJobsKept) batch_ = std::vector<runtime::Job>();
  }

  void take_due_timers() CAIRN_REQUIRES(mutex_) {
    if (timers_.empty()) return;
    const TimePoint now = std::chrono::steady_clock::now();
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      jobs_.push_back(std::move(timers_.begin()->second));
      deadlines_.erase(timers_.begin()->first.second);
      timers_.erase(timers_.begin());
    }
  }

  const Reactor& self_;
  grpc::ServerBuilder builder_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  grpc::Alarm alarm_;
  Wakeup wakeup_{*this};
  std::atomic<int> wakers_{0};       // threads between must_wake() and the end of wake()
  std::vector<runtime::Job> batch_;  // what run_jobs() runs; the thread's

  mutable Mutex mutex_;
  std::vector<runtime::Job> jobs_ CAIRN_GUARDED_BY(mutex_);
  std::map<std::pair<TimePoint, uint64_t>, runtime::Job> timers_ CAIRN_GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, TimePoint> deadlines_ CAIRN_GUARDED_BY(mutex_);  // of timers_, by id
  uint64_t next_timer_ CAIRN_GUARDED_BY(mutex_) = 1;
  bool is_asleep_ CAIRN_GUARDED_BY(mutex_) = false;  // or about to be
  bool is_woken_ CAIRN_GUARDED_BY(mutex_) = false;   // the alarm was set, and its event has not come yet
  bool is_stopping_ CAIRN_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

Reactor::Reactor(const std::string& name) {
  adopt_grpc_log();
  core_ = std::make_unique<Core>(*this, name);
}
Reactor::~Reactor() { stop(); }

void Reactor::post(runtime::Job job) { core_->post(std::move(job)); }
runtime::TimerId Reactor::after(Duration delay, runtime::Job job) { return core_->after(delay, std::move(job)); }
void Reactor::cancel(runtime::TimerId timer) { core_->cancel(timer); }
bool Reactor::is_current() const { return current_reactor == this; }
size_t Reactor::backlog() const { return core_->backlog(); }

void Reactor::stop() {
  CHECK(!is_current(), "a reactor stopped from its own thread");
  core_->stop();
}

grpc::ServerCompletionQueue& Reactor::queue() { return core_->queue(); }
grpc::ServerBuilder& Reactor::builder() { return core_->builder(); }

}  // namespace cairn::rpc
