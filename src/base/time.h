// Points in time and spans. `Instant` is monotonic and only comparable within one process; `WallTime` is the calendar,
// may jump, and is for TSO, TTL and logs. Neither has a now(): the clock is a capability (runtime/clock.h).
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>

namespace cairn {

using Duration = std::chrono::nanoseconds;
using namespace std::chrono_literals;  // NOLINT: 10ms reads better than any constructor.

struct Instant {
  Duration since_start{};  // an arbitrary origin

  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend constexpr Instant operator+(Instant t, Duration d) { return {t.since_start + d}; }
  friend constexpr Instant operator-(Instant t, Duration d) { return {t.since_start - d}; }
  friend constexpr Duration operator-(Instant a, Instant b) { return a.since_start - b.since_start; }
};

struct WallTime {
  Duration since_epoch{};  // since 1970-01-01 UTC

  constexpr uint64_t ms() const { return static_cast<uint64_t>(since_epoch / std::chrono::milliseconds(1)); }
  constexpr uint64_t seconds() const { return static_cast<uint64_t>(since_epoch / std::chrono::seconds(1)); }
  friend constexpr auto operator<=>(WallTime, WallTime) = default;
  friend constexpr WallTime operator+(WallTime t, Duration d) { return {t.since_epoch + d}; }
  friend constexpr Duration operator-(WallTime a, WallTime b) { return a.since_epoch - b.since_epoch; }
};

constexpr double to_seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

}  // namespace cairn
