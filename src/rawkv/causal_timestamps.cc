#include "rawkv/causal_timestamps.h"

#include <algorithm>
#include <utility>

namespace cairn::rawkv {

using runtime::Task;

CausalTimestamps::CausalTimestamps(runtime::Executor& executor, const runtime::Clock& clock,
                                   CausalTimestampOptions options, FetchTimestamps fetch)
    : executor_(executor), clock_(clock), options_(options), fetch_(std::move(fetch)) {
  CHECK(options_.batch_min > 0 && options_.batch_max >= options_.batch_min, "runs of {} to {} timestamps",
        options_.batch_min, options_.batch_max);
}

Task<Result<Timestamp, std::string>> CausalTimestamps::next(Timestamp above) {
  CHECK(fetch_, "timestamps without a source");
  // A run that was under way when `above` was given may lie below it, or be used up by those who waited longer.
  for (int tries = 0; !has(above); ++tries) {
    if (tries == 8 || waiting_.size() >= kWaitersMax) co_return Err(std::string("no timestamp can be had in time"));
    auto [promise, future] = runtime::one_shot<Result<void, std::string>>();
    waiting_.push_back(std::move(promise));
    if (!is_fetching_) renew();
    auto fetched = co_await future.wait(executor_);
    if (!fetched) co_return Err(std::string("the store is stopping"));
    if (!fetched->ok()) co_return Err(std::move(*fetched).error());
  }
  const Timestamp ts = std::max(next_, Timestamp(above.next()));
  CHECK(ts <= last_, "timestamp {} of a run up to {}", ts, last_);
  next_ = ts.next();
  ++used_;
  if (!is_fetching_ && clock_.now() - fetched_at_ >= options_.renew_interval) renew();
  co_return ts;
}

void CausalTimestamps::renew() {
  is_fetching_ = true;
  runtime::spawn_inline(fetch());
}

// As many as would last for the buffer at the rate of the run before; twice as many as were used if it ran dry.
uint32_t CausalTimestamps::batch_size(Instant now) const {
  const double elapsed = std::max(to_seconds(now - fetched_at_), 1e-3);
  double wanted = static_cast<double>(used_) / elapsed * to_seconds(options_.alloc_ahead_buffer);
  if (next_ > last_) wanted = std::max(wanted, 2.0 * static_cast<double>(used_));
  return static_cast<uint32_t>(
      std::clamp(wanted, static_cast<double>(options_.batch_min), static_cast<double>(options_.batch_max)));
}

Task<void> CausalTimestamps::fetch() {
  const uint32_t count = batch_size(clock_.now());
  auto last = co_await fetch_(count);
  co_await runtime::switch_to(executor_);
  is_fetching_ = false;
  auto waiting = std::exchange(waiting_, {});
  if (last.ok()) {
    // PD's timestamps only grow, so the run lies above the one before; what is left of that one is not needed.
    CHECK(last->value >= count, "a run of {} that ends at {}", count, *last);
    next_ = std::max(next_, Timestamp(*last - (count - 1)));
    last_ = std::max(last_, *last);
    used_ = 0;
  }
  fetched_at_ = clock_.now();  // a failure counts too: it is not tried again with each write
  for (auto& promise : waiting) {
    promise.set(last.ok() ? Result<void, std::string>() : Result<void, std::string>(Err(last.error())));
  }
}

}  // namespace cairn::rawkv
