// Mathematical functions. What has no value in the reals is NULL; what does not fit is an error.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/crc.h"
#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/conversion.h"
#include "coprocessor/functions/families.h"

namespace cairn::coprocessor {
namespace {

std::optional<double> real(double value) { return std::isnan(value) ? std::nullopt : std::optional(value); }

std::optional<double> real_or_overflow(Frame& f, double value, const std::string& expression) {
  if (!std::isinf(value)) return real(value);
  f.context.raise(code::kOutOfRange, fmt::format("DOUBLE value is out of range in '{}'", expression));
  return std::nullopt;
}

std::optional<int64_t> abs_int(Frame& f, int64_t v) {
  if (v != INT64_MIN) return v < 0 ? -v : v;
  f.context.raise(code::kOutOfRange, fmt::format("BIGINT value is out of range in 'abs({})'", v));
  return std::nullopt;
}
int64_t same_int(int64_t v) { return v; }
double abs_real(double v) { return std::fabs(v); }
Decimal abs_decimal(const Decimal& v) { return v.abs(); }

// Up or down to a whole number.
double ceil_real(double v) { return std::ceil(v); }
double floor_real(double v) { return std::floor(v); }
Decimal ceil_decimal(const Decimal& v) { return v.rounded(0, v.negative ? Rounding::kTruncate : Rounding::kUp).value; }
Decimal floor_decimal(const Decimal& v) { return v.rounded(0, v.negative ? Rounding::kUp : Rounding::kTruncate).value; }
Decimal int_to_decimal(Frame& f, int64_t v) {
  return f.type.args[0].is_unsigned() ? Decimal::from_uint(static_cast<uint64_t>(v)) : Decimal::from_int(v);
}
std::optional<int64_t> whole_to_int(Frame& f, const Decimal& v) {
  if (f.type.result.is_unsigned()) {
    const auto value = v.to_uint();
    if (value.fit == Fit::kExact) return static_cast<int64_t>(value.value);
  } else {
    const auto value = v.to_int();
    if (value.fit == Fit::kExact) return value.value;
  }
  f.context.raise(code::kOutOfRange, fmt::format("BIGINT value is out of range in '{}'", v.to_string()));
  return std::nullopt;
}
std::optional<int64_t> ceil_decimal_to_int(Frame& f, const Decimal& v) { return whole_to_int(f, ceil_decimal(v)); }
std::optional<int64_t> floor_decimal_to_int(Frame& f, const Decimal& v) { return whole_to_int(f, floor_decimal(v)); }

// Rounding. Reals go to the even neighbour, decimals away from zero.
double round_real(double v) { return std::nearbyint(v); }
Decimal round_decimal(const Decimal& v) { return v.rounded(0, Rounding::kHalfUp).value; }

int digits_of(int64_t digits, bool is_unsigned) {
  if (is_unsigned && digits < 0) return 400;
  return static_cast<int>(std::clamp<int64_t>(digits, -400, 400));
}
double round_real_to(Frame& f, double v, int64_t digits) {
  const double shift = std::pow(10.0, digits_of(digits, f.type.args[1].is_unsigned()));
  const double shifted = v * shift;
  if (std::isinf(shifted)) return v;
  const double result = std::nearbyint(shifted) / shift;
  return std::isnan(result) ? 0 : result;
}
int64_t round_int_to(Frame& f, int64_t v, int64_t digits) {
  if (digits >= 0 || f.type.args[1].is_unsigned()) return v;
  if (digits < -19) return 0;
  const auto number =
      f.type.args[0].is_unsigned() ? Decimal::from_uint(static_cast<uint64_t>(v)) : Decimal::from_int(v);
  const auto rounded = number.rounded(static_cast<int>(digits), Rounding::kHalfUp).value;
  if (f.type.args[0].is_unsigned()) return static_cast<int64_t>(rounded.to_uint().value);
  return rounded.to_int().value;
}
Decimal round_decimal_to(Frame& f, const Decimal& v, int64_t digits) {
  const int scale =
      std::clamp(digits_of(digits, f.type.args[1].is_unsigned()), -Decimal::kDigitsMax, Decimal::kFracMax);
  // No more digits than the result's type has.
  const int most = f.type.result.decimal >= 0 ? std::min(scale, f.type.result.decimal) : scale;
  return v.rounded(most, Rounding::kHalfUp).value;
}

int64_t truncate_int(Frame& f, int64_t v, int64_t digits) {
  if (digits >= 0 || f.type.args[1].is_unsigned()) return v;
  if (digits <= -19) return 0;
  int64_t unit = 1;
  for (int64_t i = digits; i < 0; ++i) unit *= 10;
  return v / unit * unit;
}
int64_t truncate_uint(Frame& f, int64_t v, int64_t digits) {
  if (digits >= 0 || f.type.args[1].is_unsigned()) return v;
  if (digits <= -20) return 0;
  uint64_t unit = 1;
  for (int64_t i = digits; i < 0; ++i) unit *= 10;
  return static_cast<int64_t>(static_cast<uint64_t>(v) / unit * unit);
}
double truncate_real(Frame& f, double v, int64_t digits) {
  const double shift = std::pow(10.0, digits_of(digits, f.type.args[1].is_unsigned()));
  const double shifted = v * shift;
  if (shifted == 0) return 0;
  return std::isfinite(shifted) ? std::trunc(shifted) / shift : v;
}
Decimal truncate_decimal(Frame& f, const Decimal& v, int64_t digits) {
  const int scale =
      std::clamp(digits_of(digits, f.type.args[1].is_unsigned()), -Decimal::kDigitsMax, Decimal::kFracMax);
  return v.rounded(scale, Rounding::kTruncate).value;
}

std::optional<double> positive(double v, double result) { return v > 0 ? real(result) : std::nullopt; }
std::optional<double> ln(double v) { return positive(v, std::log(v)); }
std::optional<double> log2_of(double v) { return positive(v, std::log2(v)); }
std::optional<double> log10_of(double v) { return positive(v, std::log10(v)); }
std::optional<double> log_of(double base, double v) {
  if (base <= 0 || base == 1) return std::nullopt;
  return positive(v, std::log(v) / std::log(base));
}
std::optional<double> exp_of(Frame& f, double v) {
  return real_or_overflow(f, std::exp(v), fmt::format("exp({})", real_to_text(v)));
}
std::optional<double> pow_of(Frame& f, double a, double b) {
  return real_or_overflow(f, std::pow(a, b), fmt::format("pow({}, {})", real_to_text(a), real_to_text(b)));
}
std::optional<double> sqrt_of(double v) { return v < 0 ? std::nullopt : real(std::sqrt(v)); }
int64_t sign_of(double v) { return v > 0 ? 1 : v < 0 ? -1 : 0; }

std::optional<double> sin_of(double v) { return real(std::sin(v)); }
std::optional<double> cos_of(double v) { return real(std::cos(v)); }
std::optional<double> tan_of(double v) { return real(std::tan(v)); }
std::optional<double> cot_of(Frame& f, double v) {
  return real_or_overflow(f, 1 / std::tan(v), fmt::format("cot({})", real_to_text(v)));
}
std::optional<double> asin_of(double v) { return real(std::asin(v)); }
std::optional<double> acos_of(double v) { return real(std::acos(v)); }
std::optional<double> atan_of(double v) { return real(std::atan(v)); }
std::optional<double> atan2_of(double a, double b) { return real(std::atan2(a, b)); }
std::optional<double> radians(double v) { return real(v * (std::numbers::pi / 180)); }
std::optional<double> degrees(Frame& f, double v) {
  return real_or_overflow(f, v * (180 / std::numbers::pi), fmt::format("degrees({})", real_to_text(v)));
}
double pi(Frame&, size_t) { return std::numbers::pi; }

int64_t crc(ByteView v) { return crc32(v); }

// The first number of MySQL's generator with that seed.
double random_of_seed(std::optional<int64_t> seed) {
  constexpr uint32_t kMax = 0x3FFFFFFF;
  const auto s = static_cast<uint64_t>(seed.value_or(0));
  const uint32_t first = static_cast<uint32_t>(s * 0x10001 + 55'555'555) % kMax;
  const uint32_t second = static_cast<uint32_t>(s * 0x10000001) % kMax;
  return static_cast<double>((uint64_t{first} * 3 + second) % kMax) / kMax;
}

// CONV: digits of one base as digits of another; a negative base means that the number has a sign.
std::optional<ByteView> conv(Frame& f, ByteView text, int64_t from, int64_t to) {
  if (from < -36 || from > 36 || to < -36 || to > 36) return std::nullopt;
  const bool from_signed = from < 0, to_signed = to < 0;
  const int64_t base = std::abs(from), target = std::abs(to);
  if (base < 2 || target < 2) return std::nullopt;
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  uint64_t number = 0;
  bool has_digits = false;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'z' ? (c | 32) - 'a' + 10 : 99;
    if (digit >= base) break;
    has_digits = true;
    if (__builtin_mul_overflow(number, static_cast<uint64_t>(base), &number) ||
        __builtin_add_overflow(number, static_cast<uint64_t>(digit), &number)) {
      f.context.raise(code::kOutOfRange, fmt::format("BIGINT UNSIGNED value is out of range in 'conv({})'", text));
      return std::nullopt;
    }
  }
  if (!has_digits) return ByteView("0");
  constexpr uint64_t kHalf = uint64_t{1} << 63;
  if (from_signed) number = std::min(number, is_negative ? kHalf : kHalf - 1);
  bool shows_sign = false;
  if (is_negative) {
    if (to_signed)
      shows_sign = true;
    else if (static_cast<int64_t>(number) > 0)
      number = -number;
  } else if (to_signed && static_cast<int64_t>(number) < 0) {
    shows_sign = true;
    number = -number;
  }
  std::string digits;
  do {
    const auto digit = static_cast<char>(number % static_cast<uint64_t>(target));
    digits += static_cast<char>(digit < 10 ? '0' + digit : 'A' + digit - 10);
    number /= static_cast<uint64_t>(target);
  } while (number != 0);
  if (shows_sign) digits += '-';
  std::reverse(digits.begin(), digits.end());
  return f.keep(digits);
}

Found find_rounding(tipb::ScalarFuncSig signature) {
  switch (signature) {
    case tipb::CeilReal:
      return rowwise<&ceil_real>();
    case tipb::CeilIntToInt:
    case tipb::FloorIntToInt:
    case tipb::RoundInt:
    case tipb::AbsUInt:
      return rowwise<&same_int>();
    case tipb::CeilIntToDec:
    case tipb::FloorIntToDec:
      return rowwise<&int_to_decimal>();
    case tipb::CeilDecToInt:
      return rowwise<&ceil_decimal_to_int>();
    case tipb::CeilDecToDec:
      return rowwise<&ceil_decimal>();
    case tipb::FloorReal:
      return rowwise<&floor_real>();
    case tipb::FloorDecToInt:
      return rowwise<&floor_decimal_to_int>();
    case tipb::FloorDecToDec:
      return rowwise<&floor_decimal>();
    case tipb::RoundReal:
      return rowwise<&round_real>();
    case tipb::RoundDec:
      return rowwise<&round_decimal>();
    case tipb::RoundWithFracReal:
      return rowwise<&round_real_to>();
    case tipb::RoundWithFracInt:
      return rowwise<&round_int_to>();
    case tipb::RoundWithFracDec:
      return rowwise<&round_decimal_to>();
    case tipb::TruncateInt:
      return rowwise<&truncate_int>();
    case tipb::TruncateUint:
      return rowwise<&truncate_uint>();
    case tipb::TruncateReal:
      return rowwise<&truncate_real>();
    case tipb::TruncateDecimal:
      return rowwise<&truncate_decimal>();
    default:
      return std::nullopt;
  }
}

}  // namespace

