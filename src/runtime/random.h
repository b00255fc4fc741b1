// Random numbers, as a capability given by constructor: xoshiro256** from a seed. The same seed gives the same numbers
// on every machine. Not thread-safe: each actor owns one (fork() makes another).
#pragma once

#include <array>
#include <cstdint>

#include "base/check.h"
#include "base/time.h"

namespace cairn::runtime {

class Random {
 public:
  explicit Random(uint64_t seed);

  uint64_t next();
  // Uniform in [0, bound); bound > 0.
  uint64_t below(uint64_t bound);
  // Uniform in [low, high], both included.
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }
  Duration between(Duration low, Duration high) {
    return Duration(
        static_cast<int64_t>(between(static_cast<uint64_t>(low.count()), static_cast<uint64_t>(high.count()))));
  }
  // True with the given probability (0 to 1).
  bool chance(double probability);
  // Uniform in [0, 1).
  double fraction();
  // A generator of its own stream, seeded from this one.
  Random fork() { return Random(next()); }

 private:
  std::array<uint64_t, 4> state_;
};

// A seed from the operating system: for real processes only, once at start.
uint64_t entropy_seed();

}  // namespace cairn::runtime
