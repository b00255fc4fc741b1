#include "coprocessor/types/decimal.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "coprocessor/types/decimal_words.h"

namespace cairn::coprocessor {

using namespace decimal_words;

Decimal Decimal::from_uint(uint64_t value) {
  std::array<uint32_t, 3> digits{};
  for (int i = 2; i >= 0; --i) {
    digits[static_cast<size_t>(i)] = static_cast<uint32_t>(value % kBase);
    value /= kBase;
  }
  return from_words({digits.data(), 3}, 3, 0, 0, false).value;
}

Decimal Decimal::from_int(int64_t value) {
  Decimal result = from_uint(value < 0 ? -static_cast<uint64_t>(value) : static_cast<uint64_t>(value));
  result.negative = value < 0;
  return result;
}

std::optional<Fitted<Decimal>> Decimal::from_double(double value) {
  if (!std::isfinite(value)) return std::nullopt;
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value).ptr;
  return parse(ByteView(buffer, static_cast<size_t>(end - buffer)));
}

Decimal Decimal::largest(int precision, int frac, bool is_negative) {
  std::string digits(static_cast<size_t>(precision - frac), '9');
  if (frac > 0) digits += "." + std::string(static_cast<size_t>(frac), '9');
  Decimal result = digits.empty() ? Decimal() : parse(digits)->value;
  result.negative = is_negative && !result.is_zero();
  return result;
}

bool Decimal::is_zero() const {
  return std::all_of(words.begin(), words.end(), [](uint32_t word) { return word == 0; });
}

Decimal Decimal::negated() const {
  Decimal result = *this;
  result.negative = !negative && !is_zero();
  return result;
}

Decimal Decimal::abs() const {
  Decimal result = *this;
  result.negative = false;
  return result;
}

namespace {

std::strong_ordering compare_magnitudes(const View& a, const View& b) {
  if (a.ints != b.ints) return a.ints <=> b.ints;
  const int frac = std::max(a.fracs, b.fracs);
  for (int at = -a.ints; at < frac; ++at) {
    if (a.at(at) != b.at(at)) return a.at(at) <=> b.at(at);
  }
  return std::strong_ordering::equal;
}

Fitted<Decimal> add_magnitudes(const View& a, const View& b, int frac_digits, bool negative) {
  const int ints = std::max(a.ints, b.ints) + 1;
  const int fracs = std::max(a.fracs, b.fracs);
  Words sum{};
  uint32_t carry = 0;
  for (int at = fracs - 1; at >= -ints; --at) {
    const uint32_t word = a.at(at) + b.at(at) + carry;
    carry = word >= kBase ? 1 : 0;
    sum[static_cast<size_t>(ints + at)] = word - (carry != 0 ? kBase : 0);
  }
  return from_words({sum.data(), static_cast<size_t>(ints + fracs)}, ints, fracs, frac_digits, negative);
}

// Precondition: a >= b.
Fitted<Decimal> subtract_magnitudes(const View& a, const View& b, int frac_digits, bool negative) {
  const int fracs = std::max(a.fracs, b.fracs);
  Words difference{};
  int32_t borrow = 0;
  for (int at = fracs - 1; at >= -a.ints; --at) {
    int32_t word = static_cast<int32_t>(a.at(at)) - static_cast<int32_t>(b.at(at)) - borrow;
    borrow = word < 0 ? 1 : 0;
    if (word < 0) word += static_cast<int32_t>(kBase);
    difference[static_cast<size_t>(a.ints + at)] = static_cast<uint32_t>(word);
  }
  return from_words({difference.data(), static_cast<size_t>(a.ints + fracs)}, a.ints, fracs, frac_digits, negative);
}

Fitted<Decimal> add_signed(const Decimal& a, const Decimal& b, bool b_negative) {
  const int frac_digits = std::max(a.frac_digits, b.frac_digits);
  const View x = view(a), y = view(b);
  Fitted<Decimal> sum;
  if (a.negative == b_negative) {
    sum = add_magnitudes(x, y, frac_digits, a.negative);
  } else if (compare_magnitudes(x, y) >= 0) {
    sum = subtract_magnitudes(x, y, frac_digits, a.negative);
  } else {
    sum = subtract_magnitudes(y, x, frac_digits, b_negative);
  }
  sum.value.result_frac = std::max(a.result_frac, b.result_frac);
  return sum;
}

}  // namespace

Fitted<Decimal> add(const Decimal& a, const Decimal& b) { return add_signed(a, b, b.negative); }
Fitted<Decimal> subtract(const Decimal& a, const Decimal& b) { return add_signed(a, b, !b.negative); }

