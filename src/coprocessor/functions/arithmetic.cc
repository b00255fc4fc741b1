// +, -, *, /, DIV, %, and the unary minus. Integers are of 64 bits of either sign, and what does not fit is an error.
#include <fmt/format.h>

#include <cmath>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/vector.h"

namespace cairn::coprocessor {
namespace {

using Wide = __int128;

template <bool kUnsigned>
Wide wide(int64_t v) {
  if constexpr (kUnsigned)
    return static_cast<uint64_t>(v);
  else
    return v;
}

std::string shown(bool is_unsigned, int64_t v) {
  return is_unsigned ? std::to_string(static_cast<uint64_t>(v)) : std::to_string(v);
}

// The result as 64 bits of the result's sign; out of range: an error that shows the operands.
std::optional<int64_t> narrowed(Frame& f, Wide value, bool is_unsigned, char op, int64_t a, int64_t b) {
  const bool fits = is_unsigned ? value >= 0 && value <= Wide{UINT64_MAX} : value >= INT64_MIN && value <= INT64_MAX;
  if (fits) return static_cast<int64_t>(static_cast<uint64_t>(value));
  f.context.raise(code::kOutOfRange,
                  fmt::format("BIGINT{} value is out of range in '({} {} {})'", is_unsigned ? " UNSIGNED" : "",
                              shown(f.type.args[0].is_unsigned(), a), op, shown(f.type.args[1].is_unsigned(), b)));
  return std::nullopt;
}

struct Plus {
  static constexpr char kSign = '+';
  static Wide of(Wide a, Wide b) { return a + b; }
  static double of(double a, double b) { return a + b; }
  static Fitted<Decimal> of(const Decimal& a, const Decimal& b) { return add(a, b); }
};
struct Minus {
  static constexpr char kSign = '-';
  static Wide of(Wide a, Wide b) { return a - b; }
  static double of(double a, double b) { return a - b; }
  static Fitted<Decimal> of(const Decimal& a, const Decimal& b) { return subtract(a, b); }
};
struct Times {
  static constexpr char kSign = '*';
  static Wide of(Wide a, Wide b) { return a * b; }  // 65 bits by 65 fit: both cannot have the 65th
  static double of(double a, double b) { return a * b; }
  static Fitted<Decimal> of(const Decimal& a, const Decimal& b) { return multiply(a, b); }
};

template <class Op, bool kFirstUnsigned, bool kSecondUnsigned>
std::optional<int64_t> ints(Frame& f, int64_t a, int64_t b) {
  if constexpr (std::is_same_v<Op, Times> && kFirstUnsigned && kSecondUnsigned) {
    const auto product = static_cast<unsigned __int128>(static_cast<uint64_t>(a)) * static_cast<uint64_t>(b);
    const Wide bounded = product > UINT64_MAX ? Wide{UINT64_MAX} + 1 : static_cast<Wide>(product);
    return narrowed(f, bounded, true, Op::kSign, a, b);
  }
  return narrowed(f, Op::of(wide<kFirstUnsigned>(a), wide<kSecondUnsigned>(b)), kFirstUnsigned || kSecondUnsigned,
                  Op::kSign, a, b);
}

template <class Op>
std::optional<double> reals(Frame& f, double a, double b) {
  const double result = Op::of(a, b);
  if (std::isfinite(result)) return result;
  f.context.raise(code::kOutOfRange, fmt::format("DOUBLE value is out of range in '({} {} {})'", a, Op::kSign, b));
  return std::nullopt;
}

template <class Op>
std::optional<Decimal> decimals(Frame& f, const Decimal& a, const Decimal& b) {
  const auto result = Op::of(a, b);
  if (result.fit != Fit::kOverflow) return result.value;
  f.context.raise(code::kOutOfRange, fmt::format("DECIMAL value is out of range in '({} {} {})'", a.to_string(),
                                                 Op::kSign, b.to_string()));
  return std::nullopt;
}

// By the signs that the field types state.
template <class Op>
Found by_signs(const CallType& type) {
  if (type.args.size() != 2) return std::nullopt;
  const bool first = type.args[0].is_unsigned(), second = type.args[1].is_unsigned();
  if (first) return second ? rowwise<&ints<Op, true, true>>() : rowwise<&ints<Op, true, false>>();
  return second ? rowwise<&ints<Op, false, true>>() : rowwise<&ints<Op, false, false>>();
}

std::optional<double> divide_reals(Frame& f, double a, double b) {
  if (b == 0) {
    f.context.divided_by_zero();
    return std::nullopt;
  }
  const double result = a / b;
  if (std::isfinite(result)) return result;
  f.context.overflowed("DOUBLE", fmt::format("({} / {})", a, b));
  return std::nullopt;
}

std::optional<Decimal> fitted(Frame& f, const std::optional<Fitted<Decimal>>& result, const Decimal& a, char op,
                              const Decimal& b) {
  if (!result) {
    f.context.divided_by_zero();
    return std::nullopt;
  }
  if (result->fit == Fit::kTruncated && !f.context.truncated()) return std::nullopt;
  if (result->fit == Fit::kOverflow &&
      !f.context.overflowed("DECIMAL", fmt::format("({} {} {})", a.to_string(), op, b.to_string()))) {
    return std::nullopt;
  }
  return result->value;
}

std::optional<Decimal> divide_decimals(Frame& f, const Decimal& a, const Decimal& b) {
  return fitted(f, divide(a, b, f.context.div_precision_increment()), a, '/', b);
}
std::optional<Decimal> remainder_of_decimals(Frame& f, const Decimal& a, const Decimal& b) {
  return fitted(f, remainder(a, b), a, '%', b);
}

std::optional<double> remainder_of_reals(Frame& f, double a, double b) {
  if (b == 0) {
    f.context.divided_by_zero();
    return std::nullopt;
  }
  const double result = std::fmod(a, b);
  return std::isnan(result) ? std::nullopt : std::optional(result);
}

template <bool kFirstUnsigned, bool kSecondUnsigned>
std::optional<int64_t> remainder_of_ints(Frame& f, int64_t a, int64_t b) {
  if (b == 0) {
    f.context.divided_by_zero();
    return std::nullopt;
  }
  return static_cast<int64_t>(wide<kFirstUnsigned>(a) % wide<kSecondUnsigned>(b));
}

template <bool kFirstUnsigned, bool kSecondUnsigned>
std::optional<int64_t> divide_ints(Frame& f, int64_t a, int64_t b) {
  if (b == 0) {
    f.context.divided_by_zero();
    return std::nullopt;
  }
  return narrowed(f, wide<kFirstUnsigned>(a) / wide<kSecondUnsigned>(b), kFirstUnsigned || kSecondUnsigned, '/', a, b);
}

std::optional<int64_t> divide_decimals_to_int(Frame& f, const Decimal& a, const Decimal& b) {
  const auto quotient = divide_decimals(f, a, b);
  if (!quotient) return std::nullopt;
  const bool is_unsigned = f.type.args[0].is_unsigned() || f.type.args[1].is_unsigned();
  const auto whole = quotient->rounded(0, Rounding::kTruncate).value;
  if (is_unsigned) {
    const auto value = whole.to_uint();
    if (value.fit != Fit::kOverflow) return static_cast<int64_t>(value.value);
  } else {
    const auto value = whole.to_int();
    if (value.fit != Fit::kOverflow) return value.value;
  }
  f.context.raise(code::kOutOfRange, fmt::format("BIGINT{} value is out of range in '({} / {})'",
                                                 is_unsigned ? " UNSIGNED" : "", a.to_string(), b.to_string()));
  return std::nullopt;
}

std::optional<int64_t> negated_int(Frame& f, int64_t v) {
  if (f.type.args[0].is_unsigned()) {
    const auto u = static_cast<uint64_t>(v);
    if (u <= uint64_t{1} << 63) return static_cast<int64_t>(-u);
    f.context.raise(code::kOutOfRange, fmt::format("BIGINT value is out of range in '-{}'", u));
    return std::nullopt;
  }
  if (v != INT64_MIN) return -v;
  f.context.raise(code::kOutOfRange, fmt::format("BIGINT value is out of range in '-{}'", v));
  return std::nullopt;
}
double negated_real(double v) { return -v; }
Decimal negated_decimal(const Decimal& v) { return v.negated(); }

// TiDB's forced form: with NO_UNSIGNED_SUBTRACTION the difference is signed.
template <bool kFirstUnsigned, bool kSecondUnsigned>
std::optional<int64_t> signed_difference(Frame& f, int64_t a, int64_t b) {
  return narrowed(f, wide<kFirstUnsigned>(a) - wide<kSecondUnsigned>(b), false, '-', a, b);
}

template <vector32::Operation kOperation>
std::optional<Vector> vectors(Frame& f, Vector a, Vector b) {
  std::string error;
  auto result = vector32::combine(kOperation, a.bytes, b.bytes, error);
  if (result) return Vector{f.keep(*result)};
  f.context.raise(code::kUnknown, error);
  return std::nullopt;
}

Found find_division(tipb::ScalarFuncSig signature, const CallType& type) {
  const bool first = !type.args.empty() && type.args[0].is_unsigned();
  const bool second = type.args.size() > 1 && type.args[1].is_unsigned();
  switch (signature) {
    case tipb::DivideReal:
      return rowwise<&divide_reals>();
    case tipb::DivideDecimal:
      return rowwise<&divide_decimals>();
    case tipb::IntDivideInt:
      if (first) return second ? rowwise<&divide_ints<true, true>>() : rowwise<&divide_ints<true, false>>();
      return second ? rowwise<&divide_ints<false, true>>() : rowwise<&divide_ints<false, false>>();
    case tipb::IntDivideIntUnsignedUnsigned:
      return rowwise<&divide_ints<true, true>>();
    case tipb::IntDivideIntUnsignedSigned:
      return rowwise<&divide_ints<true, false>>();
    case tipb::IntDivideIntSignedUnsigned:
      return rowwise<&divide_ints<false, true>>();
    case tipb::IntDivideIntSignedSigned:
      return rowwise<&divide_ints<false, false>>();
    case tipb::IntDivideDecimal:
      return rowwise<&divide_decimals_to_int>();
    case tipb::ModReal:
      return rowwise<&remainder_of_reals>();
    case tipb::ModDecimal:
      return rowwise<&remainder_of_decimals>();
    case tipb::ModInt:
      if (first) return second ? rowwise<&remainder_of_ints<true, true>>() : rowwise<&remainder_of_ints<true, false>>();
      return second ? rowwise<&remainder_of_ints<false, true>>() : rowwise<&remainder_of_ints<false, false>>();
    case tipb::ModIntUnsignedUnsigned:
      return rowwise<&remainder_of_ints<true, true>>();
    case tipb::ModIntUnsignedSigned:
      return rowwise<&remainder_of_ints<true, false>>();
    case tipb::ModIntSignedUnsigned:
      return rowwise<&remainder_of_ints<false, true>>();
    case tipb::ModIntSignedSigned:
      return rowwise<&remainder_of_ints<false, false>>();
    default:
      return std::nullopt;
  }
}

}  // namespace

Found find_arithmetic(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (signature) {
    case tipb::PlusInt:
      return by_signs<Plus>(type);
    case tipb::PlusIntUnsignedUnsigned:
      return rowwise<&ints<Plus, true, true>>();
    case tipb::PlusIntUnsignedSigned:
      return rowwise<&ints<Plus, true, false>>();
    case tipb::PlusIntSignedUnsigned:
      return rowwise<&ints<Plus, false, true>>();
    case tipb::PlusIntSignedSigned:
      return rowwise<&ints<Plus, false, false>>();
    case tipb::PlusReal:
      return rowwise<&reals<Plus>>();
    case tipb::PlusDecimal:
      return rowwise<&decimals<Plus>>();
    case tipb::MinusInt:
      return by_signs<Minus>(type);
    case tipb::MinusIntUnsignedUnsigned:
      return rowwise<&ints<Minus, true, true>>();
    case tipb::MinusIntUnsignedSigned:
      return rowwise<&ints<Minus, true, false>>();
    case tipb::MinusIntSignedUnsigned:
      return rowwise<&ints<Minus, false, true>>();
    case tipb::MinusIntSignedSigned:
      return rowwise<&ints<Minus, false, false>>();
    case tipb::MinusIntForcedUnsignedUnsigned:
      return rowwise<&signed_difference<true, true>>();
    case tipb::MinusIntForcedUnsignedSigned:
      return rowwise<&signed_difference<true, false>>();
    case tipb::MinusIntForcedSignedUnsigned:
      return rowwise<&signed_difference<false, true>>();
    case tipb::MinusReal:
      return rowwise<&reals<Minus>>();
    case tipb::MinusDecimal:
      return rowwise<&decimals<Minus>>();
    case tipb::MultiplyInt:
      return by_signs<Times>(type);
    case tipb::MultiplyIntUnsigned:
      return rowwise<&ints<Times, true, true>>();
    case tipb::MultiplyReal:
      return rowwise<&reals<Times>>();
    case tipb::MultiplyDecimal:
      return rowwise<&decimals<Times>>();
    case tipb::UnaryMinusInt:
      return rowwise<&negated_int>();
    case tipb::UnaryMinusReal:
      return rowwise<&negated_real>();
    case tipb::UnaryMinusDecimal:
      return rowwise<&negated_decimal>();
    case tipb::PlusVectorFloat32:
      return rowwise<&vectors<vector32::Operation::kPlus>>();
    case tipb::MinusVectorFloat32:
      return rowwise<&vectors<vector32::Operation::kMinus>>();
    case tipb::MultiplyVectorFloat32:
      return rowwise<&vectors<vector32::Operation::kTimes>>();
    default:
      return find_division(signature, type);
  }
}

}  // namespace cairn::coprocessor
