#include "pd/tso/tso.h"

#include <algorithm>

#include "base/check.h"

namespace cairn::pd {

void TsoOracle::reset(uint64_t now_ms, uint64_t saved_bound_ms) {
  active_ = true;
  serving_ = false;
  starved_ = false;
  saved_ms_ = saved_bound_ms;
  // What this process handed out itself lies below saved_bound_ms too, since it saved first.
  physical_ms_ = std::max(now_ms, saved_bound_ms + kGuardMs);
  logical_ = 0;
}

std::optional<uint64_t> TsoOracle::wanted_bound(uint64_t now_ms) const {
  if (!active_) return std::nullopt;
  const uint64_t next = std::max(now_ms, physical_ms_);
  const uint64_t bound = next + save_interval_ms_;
  if (bound <= saved_ms_) return std::nullopt;  // the clock went back since: what is saved never does
  // Renew once two fifths are used, so that requests do not wait for the disk.
  const bool is_near = saved_ms_ <= next + save_interval_ms_ * 3 / 5;
  return !serving_ || starved_ || is_near ? std::optional(bound) : std::nullopt;
}

void TsoOracle::on_saved(uint64_t bound_ms) {
  if (!active_) return;
  // INV-TSO-MONOTONIC: whoever serves next begins at the bound.
  CHECK(bound_ms >= saved_ms_, "the bound of timestamps went back from {} to {}", saved_ms_, bound_ms);
  saved_ms_ = bound_ms;
  starved_ = false;
  if (physical_ms_ + kGuardMs < bound_ms) serving_ = true;
}

void TsoOracle::advance_to(uint64_t physical_ms, Instant now) {
  CHECK(physical_ms > physical_ms_, "the physical part would go from {} to {}", physical_ms_, physical_ms);
  physical_ms_ = physical_ms;
  advanced_at_ = now;
  logical_ = 0;
}

void TsoOracle::update(uint64_t now_ms, Instant now) {
  if (!active_ || !serving_) return;
  uint64_t next = physical_ms_;
  if (now_ms > physical_ms_ + 1) {
    next = now_ms;
  } else if (logical_ > kLogicalMax / 2) {
    next = physical_ms_ + 1;
  }
  if (next > physical_ms_ && may_use(next)) advance_to(next, now);
}

std::optional<TsoOracle::Batch> TsoOracle::allocate(uint64_t now_ms, uint64_t count, Instant now) {
  CHECK(count > 0 && count <= kCountMax, "a batch of {} timestamps", count);
  if (!active_ || !serving_) return std::nullopt;
  if (logical_ + count >= kLogicalMax) {
    const bool has_time_passed = now - advanced_at_ >= std::chrono::milliseconds(1);
    const uint64_t next = has_time_passed ? std::max(now_ms, physical_ms_ + 1) : now_ms;
    if (next <= physical_ms_) return std::nullopt;
    if (!may_use(next)) {
      starved_ = true;
      return std::nullopt;
    }
    advance_to(next, now);
  }
  CHECK(may_use(physical_ms_), "physical {} beyond the saved bound {}", physical_ms_, saved_ms_);
  logical_ += count;
  return Batch{physical_ms_, logical_};
}

}  // namespace cairn::pd
