#include "runtime/random.h"

#include <bit>
#include <random>

namespace cairn::runtime {

// xoshiro256** 1.0 seeded by splitmix64 (Blackman and Vigna, public domain algorithms).
Random::Random(uint64_t seed) : state_{} {
  for (auto& word : state_) {
    seed += 0x9E3779B97F4A7C15ULL;
    uint64_t z = seed;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    word = z ^ (z >> 31);
  }
}

uint64_t Random::next() {
  auto& s = state_;
  const uint64_t result = std::rotl(s[1] * 5, 7) * 9;
  const uint64_t t = s[1] << 17;
  s[2] ^= s[0];
  s[3] ^= s[1];
  s[1] ^= s[2];
  s[0] ^= s[3];
  s[2] ^= t;
  s[3] = std::rotl(s[3], 45);
  return result;
}

uint64_t Random::below(uint64_t bound) {
  CHECK(bound > 0);
  // Reject the short last run, so that no value is likelier than another.
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  uint64_t v = next();
  while (v >= limit) v = next();
  return v % bound;
}

double Random::fraction() { return static_cast<double>(next() >> 11) * 0x1.0p-53; }

bool Random::chance(double probability) { return fraction() < probability; }

uint64_t entropy_seed() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace cairn::runtime
