// The clock, as a capability given by constructor. Real: threaded/real_clock. Simulated: simulated/sim_loop, where each
// node's clock may drift and jump.
#pragma once

#include "base/time.h"

namespace cairn::runtime {

class Clock {
 public:
  virtual ~Clock() = default;
  // Monotonic; never goes back within a process. Leases and timeouts use this. Thread-safe.
  virtual Instant now() const = 0;
  // The calendar; may jump either way. TSO, TTL and logs use this. Thread-safe.
  virtual WallTime wall_now() const = 0;
};

}  // namespace cairn::runtime
