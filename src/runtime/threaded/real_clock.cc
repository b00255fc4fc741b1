#include "runtime/threaded/real_clock.h"

#include <chrono>

namespace cairn::runtime {

Instant RealClock::now() const {
  return {std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch())};
}

WallTime RealClock::wall_now() const {
  return {std::chrono::duration_cast<Duration>(std::chrono::system_clock::now().time_since_epoch())};
}

}  // namespace cairn::runtime