Found find_math(tipb::ScalarFuncSig signature, const CallType&) {
  switch (signature) {
    case tipb::AbsInt:
      return rowwise<&abs_int>();
    case tipb::AbsReal:
      return rowwise<&abs_real>();
    case tipb::AbsDecimal:
      return rowwise<&abs_decimal>();
    case tipb::Log1Arg:
      return rowwise<&ln>();
    case tipb::Log2Args:
      return rowwise<&log_of>();
    case tipb::Log2:
      return rowwise<&log2_of>();
    case tipb::Log10:
      return rowwise<&log10_of>();
    case tipb::Exp:
      return rowwise<&exp_of>();
    case tipb::Pow:
      return rowwise<&pow_of>();
    case tipb::Sqrt:
      return rowwise<&sqrt_of>();
    case tipb::Sign:
      return rowwise<&sign_of>();
    case tipb::Sin:
      return rowwise<&sin_of>();
    case tipb::Cos:
      return rowwise<&cos_of>();
    case tipb::Tan:
      return rowwise<&tan_of>();
    case tipb::Cot:
      return rowwise<&cot_of>();
    case tipb::Asin:
      return rowwise<&asin_of>();
    case tipb::Acos:
      return rowwise<&acos_of>();
    case tipb::Atan1Arg:
      return rowwise<&atan_of>();
    case tipb::Atan2Args:
      return rowwise<&atan2_of>();
    case tipb::Radians:
      return rowwise<&radians>();
    case tipb::Degrees:
      return rowwise<&degrees>();
    case tipb::PI:
      return variadic<&pi>(std::vector<EvalType>());
    case tipb::CRC32:
      return rowwise<&crc>();
    case tipb::Conv:
      return rowwise<&conv>();
    case tipb::RandWithSeedFirstGen:
      return rowwise<&random_of_seed>();
    default:
      return find_rounding(signature);
  }
}

}  // namespace cairn::coprocessor
