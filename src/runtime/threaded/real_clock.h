// The machine's clocks. Tests: executor_test.cc.
#pragma once

#include "runtime/clock.h"

namespace cairn::runtime {

// CLOCK_MONOTONIC and CLOCK_REALTIME.
class RealClock final : public Clock {
 public:
  Instant now() const override;
  WallTime wall_now() const override;
};

}  // namespace cairn::runtime
