// CAST to integers, reals and decimals.
#include <fmt/format.h>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/conversion.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/duration.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/time.h"

namespace cairn::coprocessor {
namespace {

bool to_unsigned(const Frame& f) { return f.type.result.is_unsigned(); }
// Negative numbers that a UNION makes 0.
template <class T>
bool clips(const Frame& f, const T& v) {
  if constexpr (std::is_same_v<T, Decimal>)
    return to_unsigned(f) && v.negative && is_in_union(f.type);
  else
    return to_unsigned(f) && v < 0 && is_in_union(f.type);
}
int argument_fsp(const Frame& f) { return f.type.args[0].fsp(); }

// Integers.

int64_t int_to_int(Frame& f, int64_t v) { return !f.type.args[0].is_unsigned() && clips(f, v) ? 0 : v; }
std::optional<int64_t> real_as_int(Frame& f, double v) {
  if (clips(f, v)) return 0;
  return real_to_int(f.context, v, to_unsigned(f));
}
std::optional<int64_t> decimal_as_int(Frame& f, const Decimal& v) {
  if (clips(f, v)) return 0;
  return decimal_to_int(f.context, v, to_unsigned(f));
}
std::optional<int64_t> string_as_int(Frame& f, ByteView v) {
  if (to_unsigned(f) && is_in_union(f.type) && v.find_first_not_of(' ') != ByteView::npos &&
      v[v.find_first_not_of(' ')] == '-') {
    return 0;
  }
  return text_to_int(f.context, v, to_unsigned(f));
}
int64_t time_as_int(Time v) { return to_number(v); }
int64_t duration_as_int(Duration v) { return to_number(v); }
std::optional<int64_t> json_as_int(Frame& f, Json v) {
  const auto value = json::view(v.bytes);
  switch (value.code) {
    case json::kLiteral:
      return value.literal() == json::kTrue;
    case json::kInt:
    case json::kUint:
      return value.as_int();
    case json::kDouble:
      return real_to_int(f.context, value.as_double(), to_unsigned(f));
    case json::kString:
      return text_to_int(f.context, value.as_string(), to_unsigned(f));
    default:
      if (!f.context.truncated_wrong_value("INTEGER", json::to_text(value))) return std::nullopt;
      return 0;
  }
}

// Reals.

std::optional<double> int_as_real(Frame& f, int64_t v) {
  if (!f.type.args[0].is_unsigned() && clips(f, v)) return 0;
  const bool is_unsigned = f.type.args[0].is_unsigned() || to_unsigned(f);
  return is_unsigned ? static_cast<double>(static_cast<uint64_t>(v)) : static_cast<double>(v);
}
std::optional<double> real_as_real(Frame& f, double v) {
  if (clips(f, v)) return 0;
  if (f.type.result.type == Type::kFloat) v = static_cast<double>(static_cast<float>(v));
  return v;
}
std::optional<double> decimal_as_real(Frame& f, const Decimal& v) {
  if (clips(f, v)) return 0;
  return v.to_double();
}
std::optional<double> string_as_real(Frame& f, ByteView v) {
  // The empty string is no number to an unsigned one only.
  const auto value = v.empty() && !to_unsigned(f) ? std::optional<double>(0) : text_to_real(f.context, v);
  if (!value) return std::nullopt;
  if (clips(f, *value)) return 0;
  return fit_real(f.context, *value, f.type.result);
}
double time_as_real(Time v) { return to_decimal(v).to_double(); }
double duration_as_real(Frame& f, Duration v) { return to_decimal(v, argument_fsp(f)).to_double(); }
std::optional<double> json_as_real(Frame& f, Json v) {
  const auto value = json::view(v.bytes);
  if (value.is_number()) return value.as_double();
  if (value.code == json::kLiteral) return value.literal() == json::kTrue ? 1 : 0;
  if (value.code == json::kString) return text_to_real(f.context, value.as_string());
  if (!f.context.truncated_wrong_value("DOUBLE", json::to_text(value))) return std::nullopt;
  return 0;
}

// Decimals.

std::optional<Decimal> int_as_decimal(Frame& f, int64_t v) {
  if (!f.type.args[0].is_unsigned() && clips(f, v)) return Decimal();
  const bool is_unsigned = f.type.args[0].is_unsigned() || to_unsigned(f);
  const auto value = is_unsigned ? Decimal::from_uint(static_cast<uint64_t>(v)) : Decimal::from_int(v);
  return fit_decimal(f.context, value, f.type.result);
}
std::optional<Decimal> real_as_decimal(Frame& f, double v) {
  if (clips(f, v)) return Decimal();
  const auto value = real_to_decimal(f.context, v);
  return value ? fit_decimal(f.context, *value, f.type.result) : std::nullopt;
}
std::optional<Decimal> decimal_as_decimal(Frame& f, const Decimal& v) {
  if (clips(f, v)) return Decimal();
  return fit_decimal(f.context, v, f.type.result);
}
std::optional<Decimal> string_as_decimal(Frame& f, ByteView v) {
  const auto value = text_to_decimal(f.context, v);
  if (!value) return std::nullopt;
  if (clips(f, *value)) return Decimal();
  return fit_decimal(f.context, *value, f.type.result);
}
std::optional<Decimal> time_as_decimal(Frame& f, Time v) {
  return fit_decimal(f.context, to_decimal(v), f.type.result);
}
std::optional<Decimal> duration_as_decimal(Frame& f, Duration v) {
  return fit_decimal(f.context, to_decimal(v, argument_fsp(f)), f.type.result);
}
std::optional<Decimal> json_as_decimal(Frame& f, Json v) {
  const auto value = json::view(v.bytes);
  std::optional<Decimal> decimal;
  switch (value.code) {
    case json::kLiteral:
      decimal = Decimal::from_int(value.literal() == json::kTrue ? 1 : 0);
      break;
    case json::kInt:
      decimal = Decimal::from_int(value.as_int());
      break;
    case json::kUint:
      decimal = Decimal::from_uint(value.as_uint());
      break;
    case json::kDouble:
      decimal = real_to_decimal(f.context, value.as_double());
      break;
    case json::kString:
      decimal = text_to_decimal(f.context, value.as_string());
      break;
    default:
      if (f.context.truncated_wrong_value("DECIMAL", json::to_text(value))) decimal = Decimal();
  }
  return decimal ? fit_decimal(f.context, *decimal, f.type.result) : std::nullopt;
}

}  // namespace

Found find_cast_to_int(EvalType from, const CallType&) {
  switch (from) {
    case EvalType::kInt:
    case EvalType::kEnum:
    case EvalType::kSet:
      return rowwise<&int_to_int>();
    case EvalType::kReal:
      return rowwise<&real_as_int>();
    case EvalType::kDecimal:
      return rowwise<&decimal_as_int>();
    case EvalType::kBytes:
      return rowwise<&string_as_int>();
    case EvalType::kTime:
      return rowwise<&time_as_int>();
    case EvalType::kDuration:
      return rowwise<&duration_as_int>();
    case EvalType::kJson:
      return rowwise<&json_as_int>();
    case EvalType::kVector:
      return std::nullopt;
  }
  return std::nullopt;
}

Found find_cast_to_real(EvalType from, const CallType&) {
  switch (from) {
    case EvalType::kInt:
    case EvalType::kEnum:
    case EvalType::kSet:
      return rowwise<&int_as_real>();
    case EvalType::kReal:
      return rowwise<&real_as_real>();
    case EvalType::kDecimal:
      return rowwise<&decimal_as_real>();
    case EvalType::kBytes:
      return rowwise<&string_as_real>();
    case EvalType::kTime:
      return rowwise<&time_as_real>();
    case EvalType::kDuration:
      return rowwise<&duration_as_real>();
    case EvalType::kJson:
      return rowwise<&json_as_real>();
    case EvalType::kVector:
      return std::nullopt;
  }
  return std::nullopt;
}

Found find_cast_to_decimal(EvalType from, const CallType&) {
  switch (from) {
    case EvalType::kInt:
    case EvalType::kEnum:
    case EvalType::kSet:
      return rowwise<&int_as_decimal>();
    case EvalType::kReal:
      return rowwise<&real_as_decimal>();
    case EvalType::kDecimal:
      return rowwise<&decimal_as_decimal>();
    case EvalType::kBytes:
      return rowwise<&string_as_decimal>();
    case EvalType::kTime:
      return rowwise<&time_as_decimal>();
    case EvalType::kDuration:
      return rowwise<&duration_as_decimal>();
    case EvalType::kJson:
      return rowwise<&json_as_decimal>();
    case EvalType::kVector:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace cairn::coprocessor
