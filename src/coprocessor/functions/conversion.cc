#include "coprocessor/functions/conversion.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "coprocessor/types/collation.h"
#include "coprocessor/types/real.h"

namespace cairn::coprocessor {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

ByteView trimmed(ByteView text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// "d.ddde-x" without its exponent.
std::string expanded(ByteView scientific) {
  const size_t e = scientific.find('e');
  int exponent = 0;
  ByteView digits_of_exponent = scientific.substr(e + 1);
  if (digits_of_exponent.front() == '+') digits_of_exponent.remove_prefix(1);
  std::from_chars(digits_of_exponent.data(), digits_of_exponent.data() + digits_of_exponent.size(), exponent);
  std::string out;
  ByteView mantissa = scientific.substr(0, e);
  if (mantissa.front() == '-') {
    out += '-';
    mantissa.remove_prefix(1);
  }
  std::string digits(1, mantissa.front());
  if (mantissa.size() > 2) digits += mantissa.substr(2);
  if (exponent < 0) {
    out += "0." + std::string(static_cast<size_t>(-exponent - 1), '0') + digits;
  } else {
    const auto whole = static_cast<size_t>(exponent) + 1;
    if (digits.size() <= whole) {
      out += digits + std::string(whole - digits.size(), '0');
    } else {
      out += digits.substr(0, whole) + "." + digits.substr(whole);
    }
  }
  return out;
}

template <class T>
std::string to_plain_text(T value) {
  if (!std::isfinite(value)) return std::isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  return expanded({buffer, static_cast<size_t>(end - buffer)});
}

// The part at the start that is a number.
ByteView number_prefix(ByteView text) {
  size_t n = 0, valid = 0;
  const auto digits = [&] {
    const size_t begin = n;
    while (n < text.size() && is_digit(text[n])) ++n;
    return n > begin;
  };
  if (n < text.size() && (text[n] == '+' || text[n] == '-')) ++n;
  bool has_digits = digits();
  if (has_digits) valid = n;
  if (n < text.size() && text[n] == '.') {
    ++n;
    const bool has_fraction = digits();
    has_digits = has_digits || has_fraction;
    if (has_digits) valid = n;
  }
  if (has_digits && n < text.size() && (text[n] == 'e' || text[n] == 'E')) {
    ++n;
    if (n < text.size() && (text[n] == '+' || text[n] == '-')) ++n;
    if (digits()) valid = n;
  }
  return text.substr(0, valid);
}

}  // namespace

std::string real_to_text(double value) { return to_plain_text(value); }
std::string float_to_text(float value) { return to_plain_text(value); }

std::optional<double> text_to_real(EvalContext& context, ByteView text) {
  text = trimmed(text);
  ByteView number = number_prefix(text);
  if ((number.empty() || number.size() < text.size()) && !context.truncated_wrong_value("DOUBLE", text)) {
    return std::nullopt;
  }
  if (!number.empty() && number.front() == '+') number.remove_prefix(1);
  if (number.empty()) return 0;
  const auto value = parse_real(number);
  if (!value) {
    if (!context.truncated_wrong_value("DOUBLE", number)) return std::nullopt;
    return number.front() == '-' ? -std::numeric_limits<double>::max() : std::numeric_limits<double>::max();
  }
  return value;
}

std::optional<Decimal> text_to_decimal(EvalContext& context, ByteView text) {
  text = trimmed(text);
  ByteView rest;
  const auto number = Decimal::parse(text, &rest);
  if (!number) {
    if (!context.truncated_wrong_value("DECIMAL", text)) return std::nullopt;
    return Decimal();
  }
  if (number->fit == Fit::kOverflow && !context.overflowed("DECIMAL", "")) return std::nullopt;
  if ((number->fit == Fit::kTruncated || !rest.empty()) && !context.truncated_wrong_value("DECIMAL", text)) {
    return std::nullopt;
  }
  return number->value;
}

std::optional<int64_t> text_to_int(EvalContext& context, ByteView text, bool is_unsigned) {
  text = trimmed(text);
  const bool is_negative = text.starts_with('-');
  const size_t sign = is_negative || text.starts_with('+') ? 1 : 0;
  size_t n = sign;
  while (n < text.size() && is_digit(text[n])) ++n;
  if ((n == sign || n < text.size()) && !context.truncated_wrong_value("INTEGER", text)) return std::nullopt;
  uint64_t magnitude = 0;
  bool overflowed = false;
  for (const char c : text.substr(sign, n - sign)) {
    overflowed = overflowed || __builtin_mul_overflow(magnitude, uint64_t{10}, &magnitude) ||
                 __builtin_add_overflow(magnitude, static_cast<uint64_t>(c - '0'), &magnitude);
  }
  if (overflowed || (is_negative && magnitude > uint64_t{1} << 63)) {
    if (!context.has_flag(flag::kOverflowAsWarning)) {
      context.overflowed(is_negative ? "BIGINT UNSIGNED" : "BIGINT", text.substr(0, n));
      return std::nullopt;
    }
    context.warn(code::kTruncatedWrongValue, fmt::format("Truncated incorrect INTEGER value: '{}'", text));
    return is_negative ? INT64_MIN : static_cast<int64_t>(UINT64_MAX);
  }
  if (is_negative) {
    if (is_unsigned) {
      context.warn(code::kUnknown, "Cast to unsigned converted negative integer to it's positive complement");
    }
    return static_cast<int64_t>(-magnitude);
  }
  if (!is_unsigned && magnitude > static_cast<uint64_t>(INT64_MAX)) {
    context.warn(code::kUnknown, "Cast to signed converted positive out-of-range integer to it's negative complement");
  }
  return static_cast<int64_t>(magnitude);
}

std::optional<int64_t> real_to_int(EvalContext& context, double value, bool is_unsigned) {
  const double whole = is_unsigned ? std::round(value) : std::nearbyint(value);
  const auto overflow = [&](int64_t bound) -> std::optional<int64_t> {
    const auto text = fmt::format("constant {} overflows bigint", real_to_text(value));
    if (!context.overflowed_as_told(code::kOutOfRange, text)) return std::nullopt;
    return bound;
  };
  constexpr double kTwo63 = 9223372036854775808.0, kTwo64 = 18446744073709551616.0;
  if (!is_unsigned) {
    if (whole < -kTwo63) return overflow(INT64_MIN);
    if (whole >= kTwo63) return whole == kTwo63 ? std::optional<int64_t>(INT64_MAX) : overflow(INT64_MAX);
    return static_cast<int64_t>(whole);
  }
  if (whole < 0) {
    const bool clips = context.has_flag(flag::kInInsert | flag::kInLoadData);
    return overflow(clips ? 0 : whole < -kTwo63 ? INT64_MIN : static_cast<int64_t>(whole));
  }
  if (whole >= kTwo64) return whole == kTwo64 ? std::optional<int64_t>(-1) : overflow(-1);
  return static_cast<int64_t>(static_cast<uint64_t>(whole));
}

std::optional<Decimal> real_to_decimal(EvalContext& context, double value) {
  if (const auto decimal = Decimal::from_double(value)) return decimal->value;
  context.raise(code::kOutOfRange, fmt::format("DECIMAL value is out of range in '{}'", real_to_text(value)));
  return std::nullopt;
}

std::optional<int64_t> decimal_to_int(EvalContext& context, const Decimal& value, bool is_unsigned) {
  const auto whole = value.rounded(0, Rounding::kHalfUp).value;
  const auto finish = [&](Fit fit, int64_t result) -> std::optional<int64_t> {
    if (fit != Fit::kOverflow) return result;
    const auto text = fmt::format("Truncated incorrect DECIMAL value: '{}'", whole.to_string());
    if (!context.overflowed_as_told(code::kTruncatedWrongValue, text)) return std::nullopt;
    return result;
  };
  if (is_unsigned) {
    const auto result = whole.to_uint();
    return finish(result.fit, static_cast<int64_t>(result.value));
  }
  const auto result = whole.to_int();
  return finish(result.fit, result.value);
}

std::optional<Decimal> fit_decimal(EvalContext& context, const Decimal& value, const FieldType& type) {
  Decimal result = value;
  if (type.length != kUnspecifiedLength && type.decimal != kUnspecifiedLength) {
    if (type.length < type.decimal || type.decimal < 0 || type.length > Decimal::kDigitsMax) {
      context.raise(code::kBadPrecision, "For float(M,D), double(M,D) or decimal(M,D), M must be >= D (column '').");
      return std::nullopt;
    }
    if (!value.is_zero() && value.int_digits > type.length - type.decimal) {
      if (!context.overflowed("Decimal", fmt::format("({}, {})", type.length, type.decimal))) return std::nullopt;
      result = Decimal::largest(type.length, type.decimal, value.negative);
    } else if (value.frac_digits != type.decimal) {
      result = value.rounded(type.decimal, Rounding::kHalfUp).value;
      // Rounding may carry into a digit too many.
      if (result.int_digits > type.length - type.decimal) {
        if (!context.overflowed("Decimal", fmt::format("({}, {})", type.length, type.decimal))) return std::nullopt;
        result = Decimal::largest(type.length, type.decimal, value.negative);
      } else if (!result.is_zero() && value.frac_digits > type.decimal && result != value) {
        if (context.has_flag(flag::kInInsert | flag::kInUpdateOrDelete)) {
          context.warn(code::kDataTruncated, "Data Truncated");
        } else if (!context.truncated()) {
          return std::nullopt;
        }
      }
    }
  }
  if (type.is_unsigned() && result.negative) return Decimal();
  return result;
}

std::optional<double> fit_real(EvalContext& context, double value, const FieldType& type) {
  double result = value;
  if (type.length != kUnspecifiedLength && type.decimal != kUnspecifiedLength && type.decimal >= 0 &&
      type.length >= type.decimal) {
    const double shift = std::pow(10.0, type.decimal);
    const double largest = std::pow(10.0, type.length - type.decimal) - 1.0 / shift;
    if (std::isnan(result)) result = 0;
    const double shifted = result * shift;
    if (std::isfinite(shifted)) result = std::round(shifted) / shift;
    if (result > largest || result < -largest) {
      if (!context.overflowed(real_to_text(value).c_str(), "DOUBLE")) return std::nullopt;
      result = result > 0 ? largest : -largest;
    }
  }
  if (type.is_unsigned() && result < 0) {
    const auto text = fmt::format("constant {} overflows double", real_to_text(result));
    if (!context.overflowed_as_told(code::kOutOfRange, text)) return std::nullopt;
    return 0;
  }
  return result;
}

std::optional<ByteView> fit_string(Frame& f, ByteView text) {
  const FieldType& type = f.type.result;
  if (type.length < 0) return text;
  const auto length = static_cast<size_t>(type.length);
  const bool counts_chars = !type.has_binary_collation() && (type.charset == "utf8" || type.charset == "utf8mb4" ||
                                                             type.charset == "gbk" || type.charset == "gb18030");
  if (counts_chars ? text.size() > length && count_chars(text) > length : text.size() > length) {
    const size_t had = counts_chars ? count_chars(text) : text.size();
    if (!f.context.truncated(code::kDataTooLong,
                             fmt::format("Data Too Long, field len {}, data len {}", length, had))) {
      return std::nullopt;
    }
    return text.substr(0, counts_chars ? prefix_of_chars(text, length) : length);
  }
  if (type.type == Type::kString && type.has_binary_collation() && text.size() < length) {
    if (length > f.context.packet_bytes_max()) return text;
    char* to = f.arena.allocate(length);
    std::memcpy(to, text.data(), text.size());
    std::memset(to + text.size(), 0, length - text.size());
    return ByteView(to, length);
  }
  return text;
}

}  // namespace cairn::coprocessor
