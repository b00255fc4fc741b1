#include "store/disk_health.h"

#include <algorithm>
#include <utility>

namespace cairn::store {

void WriteWatch::begin(Instant now) {
  MutexLock lock(mutex_);
  is_writing_ = true;
  since_ = now;
}

void WriteWatch::end(Instant now) {
  MutexLock lock(mutex_);
  is_writing_ = false;
  longest_ = std::max(longest_, now - since_);
}

Duration WriteWatch::take_longest(Instant now) {
  MutexLock lock(mutex_);
  const Duration ended = std::exchange(longest_, Duration());
  return is_writing_ ? std::max(ended, now - since_) : ended;
}

void SlowScore::look(Duration longest, Instant now) {
  if (round_began_ == Instant()) round_began_ = now;
  ++looks_;
  if (longest >= options_.slow_after) ++slow_looks_;
  if (looks_ < options_.looks_a_round) return;
  if (slow_looks_ == 0) {
    value_ = std::max(1.0, value_ - 100 * to_seconds(now - round_began_) / to_seconds(options_.recovery));
  } else {
    const double share = static_cast<double>(slow_looks_) / looks_;
    value_ = std::min(100.0, value_ * (1 + std::min(share / options_.slow_share_max, 1.0)));
  }
  looks_ = slow_looks_ = 0;
  round_began_ = now;
}

DiskHealth::DiskHealth(std::shared_ptr<runtime::Executor> executor, const runtime::Clock& clock, Duration interval,
                       std::function<Duration(Instant now)> longest)
    : executor_(std::move(executor)),
      clock_(clock),
      interval_(interval),
      longest_(std::move(longest)),
      slow_score_({.slow_after = interval}) {}

void DiskHealth::begin() {
  if (interval_ > Duration()) timer_ = executor_->after(interval_, [this] { look(); });
}

void DiskHealth::stop() {
  stopped_ = true;
  executor_->cancel(timer_);
}

void DiskHealth::look() {
  if (stopped_) return;
  const Instant now = clock_.now();
  slow_score_.look(longest_(now), now);
  score_.store(slow_score_.value(), std::memory_order_relaxed);
  timer_ = executor_->after(interval_, [this] { look(); });
}

}  // namespace cairn::store
