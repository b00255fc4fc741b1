#include "net/loop.h"

#include <event2/event.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"

namespace cairn::net {

namespace {

thread_local const Loop* current_loop = nullptr;
constexpr size_t kThreadNameMax = 15;
constexpr size_t kJobsKept = 4096;  // a burst's capacity is not kept beyond this
constexpr size_t kReadRoom = size_t{64} << 10;

using TimePoint = std::chrono::steady_clock::time_point;

class EventWatch final : public Loop::Watch {
 public:
  EventWatch(event_base* base, int descriptor, Loop::Ready& ready) : ready_(ready) {
    reads_ = event_new(base, descriptor, EV_READ | EV_PERSIST, &EventWatch::on_read, this);
    writes_ = event_new(base, descriptor, EV_WRITE | EV_PERSIST, &EventWatch::on_write, this);
    CHECK(reads_ != nullptr && writes_ != nullptr, "no memory to watch descriptor {}", descriptor);
  }
  ~EventWatch() override {
    event_free(reads_);
    event_free(writes_);
  }
  void want_reads(bool on) override { set(reads_, on, does_read_); }
  void want_writes(bool on) override { set(writes_, on, does_write_); }

 private:
  static void on_read(int, short, void* self) { static_cast<EventWatch*>(self)->ready_.on_readable(); }
  static void on_write(int, short, void* self) { static_cast<EventWatch*>(self)->ready_.on_writable(); }

  static void set(event* which, bool on, bool& is_on) {
    if (on == is_on) return;
    is_on = on;
    CHECK((on ? event_add(which, nullptr) : event_del(which)) == 0, "descriptor {} cannot be watched: {}",
          event_get_fd(which), errno);
  }

  Loop::Ready& ready_;
  event* reads_;
  event* writes_;
  bool does_read_ = false;
  bool does_write_ = false;
};

event_base* new_base() {
  event_config* config = event_config_new();
  CHECK(config != nullptr, "no memory for an event loop");
  event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);  // only the loop's thread touches it
  event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
  event_base* base = event_base_new_with_config(config);
  event_config_free(config);
  CHECK(base != nullptr, "no event loop can be made: {}", errno);
  return base;
}

}  // namespace

