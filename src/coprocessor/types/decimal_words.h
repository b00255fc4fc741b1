// The words of a decimal as a number in base 10^9, most significant first. Internal to types/.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string>
#include <vector>

#include "coprocessor/types/decimal.h"

namespace cairn::coprocessor::decimal_words {

inline constexpr uint32_t kBase = 1'000'000'000;
inline constexpr std::array<uint32_t, 10> kPowers = {1,       10,        100,        1'000,       10'000,
                                                     100'000, 1'000'000, 10'000'000, 100'000'000, kBase};
// Room for a product, and a carry.
using Words = std::array<uint32_t, static_cast<size_t>(2 * Decimal::kWords + 2)>;

constexpr int words_of(int digits) { return (digits + Decimal::kDigitsOfWord - 1) / Decimal::kDigitsOfWord; }

// Words by their place: -1 is the one before the point, 0 the one behind it; zero where there is none.
struct View {
  const uint32_t* words;
  int ints, fracs;
  int size() const { return ints + fracs; }
  uint32_t at(int place) const { return place < -ints || place >= fracs ? 0 : words[ints + place]; }
};
inline View view(const Decimal& d) { return {d.words.data(), words_of(d.int_digits), words_of(d.frac_digits)}; }

// The decimal of `ints` + `fracs` words, of which `frac_digits` digits behind the point count. Cuts digits behind the
// point that have no room; the largest decimal if those before it have none.
Fitted<Decimal> from_words(std::span<const uint32_t> words, int ints, int fracs, int frac_digits, bool negative);

// All digits, without a point: int_digits + frac_digits of them.
std::string all_digits(const Decimal& d);

// Division of whole numbers. Precondition: the divisor is not zero.
struct Division {
  std::vector<uint32_t> quotient;
  std::vector<uint32_t> remainder;
};
Division divide_words(std::span<const uint32_t> dividend, std::span<const uint32_t> divisor);

}  // namespace cairn::coprocessor::decimal_words
