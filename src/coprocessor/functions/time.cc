// Functions that take times apart and put them together. A date with a zero month or day is NULL to most of them, with
// a warning.
#include <fmt/format.h>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/functions/time_format.h"
#include "coprocessor/types/duration.h"
#include "coprocessor/types/time.h"

namespace cairn::coprocessor {
namespace {

// The fields of a whole date; nothing, with a warning, of one with zeros.
std::optional<CivilTime> whole(Frame& f, Time t) {
  const CivilTime civil = civil_of(t);
  if (civil.month != 0 && civil.day != 0) return civil;
  f.context.invalid_time(fmt::format("Incorrect datetime value: '{}'", to_string(t)));
  return std::nullopt;
}

std::optional<Time> date(Frame& f, Time t) {
  return whole(f, t) ? std::optional(with_kind(t, TimeKind::kDate)) : std::nullopt;
}
// YEAR and DAYOFMONTH are NULL of the zero date where the mode does not let it be; MONTH is 0.
bool is_allowed(Frame& f, Time t) {
  if (!is_zero(t) || !f.context.has_mode(sql_mode::kNoZeroDate)) return true;
  f.context.invalid_time(fmt::format("Incorrect datetime value: '{}'", to_string(t)));
  return false;
}
std::optional<int64_t> year(Frame& f, Time t) {
  return is_allowed(f, t) ? std::optional<int64_t>(civil_of(t).year) : std::nullopt;
}
int64_t month(Time t) { return civil_of(t).month; }
std::optional<int64_t> day(Frame& f, Time t) {
  return is_allowed(f, t) ? std::optional<int64_t>(civil_of(t).day) : std::nullopt;
}
int64_t quarter(Time t) { return (civil_of(t).month + 2) / 3; }
int64_t hour(Duration d) { return parts_of(d).hours; }
int64_t minute(Duration d) { return parts_of(d).minutes; }
int64_t second(Duration d) { return parts_of(d).seconds; }
int64_t micro(Duration d) { return parts_of(d).micros; }

std::optional<int64_t> day_of_week(Frame& f, Time t) {
  const auto civil = whole(f, t);
  return civil ? std::optional<int64_t>((weekday_of(*civil) + 1) % 7 + 1) : std::nullopt;
}
std::optional<int64_t> weekday(Frame& f, Time t) {
  const auto civil = whole(f, t);
  return civil ? std::optional<int64_t>(weekday_of(*civil)) : std::nullopt;
}
std::optional<int64_t> year_day(Frame& f, Time t) {
  const auto civil = whole(f, t);
  return civil ? std::optional<int64_t>(day_of_year(*civil)) : std::nullopt;
}
std::optional<int64_t> week(Frame& f, Time t, int64_t mode) {
  const auto civil = whole(f, t);
  return civil ? std::optional<int64_t>(year_week(*civil, static_cast<int>(mode & 7), false).week) : std::nullopt;
}
std::optional<int64_t> week0(Frame& f, Time t) { return week(f, t, 0); }
std::optional<int64_t> week_of_year(Frame& f, Time t) { return week(f, t, 3); }
std::optional<int64_t> yearweek(Frame& f, Time t, int64_t mode) {
  const auto civil = whole(f, t);
  if (!civil) return std::nullopt;
  const auto result = year_week(*civil, static_cast<int>(mode & 7), true);
  return result.year < 0 ? int64_t{UINT32_MAX} : int64_t{result.year} * 100 + result.week;
}
std::optional<int64_t> yearweek0(Frame& f, Time t) { return yearweek(f, t, 0); }

std::optional<ByteView> month_name(Frame& f, Time t) {
  const auto civil = whole(f, t);
  return civil ? std::optional<ByteView>(kMonthNames[static_cast<size_t>(civil->month - 1)]) : std::nullopt;
}
std::optional<ByteView> day_name(Frame& f, Time t) {
  const auto civil = whole(f, t);
  return civil ? std::optional<ByteView>(kDayNames[static_cast<size_t>(weekday_of(*civil))]) : std::nullopt;
}

std::optional<int64_t> to_days(Frame& f, Time t) {
  const auto c = whole(f, t);
  return c ? std::optional(day_number(c->year, c->month, c->day)) : std::nullopt;
}
std::optional<int64_t> to_seconds(Frame& f, Time t) {
  const auto c = whole(f, t);
  return c ? std::optional(micros_of(*c) / 1'000'000) : std::nullopt;
}
Time from_days(int64_t days) {
  return make_time(days < 0 || days > 3'652'424 ? CivilTime() : civil_of_day(days), TimeKind::kDate, 0);
}
std::optional<Time> last_day(Frame& f, Time t) {
  // The day itself may be zero.
  const CivilTime c = civil_of(t);
  if (c.month == 0) {
    f.context.invalid_time(fmt::format("Incorrect datetime value: '{}'", to_string(t)));
    return std::nullopt;
  }
  return make_time({c.year, c.month, days_in_month(c.year, c.month), 0, 0, 0, 0}, TimeKind::kDate, 0);
}
std::optional<int64_t> date_diff(Frame& f, Time a, Time b) {
  const auto x = whole(f, a), y = x ? whole(f, b) : std::nullopt;
  if (!x || !y) return std::nullopt;
  return day_number(x->year, x->month, x->day) - day_number(y->year, y->month, y->day);
}

int64_t time_to_sec(Duration d) { return d.nanos / kNanosOfSecond; }
std::optional<Duration> sec_to_time(Frame& f, double seconds) {
  const double nanos = seconds * static_cast<double>(kNanosOfSecond);
  if (std::abs(nanos) > static_cast<double>(kDurationMax)) {
    if (!f.context.truncated_wrong_value("time", fmt::format("{}", seconds))) return std::nullopt;
    return Duration{nanos < 0 ? -kDurationMax : kDurationMax};
  }
  return duration_of_nanos(static_cast<int64_t>(nanos), f.type.result.fsp());
}

std::optional<Time> make_date(int64_t y, int64_t days) {
  if (days <= 0 || days > 10'000'000 || y < 0 || y > 9999) return std::nullopt;
  if (y < 70)
    y += 2000;
  else if (y < 100)
    y += 1900;
  const int64_t number = day_number(static_cast<int>(y), 1, 1) + days - 1;
  if (number > 3'652'424) return std::nullopt;
  return make_time(civil_of_day(number), TimeKind::kDate, 0);
}
std::optional<Duration> make_time_of(Frame& f, int64_t h, int64_t m, double s) {
  if (m < 0 || m >= 60 || s < 0 || s >= 60) return std::nullopt;
  const bool is_negative = h < 0 && !f.type.args[0].is_unsigned();
  const bool is_long = h > 838 || h < -838 || (h < 0 && !is_negative);
  const double nanos = static_cast<double>((is_long ? 838 : std::abs(h)) * 3600 + m * 60) * 1e9 + s * 1e9;
  if (is_long || nanos > static_cast<double>(kDurationMax)) return Duration{is_negative ? -kDurationMax : kDurationMax};
  const auto whole_nanos = static_cast<int64_t>(nanos);
  return duration_of_nanos(is_negative ? -whole_nanos : whole_nanos, f.type.result.fsp());
}

// Periods are YYMM or YYYYMM.
int64_t months_of_period(int64_t period) {
  int64_t y = period / 100;
  if (y < 70)
    y += 2000;
  else if (y < 100)
    y += 1900;
  return y * 12 + period % 100 - 1;
}
int64_t period_of_months(int64_t months) { return months / 12 * 100 + months % 12 + 1; }
bool is_period(Frame& f, int64_t period) {
  if (period >= 0 && period % 100 >= 1 && period % 100 <= 12) return true;
  f.context.raise(1210, "Incorrect arguments to period_add");
  return false;
}
std::optional<int64_t> period_add(Frame& f, int64_t period, int64_t months) {
  if (!is_period(f, period)) return std::nullopt;
  int64_t sum = 0;
  const bool fits = !__builtin_add_overflow(months_of_period(period), months, &sum) && sum <= int64_t{UINT32_MAX};
  return fits && sum >= 0 ? period_of_months(sum) : 0;
}
std::optional<int64_t> period_diff(Frame& f, int64_t a, int64_t b) {
  if (!is_period(f, a) || !is_period(f, b)) return std::nullopt;
  return months_of_period(a) - months_of_period(b);
}

// Microseconds since 1970; 0 before its first second, and behind 3001-01-18.
std::optional<int64_t> unix_moment(Frame& f, Time t) {
  const CivilTime c = civil_of(t);
  if (c.month == 0 || c.day == 0) return 0;
  const auto micros = unix_micros(f.context, c);
  constexpr int64_t kLast = int64_t{32'536'771'199} * 1'000'000 + 999'999;
  return !micros || *micros < 1'000'000 || *micros > kLast ? 0 : *micros;
}
int64_t unix_timestamp(Frame& f, Time t) { return *unix_moment(f, t) / 1'000'000; }
Decimal unix_timestamp_decimal(Frame& f, Time t) {
  const auto text = fmt::format("{}e-6", *unix_moment(f, t));
  const int fsp = f.type.result.decimal >= 0 ? std::min(f.type.result.decimal, 6) : 6;
  return Decimal::parse(text)->value.rounded(fsp, Rounding::kTruncate).value;
}

std::optional<Time> from_unix(Frame& f, const Decimal& seconds) {
  if (seconds.negative) return std::nullopt;
  const auto micros = seconds.shifted(6).value.rounded(0, Rounding::kHalfUp).value.to_int();
  constexpr int64_t kEnd = int64_t{32'536'771'200} * 1'000'000;
  if (micros.fit == Fit::kOverflow || micros.value >= kEnd) return std::nullopt;
  const CivilTime civil = civil_of_unix_micros(f.context, micros.value);
  const int fsp = std::min<int>(seconds.frac_digits, 6);
  return rounded_time(f.context, make_time(civil, TimeKind::kDateTime, 6),
                      f.type.result.decimal >= 0 ? f.type.result.fsp() : fsp);
}

std::optional<ByteView> formatted(Frame& f, Time t, ByteView layout) {
  std::string out;
  const auto civil = whole(f, t);
  if (!civil) return std::nullopt;
  if (!format_time(*civil, layout, out)) {
    f.context.invalid_time(fmt::format("Incorrect datetime value: '{}'", to_string(t)));
    return std::nullopt;
  }
  return f.keep(out);
}
std::optional<ByteView> from_unix_formatted(Frame& f, const Decimal& seconds, ByteView layout) {
  const auto time = from_unix(f, seconds);
  return time ? formatted(f, *time, layout) : std::nullopt;
}

std::optional<Time> parsed(Frame& f, ByteView text, ByteView layout, TimeKind kind) {
  CivilTime civil;
  const auto outcome = parse_formatted(text, layout, civil);
  const auto time = outcome == Parsed::kNot ? std::nullopt : checked_time(f.context, civil, kind, f.type.result.fsp());
  if (!time) {
    f.context.invalid_time(fmt::format("Incorrect datetime value: '{}'", text));
    return std::nullopt;
  }
  if (outcome == Parsed::kWithRest) f.context.warn(code::kDataTruncated, "Data Truncated");
  return time;
}
std::optional<Time> str_to_date(Frame& f, ByteView text, ByteView layout) {
  return parsed(f, text, layout, TimeKind::kDate);
}
std::optional<Time> str_to_datetime(Frame& f, ByteView text, ByteView layout) {
  return parsed(f, text, layout, TimeKind::kDateTime);
}
std::optional<Duration> str_to_duration(Frame& f, ByteView text, ByteView layout) {
  CivilTime c;
  if (parse_formatted(text, layout, c) == Parsed::kNot || c.hour > 23) {
    f.context.invalid_time(fmt::format("Incorrect time value: '{}'", text));
    return std::nullopt;
  }
  return duration_of_parts({false, c.hour, c.minute, c.second, c.micro}, f.type.result.fsp());
}

Found find_parts(tipb::ScalarFuncSig signature) {
  switch (signature) {
    case tipb::Date:
      return rowwise<&date>();
    case tipb::Year:
      return rowwise<&year>();
    case tipb::Month:
      return rowwise<&month>();
    case tipb::DayOfMonth:
      return rowwise<&day>();
    case tipb::Quarter:
      return rowwise<&quarter>();
    case tipb::Hour:
      return rowwise<&hour>();
    case tipb::Minute:
      return rowwise<&minute>();
    case tipb::Second:
      return rowwise<&second>();
    case tipb::MicroSecond:
      return rowwise<&micro>();
    case tipb::MonthName:
      return rowwise<&month_name>();
    case tipb::DayName:
      return rowwise<&day_name>();
    case tipb::DayOfWeek:
      return rowwise<&day_of_week>();
    case tipb::WeekDay:
      return rowwise<&weekday>();
    case tipb::DayOfYear:
      return rowwise<&year_day>();
    case tipb::WeekWithMode:
      return rowwise<&week>();
    case tipb::WeekWithoutMode:
      return rowwise<&week0>();
    case tipb::WeekOfYear:
      return rowwise<&week_of_year>();
    case tipb::YearWeekWithMode:
      return rowwise<&yearweek>();
    case tipb::YearWeekWithoutMode:
      return rowwise<&yearweek0>();
    default:
      return std::nullopt;
  }
}

}  // namespace

Found find_time(tipb::ScalarFuncSig signature, const CallType&) {
  switch (signature) {
    case tipb::ToDays:
      return rowwise<&to_days>();
    case tipb::ToSeconds:
      return rowwise<&to_seconds>();
    case tipb::FromDays:
      return rowwise<&from_days>();
    case tipb::LastDay:
      return rowwise<&last_day>();
    case tipb::DateDiff:
      return rowwise<&date_diff>();
    case tipb::TimeToSec:
      return rowwise<&time_to_sec>();
    case tipb::SecToTime:
      return rowwise<&sec_to_time>();
    case tipb::MakeDate:
      return rowwise<&make_date>();
    case tipb::MakeTime:
      return rowwise<&make_time_of>();
    case tipb::PeriodAdd:
      return rowwise<&period_add>();
    case tipb::PeriodDiff:
      return rowwise<&period_diff>();
    case tipb::UnixTimestampInt:
      return rowwise<&unix_timestamp>();
    case tipb::UnixTimestampDec:
      return rowwise<&unix_timestamp_decimal>();
    case tipb::FromUnixTime1Arg:
      return rowwise<&from_unix>();
    case tipb::FromUnixTime2Arg:
      return rowwise<&from_unix_formatted>();
    case tipb::DateFormatSig:
      return rowwise<&formatted>();
    case tipb::StrToDateDate:
      return rowwise<&str_to_date>();
    case tipb::StrToDateDatetime:
      return rowwise<&str_to_datetime>();
    case tipb::StrToDateDuration:
      return rowwise<&str_to_duration>();
    default:
      return find_parts(signature);
  }
}

}  // namespace cairn::coprocessor
