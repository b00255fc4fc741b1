#include "runtime/simulated/sim_loop.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::runtime {

namespace {
constexpr Duration kWallStart = std::chrono::seconds(1'700'000'000);  // some day of 2023
constexpr int64_t kMillion = 1'000'000;
}  // namespace

SimLoop::SimLoop(uint64_t seed) : random_(seed) {}

SimLoop::~SimLoop() {
  for (auto& executor : executors_) executor->is_stopped_ = true;
  auto dropped = std::exchange(queue_, {});
  dropped.clear();  // closures may look at their executors: those are still whole
  for (auto& executor : executors_) {
    executor->held_.clear();
    executor->loop_ = nullptr;
  }
}

uint64_t SimLoop::push(Duration when, Event event) {
  CHECK(when >= now_, "an event of the past: {} ns, now {} ns", when.count(), now_.count());
  const uint64_t sequence = next_sequence_++;
  if (event.kind == Event::Kind::kTimer) timers_.emplace(sequence, when);
  if (spare_.empty()) {
    queue_.emplace(Key{when, sequence}, std::move(event));
    return sequence;
  }
  auto node = std::move(spare_.back());
  spare_.pop_back();
  node.key() = {when, sequence};
  node.mapped() = std::move(event);
  queue_.insert(std::move(node));
  return sequence;
}

void SimLoop::cancel(uint64_t sequence) {
  auto timer = timers_.find(sequence);
  if (timer == timers_.end()) return;
  auto event = queue_.extract(Key{timer->second, sequence});  // destroyed at the end: its closure may do anything
  timers_.erase(timer);
}

std::vector<SimLoop::Event> SimLoop::take_events_of(const std::vector<SimExecutor*>& executors) {
  std::vector<Event> taken;
  for (auto it = queue_.begin(); it != queue_.end();) {
    if (std::find(executors.begin(), executors.end(), it->second.executor) == executors.end()) {
      ++it;
      continue;
    }
    if (it->second.kind == Event::Kind::kTimer) timers_.erase(it->first.second);
    taken.push_back(std::move(it->second));
    it = queue_.erase(it);
  }
  return taken;
}

bool SimLoop::step() {
  CHECK(current_ == nullptr, "the loop was entered from one of its own jobs");
  if (queue_.empty()) return false;
  auto node = queue_.extract(queue_.begin());
  now_ = node.key().first;
  Event& event = node.mapped();
  SimExecutor& executor = *event.executor;
  if (event.kind == Event::Kind::kTimer) timers_.erase(node.key().second);  // cancellable until it came due
  if (event.kind == Event::Kind::kEndOfStall) {
    if (!executor.is_still()) release_held(executor);
    return true;
  }
  const bool is_busy = event.kind != Event::Kind::kResume && executor.waiting_ >= executor.threads_;
  if (is_busy || executor.is_still()) {
    executor.held_.push_back(std::move(event));
    return true;
  }
  if (event.kind == Event::Kind::kJob) --executor.backlog_;
  ++events_;
  trace(static_cast<uint64_t>(now_.count()));
  trace(executor.id_ << 2 | static_cast<uint64_t>(event.kind));
  current_ = &executor;
  if (event.kind == Event::Kind::kResume) {
    --executor.waiting_;
    run_on_fiber(executor, *event.fiber, nullptr);
  } else if (executor.may_wait_) {
    if (idle_fibers_.empty()) {
      fibers_.push_back(std::make_unique<Fiber>());
      idle_fibers_.push_back(fibers_.back().get());
    }
    Fiber& fiber = *idle_fibers_.back();
    idle_fibers_.pop_back();
    run_on_fiber(executor, fiber, std::move(event.job));
  } else {
    event.job();
    event.job = nullptr;  // destroyed on its own executor
  }
  current_ = nullptr;
  spare_.push_back(std::move(node));
  return true;
}

void SimLoop::run_on_fiber(SimExecutor& executor, Fiber& fiber, Job job) {
  current_fiber_ = &fiber;
  if (job) {
    fiber.run(std::move(job));
  } else {
    fiber.resume();
  }
  current_fiber_ = nullptr;
  if (!fiber.is_idle()) return;
  idle_fibers_.push_back(&fiber);
  if (!executor.held_.empty() && !executor.is_still()) release_held(executor);
}

void SimLoop::wait(Duration span) {
  if (current_fiber_ == nullptr || span <= Duration{}) return;
  SimExecutor* executor = current_;
  Fiber* fiber = current_fiber_;
  ++executor->waiting_;
  push(now_ + span, {.executor = executor, .job = nullptr, .kind = Event::Kind::kResume, .fiber = fiber});
  fiber->wait();
}

void SimLoop::release_held(SimExecutor& executor) {
  auto held = std::exchange(executor.held_, {});
  for (auto it = queue_.begin(); it != queue_.end() && it->first.first == now_;) {
    if (it->second.executor != &executor || it->second.kind != Event::Kind::kJob) {
      ++it;
      continue;
    }
    held.push_back(std::move(it->second));
    it = queue_.erase(it);
  }
  for (auto& event : held) {
    executor.last_due_ = std::max(executor.last_due_, now_);
    if (event.kind == Event::Kind::kTimer) {  // its time has come: an ordinary job from here on
      ++executor.backlog_;
      event.kind = Event::Kind::kJob;
    }
    push(now_, std::move(event));
  }
}

bool SimLoop::run_until(const std::function<bool()>& pred, Duration limit) {
  const Duration end = now_ + limit;
  while (!pred()) {
    if (queue_.empty() || queue_.begin()->first.first > end) {
      now_ = std::max(now_, end);
      return false;
    }
    step();
  }
  return true;
}

void SimLoop::run_for(Duration span) {
  run_until([] { return false; }, span);
}

void SimLoop::trace(uint64_t tag) {
  trace_hash_ = (trace_hash_ ^ tag) * 0x9E3779B97F4A7C15ULL;
  trace_hash_ ^= trace_hash_ >> 29;
}

SimClock::SimClock(const SimLoop& loop, Duration wall_offset)
    : loop_(loop), wall_offset_(kWallStart + wall_offset), anchor_virtual_(loop.now()), anchor_local_(loop.now()) {}

Duration SimClock::monotonic() const {
  const Duration passed = loop_.now() - anchor_virtual_;
  // In two steps, because years of nanoseconds times a million do not fit.
  const int64_t millions = passed.count() / kMillion;
  const int64_t rest = passed.count() % kMillion;
  return anchor_local_ + passed + Duration(millions * drift_ppm_ + rest * drift_ppm_ / kMillion);
}

void SimClock::set_drift(int64_t parts_per_million) {
  CHECK(parts_per_million > -kMillion, "a clock that stands still or goes back: {} ppm", parts_per_million);
  anchor_local_ = monotonic();
  anchor_virtual_ = loop_.now();
  drift_ppm_ = parts_per_million;
}

Duration SimClock::virtual_span(Duration span) const {
  if (drift_ppm_ == 0) return span;
  const double rate = 1.0 + static_cast<double>(drift_ppm_) / static_cast<double>(kMillion);
  return Duration(static_cast<int64_t>(static_cast<double>(span.count()) / rate) + 2);
}

void SimExecutor::post(Job job) {
  if (is_stopped_ || loop_ == nullptr) return;
  Duration due = loop_->now();
  if (delay_max_ > Duration{}) due += loop_->random().between(Duration{}, delay_max_);
  if (queueing_) {
    due += queueing_();
  } else {
    due = last_due_ = std::max(last_due_, due);
  }
  ++backlog_;
  loop_->push(due, {.executor = this, .job = std::move(job)});
}

TimerId SimExecutor::after(Duration delay, Job job) {
  if (is_stopped_ || loop_ == nullptr) return {};
  const Duration span = clock_->virtual_span(std::max(delay, Duration{}));
  return {loop_->push(loop_->now() + span,
                      {.executor = this, .job = std::move(job), .kind = SimLoop::Event::Kind::kTimer})};
}

void SimExecutor::cancel(TimerId timer) {
  if (loop_ != nullptr) loop_->cancel(timer.value);
}

void SimExecutor::stall(Duration span) {
  if (is_stopped_ || loop_ == nullptr) return;
  stalled_until_ = std::max(stalled_until_, loop_->now() + span);
  loop_->push(stalled_until_, {.executor = this, .job = nullptr, .kind = SimLoop::Event::Kind::kEndOfStall});
}

SimExecutors::SimExecutors(SimLoop& loop, const SimClock& clock, std::string node, Duration delay_max)
    : loop_(loop), clock_(clock), node_(std::move(node)), delay_max_(delay_max) {}

std::shared_ptr<Executor> SimExecutors::make(const std::string& name) {
  const uint64_t id = loop_.executors_.size() + 1;
  auto executor = std::shared_ptr<SimExecutor>(new SimExecutor(&loop_, &clock_, id, node_ + "/" + name, delay_max_));
  executor->is_stopped_ = is_killed_;
  executor->is_paused_ = is_paused_;
  executor->may_wait_ = may_wait_ && may_wait_(name);
  loop_.executors_.push_back(executor);
  made_.push_back(executor.get());
  return executor;
}

std::shared_ptr<Executor> SimExecutors::make_pool(const std::string& name, int threads) {
  CHECK(threads > 0, "a pool of {} threads", threads);
  auto executor = make(name);
  made_.back()->threads_ = threads;
  made_.back()->queueing_ = queueing_;
  return executor;
}

std::vector<SimExecutor*> SimExecutors::find(const std::string& prefix) const {
  std::vector<SimExecutor*> found;
  for (SimExecutor* executor : made_) {
    if (executor->name().starts_with(node_ + "/" + prefix)) found.push_back(executor);
  }
  return found;
}

bool SimExecutors::has_waiting() const {
  return std::any_of(made_.begin(), made_.end(), [](const SimExecutor* executor) { return executor->waiting_ > 0; });
}

void SimExecutors::kill() {
  if (std::exchange(is_killed_, true)) return;
  std::vector<SimLoop::Event> dropped;
  for (SimExecutor* executor : made_) {
    executor->is_stopped_ = true;
    executor->backlog_ = 0;
    for (auto& event : executor->held_) dropped.push_back(std::move(event));
    executor->held_.clear();
  }
  for (auto& event : loop_.take_events_of(made_)) dropped.push_back(std::move(event));
}

void SimExecutors::pause() {
  is_paused_ = true;
  for (SimExecutor* executor : made_) executor->is_paused_ = true;
}

void SimExecutors::resume() {
  is_paused_ = false;
  for (SimExecutor* executor : made_) {
    executor->is_paused_ = false;
    if (!executor->is_still()) loop_.release_held(*executor);
  }
}

}  // namespace cairn::runtime
