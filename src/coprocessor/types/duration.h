// TIME: a span of up to 838:59:59, in nanoseconds as rows and chunks hold it. How many digits of seconds are shown is a
// matter of the field type. Tests: functions_test.cc.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "coprocessor/column.h"

namespace cairn::coprocessor {

class EvalContext;

inline constexpr int64_t kNanosOfSecond = 1'000'000'000;
inline constexpr int64_t kDurationMax = (838 * 3600 + 59 * 60 + 59) * kNanosOfSecond;

inline bool is_duration(int64_t nanos) { return nanos <= kDurationMax && nanos >= -kDurationMax; }

struct DurationParts {
  bool negative = false;
  int hours = 0, minutes = 0, seconds = 0, micros = 0;
};
DurationParts parts_of(Duration duration);
// Nothing: longer than the longest.
std::optional<Duration> duration_of_nanos(int64_t nanos, int fsp);
std::optional<Duration> duration_of_parts(const DurationParts& parts, int fsp);
Duration rounded_duration(Duration duration, int fsp);

// Text in MySQL's forms: "[-][D ]hh:mm:ss[.f]", "hhmmss", or a whole datetime. Nothing: it is none; what does not fit
// is the longest one, if the flags let it pass (the context failed otherwise), or nothing.
enum class TooLong : uint8_t { kIsLongest, kIsNothing };
std::optional<Duration> parse_duration(EvalContext& context, ByteView text, int fsp,
                                       TooLong too_long = TooLong::kIsLongest);
// hhmmss as a number. Nothing: it is none or does not fit, and the context was told.
std::optional<Duration> duration_from_number(EvalContext& context, int64_t number, int fsp);

std::string to_string(Duration duration, int fsp);
// hhmmss, as a number, with its digits of seconds.
Decimal to_decimal(Duration duration, int fsp);
int64_t to_number(Duration duration);  // rounded to seconds

}  // namespace cairn::coprocessor
