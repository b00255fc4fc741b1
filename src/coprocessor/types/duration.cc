#include "coprocessor/types/duration.h"

#include <fmt/format.h>

#include "coprocessor/eval_context.h"
#include "coprocessor/types/time.h"

namespace cairn::coprocessor {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

void skip_blanks(ByteView& in) {
  while (!in.empty() && is_blank(in.front())) in.remove_prefix(1);
}

// Consumes digits; nothing if there are none, or too many.
std::optional<int64_t> take_number(ByteView& in) {
  int64_t value = 0;
  size_t n = 0;
  while (n < in.size() && is_digit(in[n])) {
    if (n == 10) return std::nullopt;
    value = value * 10 + (in[n] - '0');
    ++n;
  }
  if (n == 0) return std::nullopt;
  in.remove_prefix(n);
  return value;
}

bool take_colon(ByteView& in) {
  ByteView rest = in;
  skip_blanks(rest);
  if (rest.empty() || rest.front() != ':') return false;
  rest.remove_prefix(1);
  skip_blanks(rest);
  in = rest;
  return true;
}

struct Fields {
  int64_t hours = 0, minutes = 0, seconds = 0;
};

// "hh:mm[:ss]", or with `may_be_hours` "hh" alone.
std::optional<Fields> take_delimited(ByteView& in, bool may_be_hours) {
  ByteView rest = in;
  const auto hours = take_number(rest);
  if (!hours) return std::nullopt;
  Fields fields{*hours, 0, 0};
  int64_t* const parts[] = {&fields.minutes, &fields.seconds};
  for (int i = 0; i < 2; ++i) {
    ByteView behind = rest;
    if (!take_colon(behind)) {
      if (i == 0 && !may_be_hours) return std::nullopt;
      break;
    }
    const auto part = take_number(behind);
    if (!part) return std::nullopt;
    *parts[i] = *part;
    rest = behind;
  }
  in = rest;
  return fields;
}

std::optional<Fields> take_with_days(ByteView& in) {
  ByteView rest = in;
  const auto days = take_number(rest);
  if (!days || rest.empty() || !is_blank(rest.front())) return std::nullopt;
  skip_blanks(rest);
  auto fields = take_delimited(rest, true);
  if (!fields) return std::nullopt;
  fields->hours += *days * 24;
  in = rest;
  return fields;
}

std::optional<Fields> take_compact(ByteView& in) {
  const auto number = take_number(in);
  if (!number) return std::nullopt;
  return Fields{*number / 10'000, *number / 100 % 100, *number % 100};
}

// ".digits", rounded later: nanoseconds.
int64_t take_fraction(ByteView& in, int fsp) {
  if (in.empty() || in.front() != '.') return 0;
  in.remove_prefix(1);
  int64_t nanos = 0;
  int64_t unit = kNanosOfSecond;
  int taken = 0;
  while (!in.empty() && is_digit(in.front())) {
    if (taken <= fsp) {
      unit /= 10;
      nanos += (in.front() - '0') * unit;
    }
    ++taken;
    in.remove_prefix(1);
  }
  return nanos;
}

// Whether the text looks like a date with a time of day.
bool may_be_datetime(ByteView in) {
  size_t n = 0;
  const auto digits = [&] {
    const size_t begin = n;
    while (n < in.size() && is_digit(in[n])) ++n;
    return n - begin;
  };
  const auto separator = [&] { return n < in.size() && !is_digit(in[n]) && !is_blank(in[n]) ? (++n, true) : false; };
  const size_t first = digits();
  if (first == 12 || first == 14) return true;
  if (first == 0 || !separator() || digits() == 0 || !separator() || digits() == 0) return false;
  return n < in.size() && (in[n] == 'T' || in[n] == ' ');
}

std::optional<Duration> of_datetime(EvalContext& context, ByteView text, int fsp) {
  const auto time = parse_time(context, text, TimeKind::kDateTime, fsp);
  if (!time) return std::nullopt;
  const CivilTime c = civil_of(*time);
  return duration_of_parts({false, c.hour, c.minute, c.second, c.micro}, fsp);
}

std::optional<Duration> longest(EvalContext& context, bool negative, ByteView text, TooLong too_long) {
  if (too_long == TooLong::kIsNothing) return std::nullopt;
  if (!context.overflowed_as_told(code::kTruncatedWrongValue,
                                  fmt::format("Truncated incorrect time value: '{}'", text))) {
    return std::nullopt;
  }
  return Duration{negative ? -kDurationMax : kDurationMax};
}

}  // namespace

DurationParts parts_of(Duration duration) {
  DurationParts parts;
  parts.negative = duration.nanos < 0;
  const int64_t nanos = parts.negative ? -duration.nanos : duration.nanos;
  const int64_t seconds = nanos / kNanosOfSecond;
  parts.hours = static_cast<int>(seconds / 3600);
  parts.minutes = static_cast<int>(seconds / 60 % 60);
  parts.seconds = static_cast<int>(seconds % 60);
  parts.micros = static_cast<int>(nanos % kNanosOfSecond / 1000);
  return parts;
}

Duration rounded_duration(Duration duration, int fsp) {
  int64_t unit = 1;
  for (int i = fsp; i < 9; ++i) unit *= 10;
  const int64_t half = duration.nanos < 0 ? -unit / 2 : unit / 2;
  return {(duration.nanos + half) / unit * unit};
}

std::optional<Duration> duration_of_nanos(int64_t nanos, int fsp) {
  if (nanos > kDurationMax + kNanosOfSecond || nanos < -kDurationMax - kNanosOfSecond) return std::nullopt;
  const Duration result = rounded_duration({nanos}, fsp);
  if (result.nanos > kDurationMax || result.nanos < -kDurationMax) return std::nullopt;
  return result;
}

std::optional<Duration> duration_of_parts(const DurationParts& parts, int fsp) {
  if (parts.hours > 838 || parts.minutes > 59 || parts.seconds > 59) return std::nullopt;
  const int64_t seconds = parts.hours * 3600 + parts.minutes * 60 + parts.seconds;
  const int64_t nanos = seconds * kNanosOfSecond + int64_t{parts.micros} * 1000;
  return duration_of_nanos(parts.negative ? -nanos : nanos, fsp);
}

std::optional<Duration> parse_duration(EvalContext& context, ByteView text, int fsp, TooLong too_long) {
  ByteView in = text;
  skip_blanks(in);
  while (!in.empty() && is_blank(in.back())) in.remove_suffix(1);
  if (in.empty()) return std::nullopt;
  const bool negative = in.front() == '-';
  if (negative) in.remove_prefix(1);
  skip_blanks(in);
  const ByteView whole = in;
  const bool has_date = may_be_datetime(whole);

  auto fields = take_with_days(in);
  if (!fields) fields = take_delimited(in, false);
  if (!fields) fields = take_compact(in);
  if (!fields) return has_date ? of_datetime(context, whole, fsp) : std::nullopt;
  skip_blanks(in);
  const int64_t fraction = take_fraction(in, fsp);
  if (!in.empty()) {
    if (has_date) return of_datetime(context, whole, fsp);
    if (whole.size() >= 12) return std::nullopt;
  }
  if (fields->minutes > 59 || fields->seconds > 59) {
    return has_date ? of_datetime(context, whole, fsp) : std::nullopt;
  }
  if (has_date && fields->hours > 838) return of_datetime(context, whole, fsp);
  if (fields->hours > 838) return longest(context, negative, text, too_long);
  const int64_t seconds = fields->hours * 3600 + fields->minutes * 60 + fields->seconds;
  const int64_t nanos = seconds * kNanosOfSecond + fraction;
  const auto result = duration_of_nanos(negative ? -nanos : nanos, fsp);
  if (!result) return longest(context, negative, text, too_long);
  if (!in.empty() && !context.truncated_wrong_value("TIME", text)) return std::nullopt;
  return result;
}

std::optional<Duration> duration_from_number(EvalContext& context, int64_t number, int fsp) {
  const bool negative = number < 0;
  const uint64_t magnitude = negative ? -static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
  if (magnitude > 8'385'959) {
    // A datetime's number, of which the time of day is taken.
    if (!negative && magnitude >= 10'000'000'000) {
      if (const auto time = time_from_number(context, number, TimeKind::kDateTime, fsp)) {
        const CivilTime c = civil_of(*time);
        return duration_of_parts({false, c.hour, c.minute, c.second, 0}, fsp);
      }
    }
    context.overflowed("Duration", std::to_string(number));
    return std::nullopt;
  }
  const auto n = static_cast<int>(magnitude);
  const auto duration = duration_of_parts({negative, n / 10'000, n / 100 % 100, n % 100, 0}, fsp);
  if (!duration) context.truncated_wrong_value("time", std::to_string(number));
  return duration;
}

std::string to_string(Duration duration, int fsp) {
  const auto parts = parts_of(duration);
  auto text = fmt::format("{}{:02}:{:02}:{:02}", parts.negative ? "-" : "", parts.hours, parts.minutes, parts.seconds);
  if (fsp > 0) text += fmt::format(".{:06}", parts.micros).substr(0, static_cast<size_t>(fsp) + 1);
  return text;
}

Decimal to_decimal(Duration duration, int fsp) {
  const auto parts = parts_of(duration);
  auto text = fmt::format("{}{:02}{:02}{:02}", parts.negative ? "-" : "", parts.hours, parts.minutes, parts.seconds);
  if (fsp > 0) text += fmt::format(".{:06}", parts.micros).substr(0, static_cast<size_t>(fsp) + 1);
  return Decimal::parse(text)->value;
}

int64_t to_number(Duration duration) {
  const auto parts = parts_of(rounded_duration(duration, 0));
  const int64_t value = int64_t{parts.hours} * 10'000 + parts.minutes * 100 + parts.seconds;
  return parts.negative ? -value : value;
}

}  // namespace cairn::coprocessor