class Loop::Core final : public Loop::Ready {
 public:
  Core(const Loop& self, const std::string& name)
      : self_(self), base_(new_base()), wakeup_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    CHECK(wakeup_ >= 0, "no descriptor for an event loop's wake-up: {}", errno);
    timer_ = evtimer_new(base_, [](int, short, void*) {}, nullptr);
    CHECK(timer_ != nullptr, "no memory for an event loop's timer");
    room_ = {std::make_shared_for_overwrite<char[]>(kReadRoom), kReadRoom};
    thread_ = std::thread([this, name] {
      pthread_setname_np(pthread_self(), name.substr(0, kThreadNameMax).c_str());
      current_loop = &self_;
      run();
    });
  }
  ~Core() override {
    event_free(timer_);
    event_base_free(base_);
    close(wakeup_);
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
    wake();
    thread_.join();
    std::vector<runtime::Job> jobs;
    std::map<std::pair<TimePoint, uint64_t>, runtime::Job> timers;
    MutexLock lock(mutex_);
    jobs.swap(jobs_);
    timers.swap(timers_);
    deadlines_.clear();
  }

  std::unique_ptr<Watch> watch(int descriptor, Ready& ready) {
    return std::make_unique<EventWatch>(base_, descriptor, ready);
  }
  void at_turn_end(std::shared_ptr<TurnEnd> who) { turn_ends_.push_back(std::move(who)); }
  ReadRoom& read_room() {
    if (room_.bytes.use_count() > 1) room_.bytes = std::make_shared_for_overwrite<char[]>(kReadRoom);
    return room_;
  }

 private:
  // The wake-up's descriptor: it has woken the thread, which is all that it is for.
  void on_readable() override {
    uint64_t count = 0;
    while (read(wakeup_, &count, sizeof count) < 0 && errno == EINTR) continue;
  }
  void on_writable() override {}

  // Whether the thread sleeps and nobody has woken it: then the caller is to call wake().
  bool must_wake() CAIRN_REQUIRES(mutex_) {
    if (!is_asleep_ || is_woken_ || self_.is_current()) return false;
    is_woken_ = true;
    return true;
  }
  void wake() const {
    const uint64_t one = 1;
    while (write(wakeup_, &one, sizeof one) < 0 && errno == EINTR) continue;
  }

  void run() {
    const auto wakeups = watch(wakeup_, *this);
    wakeups->want_reads(true);
    for (;;) {
      const int flags = fall_asleep() ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK;
      CHECK(event_base_loop(base_, flags) >= 0, "the event loop failed: {}", errno);
      if (!run_jobs()) break;
      end_turn();
    }
    end_turn();
  }

  // Whether there is nothing to do: then the loop may wait, until the first timer at most.
  bool fall_asleep() {
    TimePoint first = TimePoint::max();
    {
      MutexLock lock(mutex_);
      is_woken_ = false;
      is_asleep_ = jobs_.empty() && !is_stopping_;
      if (!is_asleep_) return false;
      if (!timers_.empty()) first = timers_.begin()->first.first;
    }
    if (first == TimePoint::max()) {
      evtimer_del(timer_);
      timer_at_ = first;
      return true;
    }
    const Duration left = first - std::chrono::steady_clock::now();
    if (left <= Duration(0)) return false;
    if (first == timer_at_ && evtimer_pending(timer_, nullptr)) return true;
    timer_at_ = first;
    const auto micros = std::chrono::ceil<std::chrono::microseconds>(left).count();
    const timeval wait{.tv_sec = micros / 1'000'000, .tv_usec = micros % 1'000'000};
    CHECK(evtimer_add(timer_, &wait) == 0, "an event loop's timer cannot be set");
    return true;
  }

  // False once the loop stops.
  bool run_jobs() {
    {
      MutexLock lock(mutex_);
      is_asleep_ = false;
      if (is_stopping_) return false;
      take_due_timers();
      batch_.swap(jobs_);
    }
    for (auto& job : batch_) {
      job();
      job = nullptr;  // what it captured goes now, not at the end of the batch
    }
    batch_.clear();
    if (batch_.capacity() > kJobsKept) batch_ = std::vector<runtime::Job>();
    return true;
  }

  void end_turn() {
    while (!turn_ends_.empty()) {
      ending_.swap(turn_ends_);
      for (auto& one : ending_) one->on_turn_end();
      ending_.clear();
    }
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

  const Loop& self_;
  event_base* const base_;
  const int wakeup_;
  // The thread's own:
  event* timer_;
  TimePoint timer_at_ = TimePoint::max();
  ReadRoom room_;
  std::vector<runtime::Job> batch_;                  // what run_jobs() runs
  std::vector<std::shared_ptr<TurnEnd>> turn_ends_;  // asked for in this turn
  std::vector<std::shared_ptr<TurnEnd>> ending_;     // what end_turn() goes through

  mutable Mutex mutex_;
  std::vector<runtime::Job> jobs_ CAIRN_GUARDED_BY(mutex_);
  std::map<std::pair<TimePoint, uint64_t>, runtime::Job> timers_ CAIRN_GUARDED_BY(mutex_);
  std::unordered_map<uint64_t, TimePoint> deadlines_ CAIRN_GUARDED_BY(mutex_);  // of timers_, by id
  uint64_t next_timer_ CAIRN_GUARDED_BY(mutex_) = 1;
  bool is_asleep_ CAIRN_GUARDED_BY(mutex_) = false;  // or about to be
  bool is_woken_ CAIRN_GUARDED_BY(mutex_) = false;   // since it fell asleep
  bool is_stopping_ CAIRN_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

Loop::Loop(const std::string& name) { core_ = std::make_unique<Core>(*this, name); }
Loop::~Loop() { stop(); }

void Loop::post(runtime::Job job) { core_->post(std::move(job)); }
runtime::TimerId Loop::after(Duration delay, runtime::Job job) { return core_->after(delay, std::move(job)); }
void Loop::cancel(runtime::TimerId timer) { core_->cancel(timer); }
bool Loop::is_current() const { return current_loop == this; }
size_t Loop::backlog() const { return core_->backlog(); }

void Loop::stop() {
  CHECK(!is_current(), "a loop stopped from its own thread");
  core_->stop();
}

std::unique_ptr<Loop::Watch> Loop::watch(int descriptor, Ready& ready) { return core_->watch(descriptor, ready); }
void Loop::at_turn_end(std::shared_ptr<TurnEnd> who) { core_->at_turn_end(std::move(who)); }
Loop::ReadRoom& Loop::read_room() { return core_->read_room(); }

}  // namespace cairn::net
