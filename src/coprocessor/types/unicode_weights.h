// Weights of characters in the collations of Unicode's algorithm, of the first level alone: `utf8mb4_unicode_ci` has
// those of version 4, `utf8mb4_0900_ai_ci` those of version 9. Tests: functions_test.cc.
#pragma once

#include <array>
#include <cstdint>

namespace cairn::coprocessor {

// Up to eight, the first in the lowest 16 bits of the first word; 0: no more. A character without any does not count.
struct CharWeights {
  uint64_t first = 0;
  uint64_t second = 0;

  bool empty() const { return first == 0; }
  // The first of them, taken out. Precondition: not empty.
  uint16_t take() {
    const auto weight = static_cast<uint16_t>(first);
    first = first >> 16 | second << 48;
    second >>= 16;
    return weight;
  }
  friend bool operator==(const CharWeights&, const CharWeights&) = default;
};

CharWeights unicode4_weights(char32_t c);
CharWeights unicode9_weights(char32_t c);

}  // namespace cairn::coprocessor
