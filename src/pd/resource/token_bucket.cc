#include "pd/resource/token_bucket.h"

#include <algorithm>
#include <cmath>

namespace cairn::pd {

TokenBucket::Grant TokenBucket::ask(const Ask& ask, Instant now) {
  if (!(ask.tokens > 0)) return {};  // nor what is no number
  if (settings_.burst_limit < 0) return {ask.tokens, {}};
  forget_silent(now);
  const bool is_known = parts_.contains(ask.client);
  if (!is_known && parts_.size() >= kClientsMax) return {};
  const auto rate = static_cast<double>(settings_.fill_rate);
  const double burst = settings_.burst_limit > 0 ? static_cast<double>(settings_.burst_limit) : rate;
  // Those who shared until now get what has come in; a new one begins with an even part of what is there.
  const auto before = static_cast<double>(parts_.size());
  double held = 0;
  for (auto& [client, part] : parts_) {
    part.tokens = std::min(part.tokens + rate / before * to_seconds(now - filled_), burst / before);
    held += std::max(part.tokens, 0.0);
  }
  filled_ = now;
  auto& mine = parts_[ask.client];
  const auto count = static_cast<double>(parts_.size());
  if (!is_known) {
    const double there = before == 0 ? burst : held;
    for (auto& [client, part] : parts_) {
      if (client != ask.client && part.tokens > 0) part.tokens -= part.tokens / count;
    }
    mine.tokens = there / count;
  }
  mine.asked = now;

  if (mine.tokens >= ask.tokens) {
    mine.tokens -= ask.tokens;
    return {ask.tokens, {}};
  }
  const double share = rate / count;
  const double loan = share * to_seconds(std::clamp(ask.period, Duration{}, kClientMax));
  const double granted = std::min(ask.tokens, std::max(mine.tokens + loan, 0.0));
  const double lent = std::min(granted, granted - std::max(mine.tokens, 0.0));
  mine.tokens -= granted;
  if (granted <= 0 || share <= 0) return {std::max(granted, 0.0), ask.period};
  return {granted, std::chrono::milliseconds(static_cast<int64_t>(std::ceil(lent / share * 1000)))};
}

bool TokenBucket::is_silent(Instant now) const {
  return std::all_of(parts_.begin(), parts_.end(),
                     [&](const auto& entry) { return now - entry.second.asked > kClientMax; });
}

void TokenBucket::forget_silent(Instant now) {
  std::erase_if(parts_, [&](const auto& entry) { return now - entry.second.asked > kClientMax; });
}

}  // namespace cairn::pd
