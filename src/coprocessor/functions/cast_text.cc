// CAST to strings and JSON.
#include <fmt/format.h>

#include "base/codec.h"
#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/conversion.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/duration.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/time.h"
#include "coprocessor/types/vector.h"

namespace cairn::coprocessor {
namespace {

std::optional<ByteView> finish(Frame& f, const std::string& text) { return fit_string(f, f.keep(text)); }

std::optional<ByteView> int_as_string(Frame& f, int64_t v) {
  const FieldType& from = f.type.args[0];
  if (from.type == Type::kYear && v == 0) return finish(f, "0000");
  if (from.type == Type::kBit) {
    // Its bytes, as many as the result has.
    const int most = f.type.result.length;
    if (most <= 0 || most > 8) {
      f.context.raise(code::kUnknown, fmt::format("a BIT as a string of length {}", most));
      return std::nullopt;
    }
    Bytes bytes;
    codec::put_u64_be(bytes, static_cast<uint64_t>(v));
    return f.keep(ByteView(bytes).substr(static_cast<size_t>(8 - most)));
  }
  return finish(f, from.is_unsigned() ? std::to_string(static_cast<uint64_t>(v)) : std::to_string(v));
}
std::optional<ByteView> real_as_string(Frame& f, double v) {
  if (f.type.args[0].type == Type::kFloat) return finish(f, float_to_text(static_cast<float>(v)));
  return finish(f, real_to_text(v));
}
std::optional<ByteView> decimal_as_string(Frame& f, const Decimal& v) { return finish(f, v.to_shown_string()); }
std::optional<ByteView> string_as_string(Frame& f, ByteView v) { return fit_string(f, v); }
std::optional<ByteView> time_as_string(Frame& f, Time v) { return finish(f, to_string(v)); }
std::optional<ByteView> duration_as_string(Frame& f, Duration v) {
  return finish(f, to_string(v, f.type.args[0].fsp()));
}
std::optional<ByteView> json_as_string(Frame& f, Json v) { return finish(f, json::to_text(v.bytes)); }
std::optional<ByteView> vector_as_string(Frame& f, Vector v) { return finish(f, vector32::to_text(v.bytes)); }

Json document(Frame& f, const Bytes& bytes) { return {f.keep(bytes)}; }

Json int_as_json(Frame& f, int64_t v) {
  const FieldType& from = f.type.args[0];
  if (from.is_boolean()) return document(f, json::of_literal(v != 0 ? json::kTrue : json::kFalse));
  return document(f, from.is_unsigned() ? json::of_uint(static_cast<uint64_t>(v)) : json::of_int(v));
}
Json real_as_json(Frame& f, double v) { return document(f, json::of_double(v)); }
Json decimal_as_json(Frame& f, const Decimal& v) { return document(f, json::of_double(v.to_double())); }
Json time_as_json(Frame& f, Time v) {
  return document(f, json::of_time(kind_of(v) == TimeKind::kDate ? v : with_fsp(v, 6)));
}
Json duration_as_json(Frame& f, Duration v) { return document(f, json::of_duration(v, 6)); }
Json json_as_json(Json v) { return v; }

std::optional<Json> string_as_json(Frame& f, ByteView v) {
  const FieldType& from = f.type.args[0];
  if (from.is_binary_string()) {
    std::string bytes(v);
    if (from.type == Type::kString && from.length > 0 && from.length <= 255) {
      bytes.resize(static_cast<size_t>(from.length), 0);
    }
    return document(f, json::of_opaque(static_cast<uint8_t>(from.type), bytes));
  }
  if ((f.type.result.flags & FieldType::kParseToJson) == 0) return document(f, json::of_string(v));
  std::string error;
  const auto parsed = json::parse(v, &error);
  if (parsed) return document(f, *parsed);
  f.context.raise(code::kInvalidJson, "Invalid JSON text: " + error);
  return std::nullopt;
}

}  // namespace

Found find_cast_to_string(EvalType from, const CallType&) {
  switch (from) {
    case EvalType::kInt:
      return rowwise<&int_as_string>();
    case EvalType::kReal:
      return rowwise<&real_as_string>();
    case EvalType::kDecimal:
      return rowwise<&decimal_as_string>();
    case EvalType::kBytes:
    case EvalType::kEnum:
    case EvalType::kSet:
      return rowwise<&string_as_string>();
    case EvalType::kTime:
      return rowwise<&time_as_string>();
    case EvalType::kDuration:
      return rowwise<&duration_as_string>();
    case EvalType::kJson:
      return rowwise<&json_as_string>();
    case EvalType::kVector:
      return rowwise<&vector_as_string>();
  }
  return std::nullopt;
}

Found find_cast_to_json(EvalType from, const CallType&) {
  switch (from) {
    case EvalType::kInt:
      return rowwise<&int_as_json>();
    case EvalType::kReal:
      return rowwise<&real_as_json>();
    case EvalType::kDecimal:
      return rowwise<&decimal_as_json>();
    case EvalType::kBytes:
    case EvalType::kEnum:
    case EvalType::kSet:
      return rowwise<&string_as_json>();
    case EvalType::kTime:
      return rowwise<&time_as_json>();
    case EvalType::kDuration:
      return rowwise<&duration_as_json>();
    case EvalType::kJson:
      return rowwise<&json_as_json>();
    case EvalType::kVector:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace cairn::coprocessor