Fitted<Decimal> multiply(const Decimal& a, const Decimal& b) {
  const View x = view(a), y = view(b);
  const int ints = x.ints + y.ints, fracs = x.fracs + y.fracs;
  Words product{};
  for (int i = x.size() - 1; i >= 0; --i) {
    uint64_t carry = 0;
    for (int j = y.size() - 1; j >= 0; --j) {
      auto& to = product[static_cast<size_t>(i + j + 1)];
      const uint64_t word = uint64_t{x.words[i]} * y.words[j] + to + carry;
      to = static_cast<uint32_t>(word % kBase);
      carry = word / kBase;
    }
    product[static_cast<size_t>(i)] = static_cast<uint32_t>(carry);
  }
  const int frac_digits = std::min(a.frac_digits + b.frac_digits, Decimal::kFracMax + 1);
  auto result = from_words({product.data(), static_cast<size_t>(ints + fracs)}, ints, fracs, frac_digits,
                           a.negative != b.negative);
  result.value.result_frac = static_cast<uint8_t>(std::min<int>(a.result_frac + b.result_frac, Decimal::kFracMax));
  return result;
}

std::optional<Fitted<Decimal>> divide(const Decimal& a, const Decimal& b, int frac_increment) {
  if (b.is_zero()) return std::nullopt;
  const auto result_frac = static_cast<uint8_t>(std::min<int>(a.result_frac + frac_increment, Decimal::kFracMax));
  if (a.is_zero()) {
    Fitted<Decimal> zero;
    zero.value.result_frac = result_frac;
    zero.value.frac_digits = result_frac;
    return zero;
  }
  const View x = view(a), y = view(b);
  // Digits that fill up the last words of the operands count towards the increment.
  const int spare = x.fracs * Decimal::kDigitsOfWord - a.frac_digits + y.fracs * Decimal::kDigitsOfWord - b.frac_digits;
  const int fracs = x.fracs + y.fracs + words_of(std::max(0, frac_increment - spare));
  // a / b = (A / B) * base^(y.fracs - x.fracs), over the words as whole numbers; scaled by base^fracs.
  std::vector<uint32_t> dividend(x.words, x.words + x.size());
  dividend.resize(static_cast<size_t>(x.size() + y.fracs - x.fracs + fracs), 0);
  auto quotient = divide_words(dividend, {y.words, static_cast<size_t>(y.size())}).quotient;
  if (quotient.size() < static_cast<size_t>(fracs)) {
    quotient.insert(quotient.begin(), static_cast<size_t>(fracs) - quotient.size(), 0);
  }
  const int ints = static_cast<int>(quotient.size()) - fracs;
  auto result = from_words(quotient, ints, fracs, fracs * Decimal::kDigitsOfWord, a.negative != b.negative);
  result.value.result_frac = result_frac;
  return result;
}

std::optional<Fitted<Decimal>> remainder(const Decimal& a, const Decimal& b) {
  if (b.is_zero()) return std::nullopt;
  const View x = view(a), y = view(b);
  const int fracs = std::max(x.fracs, y.fracs);
  const auto scaled = [&](const View& v) {
    std::vector<uint32_t> words(v.words, v.words + v.size());
    words.resize(static_cast<size_t>(v.ints + fracs), 0);
    return words;
  };
  auto rest = divide_words(scaled(x), scaled(y)).remainder;
  if (rest.size() < static_cast<size_t>(fracs)) rest.insert(rest.begin(), static_cast<size_t>(fracs) - rest.size(), 0);
  const int ints = static_cast<int>(rest.size()) - fracs;
  auto result = from_words(rest, ints, fracs, std::max(a.frac_digits, b.frac_digits), a.negative);
  result.value.result_frac = std::max(a.result_frac, b.result_frac);
  return result;
}

std::strong_ordering operator<=>(const Decimal& a, const Decimal& b) {
  if (a.negative != b.negative) return a.negative ? std::strong_ordering::less : std::strong_ordering::greater;
  const auto order = compare_magnitudes(view(a), view(b));
  return a.negative ? 0 <=> order : order;
}

