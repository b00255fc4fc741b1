#include "coprocessor/types/decimal_words.h"

#include "base/check.h"

namespace cairn::coprocessor::decimal_words {
namespace {

int digits_in(uint32_t word) {
  int digits = 0;
  while (digits < Decimal::kDigitsOfWord && word >= kPowers[static_cast<size_t>(digits)]) ++digits;
  return digits;
}

std::span<const uint32_t> without_leading_zeros(std::span<const uint32_t> words) {
  while (!words.empty() && words.front() == 0) words = words.subspan(1);
  return words;
}

Division divide_by_word(std::span<const uint32_t> dividend, uint32_t divisor) {
  Division result;
  uint64_t rest = 0;
  for (const uint32_t word : dividend) {
    rest = rest * kBase + word;
    result.quotient.push_back(static_cast<uint32_t>(rest / divisor));
    rest %= divisor;
  }
  result.remainder = {static_cast<uint32_t>(rest)};
  return result;
}

}  // namespace

Fitted<Decimal> from_words(std::span<const uint32_t> words, int ints, int fracs, int frac_digits, bool negative) {
  while (ints > 0 && words.front() == 0) {
    words = words.subspan(1);
    --ints;
  }
  if (ints > Decimal::kWords) {
    return {Decimal::largest(Decimal::kDigitsMax, 0, negative), Fit::kOverflow};
  }
  Fitted<Decimal> result;
  Decimal& d = result.value;
  const int room = (Decimal::kWords - ints) * Decimal::kDigitsOfWord;
  if (frac_digits > room) {
    result.fit = Fit::kTruncated;
    frac_digits = room;
  }
  const int kept = std::min(fracs, words_of(frac_digits));
  std::copy_n(words.begin(), ints + kept, d.words.begin());
  // Digits of the last word that do not count.
  const int spare = kept * Decimal::kDigitsOfWord - frac_digits;
  if (kept > 0 && spare > 0) {
    auto& last = d.words[static_cast<size_t>(ints + kept - 1)];
    last -= last % kPowers[static_cast<size_t>(spare)];
  }
  d.int_digits = ints == 0 ? 0 : static_cast<uint8_t>((ints - 1) * Decimal::kDigitsOfWord + digits_in(words.front()));
  d.frac_digits = static_cast<uint8_t>(frac_digits);
  d.result_frac = d.frac_digits;
  d.negative = negative && !d.is_zero();
  return result;
}

std::string all_digits(const Decimal& d) {
  const View v = view(d);
  std::string digits(static_cast<size_t>(v.size() * Decimal::kDigitsOfWord), '0');
  for (int i = 0; i < v.size(); ++i) {
    uint32_t word = v.words[i];
    for (int place = Decimal::kDigitsOfWord - 1; place >= 0; --place) {
      digits[static_cast<size_t>(i * Decimal::kDigitsOfWord + place)] = static_cast<char>('0' + word % 10);
      word /= 10;
    }
  }
  const int leading = v.ints * Decimal::kDigitsOfWord - d.int_digits;
  return digits.substr(static_cast<size_t>(leading), static_cast<size_t>(d.int_digits + d.frac_digits));
}

// Knuth, The Art of Computer Programming, volume 2, algorithm D, in base 10^9.
Division divide_words(std::span<const uint32_t> dividend, std::span<const uint32_t> divisor) {
  divisor = without_leading_zeros(divisor);
  CHECK(!divisor.empty(), "a division by zero");
  if (divisor.size() == 1) return divide_by_word(dividend, divisor.front());
  const uint64_t scale = kBase / (uint64_t{divisor.front()} + 1);
  const auto times = [scale](std::span<const uint32_t> words) {
    std::vector<uint32_t> result(words.size() + 1);
    uint64_t carry = 0;
    for (size_t i = words.size(); i-- > 0;) {
      const uint64_t word = words[i] * scale + carry;
      result[i + 1] = static_cast<uint32_t>(word % kBase);
      carry = word / kBase;
    }
    result[0] = static_cast<uint32_t>(carry);
    return result;
  };
  std::vector<uint32_t> rest = times(dividend);
  const std::vector<uint32_t> scaled = times(divisor);
  const std::span<const uint32_t> by(scaled.data() + 1, divisor.size());  // the scaling does not lengthen it
  Division result;
  for (size_t at = 0; at + by.size() < rest.size(); ++at) {
    const uint64_t top = uint64_t{rest[at]} * kBase + rest[at + 1];
    uint64_t guess = std::min<uint64_t>(top / by[0], kBase - 1);
    while (by[1] * guess > (top - guess * by[0]) * kBase + rest[at + 2] && top - guess * by[0] < kBase) --guess;
    int64_t borrow = 0;
    for (size_t i = by.size(); i-- > 0;) {
      int64_t word = static_cast<int64_t>(rest[at + 1 + i]) - static_cast<int64_t>(guess * by[i] % kBase) - borrow;
      borrow = static_cast<int64_t>(guess * by[i] / kBase);
      while (word < 0) {
        word += kBase;
        ++borrow;
      }
      rest[at + 1 + i] = static_cast<uint32_t>(word);
    }
    if (static_cast<int64_t>(rest[at]) < borrow) {  // the guess was one too large
      --guess;
      uint32_t carry = 0;
      for (size_t i = by.size(); i-- > 0;) {
        const uint32_t word = rest[at + 1 + i] + by[i] + carry;
        carry = word >= kBase ? 1 : 0;
        rest[at + 1 + i] = word - (carry != 0 ? kBase : 0);
      }
    }
    rest[at] = 0;
    result.quotient.push_back(static_cast<uint32_t>(guess));
  }
  result.remainder = divide_by_word(rest, static_cast<uint32_t>(scale)).quotient;
  return result;
}

}  // namespace cairn::coprocessor::decimal_words
