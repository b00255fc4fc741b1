// CAST to dates, datetimes, timestamps and durations. What is no time is NULL, with a warning or an error by the mode.
#include <fmt/format.h>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/conversion.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/duration.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/time.h"

namespace cairn::coprocessor {
namespace {

TimeKind kind(const Frame& f) { return time_kind_of(f.type.result.type); }
int fsp(const Frame& f) { return f.type.result.fsp(); }

std::optional<Time> or_invalid(Frame& f, std::optional<Time> time, const std::string& shown) {
  if (!time && !f.context.failed()) f.context.invalid_time(fmt::format("Incorrect datetime value: '{}'", shown));
  return f.context.failed() ? std::nullopt : time;
}

std::optional<Time> int_as_time(Frame& f, int64_t v) {
  if (f.type.args[0].type == Type::kYear) {
    if (v != 0 && (v < 1901 || v > 2155)) {
      f.context.truncated_wrong_value("YEAR", std::to_string(v));
      return std::nullopt;
    }
    return or_invalid(f, checked_time(f.context, {static_cast<int>(v), 0, 0, 0, 0, 0, 0}, kind(f), fsp(f)),
                      std::to_string(v));
  }
  return or_invalid(f, time_from_number(f.context, v, kind(f), fsp(f)), std::to_string(v));
}
std::optional<Time> real_as_time(Frame& f, double v) {
  const std::string text = real_to_text(v);
  return or_invalid(f, time_from_decimal_text(f.context, text, kind(f), fsp(f)), text);
}
std::optional<Time> decimal_as_time(Frame& f, const Decimal& v) {
  const std::string text = v.to_shown_string();
  return or_invalid(f, time_from_decimal_text(f.context, text, kind(f), fsp(f)), text);
}
std::optional<Time> string_as_time(Frame& f, ByteView v) {
  return or_invalid(f, parse_time(f.context, v, kind(f), fsp(f)), std::string(v));
}
std::optional<Time> time_as_time(Frame& f, Time v) {
  return or_invalid(f, rounded_time(f.context, with_kind(v, kind(f)), fsp(f)), to_string(v));
}
// On the day of the request.
std::optional<Time> duration_as_time(Frame& f, Duration v) {
  CivilTime today = civil_of_unix_micros(f.context, f.context.now_micros());
  today.hour = today.minute = today.second = today.micro = 0;
  const auto moment = civil_of_micros(micros_of(today) + v.nanos / 1000);
  const auto time = moment ? checked_time(f.context, *moment, kind(f), 6) : std::nullopt;
  return or_invalid(f, time ? rounded_time(f.context, *time, fsp(f)) : std::nullopt, to_string(v, 6));
}
std::optional<Time> json_as_time(Frame& f, Json v) {
  const auto value = json::view(v.bytes);
  switch (value.code) {
    case json::kDate:
    case json::kDateTime:
    case json::kTimestamp:
      return time_as_time(f, value.as_time());
    case json::kDuration:
      return duration_as_time(f, value.as_duration());
    case json::kString:
      return string_as_time(f, value.as_string());
    default:
      f.context.truncated_wrong_value("DATETIME", json::to_text(value));
      return std::nullopt;
  }
}

std::optional<Duration> as_duration(Frame& f, ByteView v, TooLong too_long) {
  const auto duration = parse_duration(f.context, v, fsp(f), too_long);
  if (!duration && !f.context.failed()) f.context.truncated_wrong_value("TIME", v);
  return f.context.failed() ? std::nullopt : duration;
}
std::optional<Duration> text_as_duration(Frame& f, ByteView v) { return as_duration(f, v, TooLong::kIsLongest); }
std::optional<Duration> int_as_duration(Frame& f, int64_t v) { return duration_from_number(f.context, v, fsp(f)); }
// Numbers that are too long are NULL, text is the longest duration.
std::optional<Duration> real_as_duration(Frame& f, double v) {
  return as_duration(f, real_to_text(v), TooLong::kIsNothing);
}
std::optional<Duration> decimal_as_duration(Frame& f, const Decimal& v) {
  return as_duration(f, v.to_shown_string(), TooLong::kIsNothing);
}
std::optional<Duration> time_as_duration(Frame& f, Time v) {
  const CivilTime c = civil_of(v);
  return duration_of_parts({false, c.hour, c.minute, c.second, c.micro}, fsp(f));
}
Duration duration_as_duration(Frame& f, Duration v) { return rounded_duration(v, fsp(f)); }
std::optional<Duration> json_as_duration(Frame& f, Json v) {
  const auto value = json::view(v.bytes);
  switch (value.code) {
    case json::kDate:
    case json::kDateTime:
    case json::kTimestamp:
      return time_as_duration(f, value.as_time());
    case json::kDuration:
      return value.as_duration();
    case json::kString:
      return text_as_duration(f, value.as_string());
    default:
      f.context.truncated_wrong_value("TIME", json::to_text(value));
      return std::nullopt;
  }
}

}  // namespace

Found find_cast_to_time(EvalType from, const CallType&) {
  switch (from) {
    case EvalType::kInt:
      return rowwise<&int_as_time>();
    case EvalType::kReal:
      return rowwise<&real_as_time>();
    case EvalType::kDecimal:
      return rowwise<&decimal_as_time>();
    case EvalType::kBytes:
    case EvalType::kEnum:
    case EvalType::kSet:
      return rowwise<&string_as_time>();
    case EvalType::kTime:
      return rowwise<&time_as_time>();
    case EvalType::kDuration:
      return rowwise<&duration_as_time>();
    case EvalType::kJson:
      return rowwise<&json_as_time>();
    case EvalType::kVector:
      return std::nullopt;
  }
  return std::nullopt;
}

Found find_cast_to_duration(EvalType from, const CallType&) {
  switch (from) {
    case EvalType::kInt:
      return rowwise<&int_as_duration>();
    case EvalType::kReal:
      return rowwise<&real_as_duration>();
    case EvalType::kDecimal:
      return rowwise<&decimal_as_duration>();
    case EvalType::kBytes:
    case EvalType::kEnum:
    case EvalType::kSet:
      return rowwise<&text_as_duration>();
    case EvalType::kTime:
      return rowwise<&time_as_duration>();
    case EvalType::kDuration:
      return rowwise<&duration_as_duration>();
    case EvalType::kJson:
      return rowwise<&json_as_duration>();
    case EvalType::kVector:
      return std::nullopt;
  }
  return std::nullopt;
}

}  // namespace cairn::coprocessor