Fitted<Decimal> Decimal::rounded(int scale, Rounding mode) const {
  scale = std::min(scale, kFracMax);
  const View v = view(*this);
  if (scale >= frac_digits) {
    Decimal result = *this;
    const int room = (kWords - v.ints) * kDigitsOfWord;
    result.frac_digits = static_cast<uint8_t>(std::min(scale, room));
    result.result_frac = result.frac_digits;
    return {result, scale > room ? Fit::kTruncated : Fit::kExact};
  }
  // Digit `scale` behind the point is the first that goes: it stands in word `at`, `place` digits from its left.
  const int at = scale >= 0 ? scale / kDigitsOfWord : -((-scale + kDigitsOfWord - 1) / kDigitsOfWord);
  const int place = scale - at * kDigitsOfWord;
  if (at < -v.ints) return {};
  Words digits{};
  for (int i = -v.ints; i < v.fracs; ++i) digits[static_cast<size_t>(1 + v.ints + i)] = v.at(i);
  auto* word = &digits[static_cast<size_t>(1 + v.ints + at)];
  const uint32_t unit = kPowers[static_cast<size_t>(kDigitsOfWord - place)];
  bool goes_up = false;
  if (mode == Rounding::kHalfUp) {
    goes_up = *word / (unit / 10) % 10 >= 5;
  } else if (mode == Rounding::kUp) {
    goes_up = *word % unit != 0;
    for (int i = at + 1; i < v.fracs; ++i) goes_up = goes_up || v.at(i) != 0;
  }
  *word -= *word % unit;
  for (int i = at + 1; i < v.fracs; ++i) digits[static_cast<size_t>(1 + v.ints + i)] = 0;
  if (goes_up) {
    if (place == 0) {
      --word;
      *word += 1;
    } else {
      *word += unit;
    }
    for (; *word >= kBase; --word) {
      *word -= kBase;
      *(word - 1) += 1;
    }
  }
  return from_words({digits.data(), static_cast<size_t>(1 + v.ints + v.fracs)}, 1 + v.ints, v.fracs, std::max(scale, 0),
                    negative);
}

Fitted<Decimal> Decimal::shifted(int places) const {
  if (places == 0 || is_zero()) return {*this, Fit::kExact};
  std::string digits = all_digits(*this);
  const int point = int_digits + places;  // digits before the point of the result
  if (point > kDigitsMax) return {largest(kDigitsMax, 0, negative), Fit::kOverflow};
  if (point < -kDigitsMax) return {Decimal(), Fit::kTruncated};
  std::string text;
  if (point <= 0) {
    text = "0." + std::string(static_cast<size_t>(-point), '0') + digits;
  } else {
    if (digits.size() < static_cast<size_t>(point)) digits.resize(static_cast<size_t>(point), '0');
    text = digits.substr(0, static_cast<size_t>(point)) + "." + digits.substr(static_cast<size_t>(point));
  }
  auto result = parse(text).value_or(Fitted<Decimal>());
  result.value.negative = negative && !result.value.is_zero();
  return result;
}

Fitted<uint64_t> Decimal::to_uint() const {
  if (negative) return {0, Fit::kOverflow};
  const View v = view(*this);
  uint64_t value = 0;
  for (int at = -v.ints; at < 0; ++at) {
    if (__builtin_mul_overflow(value, uint64_t{kBase}, &value) || __builtin_add_overflow(value, v.at(at), &value)) {
      return {UINT64_MAX, Fit::kOverflow};
    }
  }
  for (int at = 0; at < v.fracs; ++at) {
    if (v.at(at) != 0) return {value, Fit::kTruncated};
  }
  return {value, Fit::kExact};
}

Fitted<int64_t> Decimal::to_int() const {
  const auto magnitude = abs().to_uint();
  const uint64_t limit = negative ? uint64_t{1} << 63 : static_cast<uint64_t>(INT64_MAX);
  if (magnitude.fit == Fit::kOverflow || magnitude.value > limit) {
    return {negative ? INT64_MIN : INT64_MAX, Fit::kOverflow};
  }
  return {static_cast<int64_t>(negative ? -magnitude.value : magnitude.value), magnitude.fit};
}

double Decimal::to_double() const {
  // Powers of ten up to 22 and integers up to 2^53 are exact, so one division rounds once.
  static constexpr double kExact[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9};
  const View v = view(*this);
  if (v.ints <= 1 && v.fracs == 0) {
    const double value = v.ints == 0 ? 0 : v.at(-1);
    return negative ? -value : value;
  }
  if (v.ints <= 1 && v.fracs == 1 && int_digits <= 6 && frac_digits <= 9) {
    const double value = (static_cast<double>(v.at(-1)) * 1e9 + v.at(0)) / kExact[9];
    return negative ? -value : value;
  }
  const std::string text = to_string();
  double value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::string Decimal::to_string() const {
  const std::string digits = all_digits(*this);
  std::string text = negative ? "-" : "";
  text += int_digits == 0 ? "0" : digits.substr(0, int_digits);
  if (frac_digits > 0) text += "." + digits.substr(int_digits);
  return text;
}

std::string Decimal::to_shown_string() const {
  return result_frac == frac_digits ? to_string() : rounded(result_frac, Rounding::kHalfUp).value.to_string();
}

}  // namespace cairn::coprocessor
