#include "runtime/threaded/thread_executor.h"

#include <pthread.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/metrics.h"

namespace cairn::runtime {

namespace {
thread_local const ThreadExecutor* current_executor = nullptr;
constexpr size_t kThreadNameMax = 15;        // of the operating system
constexpr size_t kQueueKept = 4096;          // a burst's capacity is not kept beyond this
constexpr size_t kStaleDeadlinesMin = 1024;  // below that, leftovers of cancelled timers are not worth a sweep
}  // namespace

ThreadExecutor::ThreadExecutor(const std::string& name, int threads) : is_pool_(threads > 1) {
  CHECK(threads > 0, "an executor of {} threads", threads);
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back(
        [this, thread_name = threads == 1 ? name : name + "-" + std::to_string(i)] { work(thread_name); });
  }
  auto& pending = metrics::gauge("tikv_worker_pending_task_total", "Jobs that wait for a thread", {{"name", name}});
  collector_ = metrics::on_render([this, &pending] { pending.set(static_cast<double>(backlog())); });
}

ThreadExecutor::~ThreadExecutor() { stop(); }

void ThreadExecutor::post(Job job) {
  {
    MutexLock lock(mutex_);
    if (is_stopping_) return;  // the job dies as the parameter does: after the lock
    queue_.push_back(std::move(job));
    if (!must_notify()) return;
  }
  work_here_.notify_one();
}

bool ThreadExecutor::must_notify() {
  if (idle_ <= notified_) return false;
  ++notified_;
  return true;
}

TimerId ThreadExecutor::after(Duration delay, Job job) {
  const TimePoint when = std::chrono::steady_clock::now() + std::max(delay, Duration{});
  uint64_t id = 0;
  {
    MutexLock lock(mutex_);
    if (is_stopping_) return {};
    id = next_timer_++;
    timers_.emplace(id, std::move(job));
    deadlines_.push_back({when, id});
    std::push_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
    if (deadlines_.front().id != id || !must_notify()) return {id};  // else somebody sleeps for too long
  }
  work_here_.notify_one();
  return {id};
}

void ThreadExecutor::cancel(TimerId timer) {
  Job dropped;  // dies after the lock: its closure may do anything
  MutexLock lock(mutex_);
  auto it = timers_.find(timer.value);
  if (it == timers_.end()) return;
  dropped = std::move(it->second);
  timers_.erase(it);
  compact_deadlines();
}

bool ThreadExecutor::is_current() const { return current_executor == this; }

size_t ThreadExecutor::backlog() const {
  MutexLock lock(mutex_);
  return queue_.size() - queue_head_;
}

void ThreadExecutor::stop() {
  CHECK(!is_current(), "an executor stopped from its own thread");
  std::vector<std::thread> threads;
  {
    MutexLock lock(mutex_);
    is_stopping_ = true;
    threads.swap(threads_);
  }
  work_here_.notify_all();
  for (auto& thread : threads) thread.join();
  std::vector<Job> jobs;
  std::unordered_map<uint64_t, Job> timers;
  {
    MutexLock lock(mutex_);
    jobs.swap(queue_);
    queue_head_ = 0;
    timers.swap(timers_);
    deadlines_.clear();
  }
}

void ThreadExecutor::work(const std::string& thread_name) {
  pthread_setname_np(pthread_self(), thread_name.substr(0, kThreadNameMax).c_str());
  current_executor = this;
  auto& handled =
      metrics::counter("tikv_worker_handled_task_total", "Jobs that threads have run", {{"name", thread_name}});
  std::vector<Job> batch;
  while (take(batch)) {
    handled.add(batch.size());
    for (auto& job : batch) {
      job();
      job = nullptr;  // what it captured goes now, not at the end of the batch
    }
    batch.clear();
    if (batch.capacity() > kQueueKept) batch = std::vector<Job>();
  }
  current_executor = nullptr;
}

bool ThreadExecutor::take(std::vector<Job>& batch) {
  MutexLock lock(mutex_);
  while (true) {
    if (is_stopping_) return false;
    take_due_timers(batch);
    if (queue_head_ < queue_.size()) {
      if (batch.empty() && !is_pool_) {
        batch.swap(queue_);  // all at once, and the queue goes on in the other's capacity
      } else if (!is_pool_) {
        std::move(queue_.begin(), queue_.end(), std::back_inserter(batch));
        queue_.clear();
      } else {
        batch.push_back(std::move(queue_[queue_head_++]));
        if (queue_head_ == queue_.size()) {
          queue_.clear();
          queue_head_ = 0;
        }
      }
    }
    if (!batch.empty()) return true;
    ++idle_;
    if (deadlines_.empty()) {
      work_here_.wait(mutex_);
    } else {
      // Not a reference into the heap: it moves while this sleeps.
      const TimePoint until = deadlines_.front().when;
      work_here_.wait_until(mutex_, until);
    }
    --idle_;
    if (notified_ > 0) --notified_;
  }
}

void ThreadExecutor::take_due_timers(std::vector<Job>& batch) {
  if (deadlines_.empty()) return;
  const TimePoint now = std::chrono::steady_clock::now();
  while (!deadlines_.empty() && deadlines_.front().when <= now) {
    auto timer = timers_.find(deadlines_.front().id);
    if (timer != timers_.end()) {
      batch.push_back(std::move(timer->second));
      timers_.erase(timer);
    }
    std::pop_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
    deadlines_.pop_back();
  }
}

void ThreadExecutor::compact_deadlines() {
  if (deadlines_.size() < kStaleDeadlinesMin || deadlines_.size() < 2 * timers_.size()) return;
  std::erase_if(deadlines_,
                [this](const Deadline& deadline) CAIRN_REQUIRES(mutex_) { return !timers_.contains(deadline.id); });
  std::make_heap(deadlines_.begin(), deadlines_.end(), std::greater<>());
}

ThreadedExecutors::~ThreadedExecutors() { stop(); }

std::shared_ptr<Executor> ThreadedExecutors::make(const std::string& name) { return make_pool(name, 1); }

std::shared_ptr<Executor> ThreadedExecutors::make_pool(const std::string& name, int threads) {
  auto executor = std::make_shared<ThreadExecutor>(name, threads);
  MutexLock lock(mutex_);
  made_.push_back(executor);
  return executor;
}

void ThreadedExecutors::stop() {
  std::vector<std::shared_ptr<ThreadExecutor>> all;
  {
    MutexLock lock(mutex_);
    all = made_;
  }
  for (auto it = all.rbegin(); it != all.rend(); ++it) (*it)->stop();
}

}  // namespace cairn::runtime
