// Sums and differences of times: DATE_ADD and DATE_SUB of every kind of date and interval, ADDTIME, SUBTIME, TIMEDIFF,
// TIMESTAMPDIFF, EXTRACT.
#include <fmt/format.h>

#include <type_traits>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/conversion.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/functions/time_interval.h"
#include "coprocessor/types/duration.h"
#include "coprocessor/types/time.h"

namespace cairn::coprocessor {
namespace {

std::nullopt_t bad_time(Frame& f, ByteView shown) {
  f.context.invalid_time(fmt::format("Incorrect datetime value: '{}'", shown));
  return std::nullopt;
}
std::nullopt_t overflow(Frame& f) {
  f.context.warn(code::kDatetimeOverflow, "Datetime function: datetime field overflow");
  return std::nullopt;
}

// The date of DATE_ADD, which is one without a time of day only if the unit needs none.
std::optional<Time> date_of(Frame& f, ByteView text, ByteView unit) {
  auto time = parse_time_of_any_kind(f.context, text, 6);
  if (!time) return bad_time(f, text);
  return is_clock_unit(unit) && kind_of(*time) == TimeKind::kDate ? with_kind(*time, TimeKind::kDateTime) : time;
}
std::optional<Time> date_of(Frame& f, int64_t number, ByteView unit) {
  const TimeKind kind = number >= 101'000'000 || is_clock_unit(unit) ? TimeKind::kDateTime : TimeKind::kDate;
  const auto time = time_from_number(f.context, number, kind, 0);
  return time ? time : bad_time(f, std::to_string(number));
}
std::optional<Time> date_of(Frame& f, const Decimal& number, ByteView unit) {
  const std::string text = number.to_string();
  const bool is_long = number.int_digits >= 9;
  const TimeKind kind = is_long || is_clock_unit(unit) ? TimeKind::kDateTime : TimeKind::kDate;
  const auto time = time_from_decimal_text(f.context, text, kind, 6);
  return time ? time : bad_time(f, text);
}
std::optional<Time> date_of(Frame& f, double number, ByteView unit) {
  const auto decimal = real_to_decimal(f.context, number);
  return decimal ? date_of(f, *decimal, unit) : std::nullopt;
}
std::optional<Time> date_of(Frame&, Time time, ByteView unit) {
  return kind_of(time) == TimeKind::kDate && is_clock_unit(unit) ? with_kind(time, TimeKind::kDateTime) : time;
}
// On the day of the request.
std::optional<Time> date_of(Frame& f, Duration duration, ByteView) {
  CivilTime today = civil_of_unix_micros(f.context, f.context.now_micros());
  today.hour = today.minute = today.second = today.micro = 0;
  const auto civil = civil_of_micros(micros_of(today) + duration.nanos / 1000);
  if (!civil) return std::nullopt;
  return make_time(*civil, TimeKind::kDateTime, 6);
}

std::string text_of(ByteView unit, ByteView text, Frame&) {
  (void)unit;
  return std::string(text);
}
std::string text_of(ByteView unit, int64_t number, Frame& f) {
  return interval_text(unit, f.type.args[1].is_unsigned() ? Decimal::from_uint(static_cast<uint64_t>(number))
                                                          : Decimal::from_int(number));
}
std::string text_of(ByteView unit, const Decimal& number, Frame&) { return interval_text(unit, number); }
// No number, and so an interval of zero, if it is not finite: the evaluation has failed then.
std::string text_of(ByteView unit, double number, Frame& f) {
  return interval_text(unit, real_to_decimal(f.context, number).value_or(Decimal()));
}

std::optional<Time> sum(Frame& f, const std::optional<Time>& date, const std::string& text, ByteView unit,
                        bool is_subtracted) {
  if (!date || f.context.failed()) return std::nullopt;
  const CivilTime civil = civil_of(*date);
  if (civil.month == 0 || civil.day == 0) return bad_time(f, to_string(*date));
  const auto interval = parse_interval(unit, text);
  const auto result = interval ? add_interval(civil, *interval, is_subtracted) : std::nullopt;
  if (!result || (result->year == 0 && result->month == 0)) return overflow(f);
  return make_time(*result, kind_of(*date) == TimeKind::kDate ? TimeKind::kDate : TimeKind::kDateTime, 6);
}

// Digits of seconds are shown if there are any.
ByteView shown(Frame& f, Time time) {
  if (kind_of(time) == TimeKind::kDate) return f.keep(to_string(time));
  return f.keep(to_string(with_fsp(time, civil_of(time).micro == 0 ? 0 : 6)));
}

template <class D>
using Argument = std::conditional_t<std::is_same_v<D, Decimal>, const Decimal&, D>;

// A string of any date that is no datetime.
template <class D, class I, bool kSubtract>
std::optional<ByteView> date_sum_as_string(Frame& f, Argument<D> date, Argument<I> interval, ByteView unit) {
  const auto time = sum(f, date_of(f, date, unit), text_of(unit, interval, f), unit, kSubtract);
  if (!time) return std::nullopt;
  return shown(f, *time);
}
// A datetime of a datetime, or of a duration with a unit of days.
template <class D, class I, bool kSubtract>
std::optional<Time> date_sum_as_time(Frame& f, D date, Argument<I> interval, ByteView unit) {
  const auto time = sum(f, date_of(f, date, unit), text_of(unit, interval, f), unit, kSubtract);
  if (!time) return std::nullopt;
  const int fsp = f.type.result.decimal >= 0 ? f.type.result.fsp() : civil_of(*time).micro == 0 ? 0 : 6;
  return with_fsp(*time, fsp);
}
template <class I, bool kSubtract>
std::optional<Duration> duration_sum(Frame& f, Duration duration, Argument<I> interval, ByteView unit) {
  const auto parsed = parse_interval(unit, text_of(unit, interval, f));
  if (!parsed || f.context.failed()) return std::nullopt;
  constexpr int64_t kDaysMax = 100;  // no duration has so many
  if (parsed->days > kDaysMax || parsed->days < -kDaysMax) return overflow(f);
  const int64_t nanos = (parsed->days * 86'400'000'000 + parsed->micros) * 1000;
  const auto result = duration_of_nanos(duration.nanos + (kSubtract ? -nanos : nanos), 6);
  if (!result) return overflow(f);
  return result;
}

// ADDTIME and SUBTIME.

std::optional<Duration> plain_duration(Frame& f, ByteView text) {
  // A datetime is no duration here.
  if (text.find('-', 1) != ByteView::npos) return std::nullopt;
  return parse_duration(f.context, text, 6);
}
template <bool kSubtract>
std::optional<Time> moved(Frame& f, Time time, Duration by) {
  const CivilTime civil = civil_of(time);
  if (civil.month == 0 || civil.day == 0) return std::nullopt;
  const auto result = civil_of_micros(micros_of(civil) + (kSubtract ? -by.nanos : by.nanos) / 1000);
  if (!result) return overflow(f);
  const int fsp = f.type.result.decimal >= 0 ? f.type.result.fsp() : result->micro == 0 ? 0 : 6;
  return make_time(*result, TimeKind::kDateTime, fsp);
}
template <bool kSubtract>
std::optional<Time> moved_by_string(Frame& f, Time time, ByteView text) {
  const auto by = plain_duration(f, text);
  return by ? moved<kSubtract>(f, time, *by) : std::nullopt;
}
template <bool kSubtract>
std::optional<Duration> durations(Frame& f, Duration a, Duration b) {
  const int64_t nanos = kSubtract ? a.nanos - b.nanos : a.nanos + b.nanos;
  if (const auto result = duration_of_nanos(nanos, 6)) return result;
  if (!f.context.overflowed_as_told(code::kTruncatedWrongValue,
                                    fmt::format("Truncated incorrect time value: '{}'", nanos / kNanosOfSecond))) {
    return std::nullopt;
  }
  return Duration{nanos < 0 ? -kDurationMax : kDurationMax};
}
template <bool kSubtract>
std::optional<Duration> duration_by_string(Frame& f, Duration a, ByteView text) {
  const auto by = plain_duration(f, text);
  return by ? durations<kSubtract>(f, a, *by) : std::nullopt;
}
// A string that is a duration, or a datetime.
template <bool kSubtract>
std::optional<ByteView> string_by_duration(Frame& f, ByteView text, Duration by) {
  if (text.find('-', 1) == ByteView::npos) {
    const auto duration = parse_duration(f.context, text, 6);
    const auto result = duration ? durations<kSubtract>(f, *duration, by) : std::nullopt;
    if (!result) return std::nullopt;
    return f.keep(to_string(*result, parts_of(*result).micros == 0 ? 0 : 6));
  }
  const auto time = parse_time(f.context, text, TimeKind::kDateTime, 6);
  if (!time) return bad_time(f, text);
  const auto result = moved<kSubtract>(f, *time, by);
  if (!result) return std::nullopt;
  return shown(f, *result);
}

// TIMEDIFF: of two durations, or of two datetimes.
std::optional<Duration> difference(Frame& f, int64_t nanos) {
  if (const auto result = duration_of_nanos(nanos, 6)) return result;
  f.context.truncated_wrong_value("time", fmt::format("{}", nanos / kNanosOfSecond));
  if (f.context.failed()) return std::nullopt;
  return Duration{nanos < 0 ? -kDurationMax : kDurationMax};
}
std::optional<Duration> duration_difference(Frame& f, Duration a, Duration b) {
  return difference(f, a.nanos - b.nanos);
}
std::optional<Duration> time_difference(Frame& f, Time a, Time b) {
  const int64_t micros = micros_of(civil_of(a)) - micros_of(civil_of(b));
  constexpr int64_t kMost = kDurationMax / 1000 + 1'000'000;
  return difference(f, std::min(std::max(micros, -kMost), kMost) * 1000);
}
bool is_datetime(ByteView text) { return text.find('-', 1) != ByteView::npos; }
std::optional<Duration> string_duration_difference(Frame& f, ByteView a, Duration b) {
  if (is_datetime(a)) return std::nullopt;
  const auto x = parse_duration(f.context, a, 6);
  return x ? duration_difference(f, *x, b) : std::nullopt;
}
std::optional<Duration> duration_string_difference(Frame& f, Duration a, ByteView b) {
  if (is_datetime(b)) return std::nullopt;
  const auto y = parse_duration(f.context, b, 6);
  return y ? duration_difference(f, a, *y) : std::nullopt;
}
std::optional<Duration> string_time_difference(Frame& f, ByteView a, Time b) {
  const auto x = is_datetime(a) ? parse_time(f.context, a, TimeKind::kDateTime, 6) : std::nullopt;
  return x ? time_difference(f, *x, b) : std::nullopt;
}
std::optional<Duration> time_string_difference(Frame& f, Time a, ByteView b) {
  const auto y = is_datetime(b) ? parse_time(f.context, b, TimeKind::kDateTime, 6) : std::nullopt;
  return y ? time_difference(f, a, *y) : std::nullopt;
}
std::optional<Duration> string_difference(Frame& f, ByteView a, ByteView b) {
  if (is_datetime(a) != is_datetime(b)) return std::nullopt;
  if (!is_datetime(a)) {
    const auto x = parse_duration(f.context, a, 6);
    return x ? duration_string_difference(f, *x, b) : std::nullopt;
  }
  const auto y = parse_time(f.context, b, TimeKind::kDateTime, 6);
  return y ? string_time_difference(f, a, *y) : std::nullopt;
}

std::optional<int64_t> timestamp_diff(Frame& f, ByteView unit, Time a, Time b) {
  const CivilTime x = civil_of(a), y = civil_of(b);
  if (x.month == 0 || x.day == 0 || y.month == 0 || y.day == 0) return bad_time(f, to_string(x.month == 0 ? a : b));
  return units_between(unit, x, y);
}

std::optional<int64_t> extract_of_time(ByteView unit, Time time) { return extract_unit(unit, civil_of(time)); }
std::optional<int64_t> extract_of_duration(ByteView unit, Duration duration) {
  const auto parts = parts_of(duration);
  CivilTime civil;
  civil.hour = parts.hours;
  civil.minute = parts.minutes;
  civil.second = parts.seconds;
  civil.micro = parts.micros;
  const auto value = extract_unit(unit, civil);
  return value && parts.negative ? std::optional(-*value) : value;
}

// Signatures whose result is NULL whatever their arguments are.
template <class T>
std::optional<T> null_of(Frame&, size_t) {
  return std::nullopt;
}
template <class T>
Found always_null(const CallType& type) {
  std::vector<EvalType> args;
  for (const auto& arg : type.args) {
    EvalType eval_type = EvalType::kBytes;
    (void)eval_type_of(arg, eval_type);
    args.push_back(eval_type);
  }
  return variadic<&null_of<T>>(std::move(args));
}

}  // namespace

#define CAIRN_DATE_SUMS(Date, D, make)           \
  case tipb::AddDate##Date##String:              \
    return rowwise<&make<D, ByteView, false>>(); \
  case tipb::SubDate##Date##String:              \
    return rowwise<&make<D, ByteView, true>>();  \
  case tipb::AddDate##Date##Int:                 \
    return rowwise<&make<D, int64_t, false>>();  \
  case tipb::SubDate##Date##Int:                 \
    return rowwise<&make<D, int64_t, true>>();   \
  case tipb::AddDate##Date##Real:                \
    return rowwise<&make<D, double, false>>();   \
  case tipb::SubDate##Date##Real:                \
    return rowwise<&make<D, double, true>>();    \
  case tipb::AddDate##Date##Decimal:             \
    return rowwise<&make<D, Decimal, false>>();  \
  case tipb::SubDate##Date##Decimal:             \
    return rowwise<&make<D, Decimal, true>>();

#define CAIRN_DURATION_SUMS(Interval, I)                     \
  case tipb::AddDateDuration##Interval:                      \
    return rowwise<&duration_sum<I, false>>();               \
  case tipb::SubDateDuration##Interval:                      \
    return rowwise<&duration_sum<I, true>>();                \
  case tipb::AddDateDuration##Interval##Datetime:            \
    return rowwise<&date_sum_as_time<Duration, I, false>>(); \
  case tipb::SubDateDuration##Interval##Datetime:            \
    return rowwise<&date_sum_as_time<Duration, I, true>>();

Found find_time_interval(tipb::ScalarFuncSig signature) {
  switch (signature) {
    CAIRN_DATE_SUMS(String, ByteView, date_sum_as_string)
    CAIRN_DATE_SUMS(Int, int64_t, date_sum_as_string)
    CAIRN_DATE_SUMS(Real, double, date_sum_as_string)
    CAIRN_DATE_SUMS(Decimal, Decimal, date_sum_as_string)
    CAIRN_DATE_SUMS(Datetime, Time, date_sum_as_time)
    CAIRN_DURATION_SUMS(String, ByteView)
    CAIRN_DURATION_SUMS(Int, int64_t)
    CAIRN_DURATION_SUMS(Real, double)
    CAIRN_DURATION_SUMS(Decimal, Decimal)
    default:
      return std::nullopt;
  }
}
#undef CAIRN_DATE_SUMS
#undef CAIRN_DURATION_SUMS

Found find_time_arithmetic(tipb::ScalarFuncSig signature, const CallType& type) {
  switch (signature) {
    case tipb::AddDatetimeAndDuration:
      return rowwise<&moved<false>>();
    case tipb::AddDatetimeAndString:
      return rowwise<&moved_by_string<false>>();
    case tipb::AddDurationAndDuration:
      return rowwise<&durations<false>>();
    case tipb::AddDurationAndString:
      return rowwise<&duration_by_string<false>>();
    case tipb::AddStringAndDuration:
      return rowwise<&string_by_duration<false>>();
    case tipb::SubDatetimeAndDuration:
      return rowwise<&moved<true>>();
    case tipb::SubDatetimeAndString:
      return rowwise<&moved_by_string<true>>();
    case tipb::SubDurationAndDuration:
      return rowwise<&durations<true>>();
    case tipb::SubDurationAndString:
      return rowwise<&duration_by_string<true>>();
    case tipb::SubStringAndDuration:
      return rowwise<&string_by_duration<true>>();
    case tipb::AddTimeDateTimeNull:
    case tipb::SubTimeDateTimeNull:
      return always_null<Time>(type);
    case tipb::AddTimeDurationNull:
    case tipb::SubTimeDurationNull:
    case tipb::NullTimeDiff:
      return always_null<Duration>(type);
    case tipb::AddTimeStringNull:
    case tipb::SubTimeStringNull:
      return always_null<ByteView>(type);
    case tipb::DurationDurationTimeDiff:
      return rowwise<&duration_difference>();
    case tipb::StringDurationTimeDiff:
      return rowwise<&string_duration_difference>();
    case tipb::DurationStringTimeDiff:
      return rowwise<&duration_string_difference>();
    case tipb::StringStringTimeDiff:
      return rowwise<&string_difference>();
    case tipb::TimeTimeTimeDiff:
      return rowwise<&time_difference>();
    case tipb::StringTimeTimeDiff:
      return rowwise<&string_time_difference>();
    case tipb::TimeStringTimeDiff:
      return rowwise<&time_string_difference>();
    case tipb::TimestampDiff:
      return rowwise<&timestamp_diff>();
    case tipb::ExtractDatetime:
      return rowwise<&extract_of_time>();
    case tipb::ExtractDuration:
      return rowwise<&extract_of_duration>();
    default:
      return find_time_interval(signature);
  }
}

}  // namespace cairn::coprocessor
