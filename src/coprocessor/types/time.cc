#include "coprocessor/types/time.h"

#include <fmt/format.h>

#include "coprocessor/eval_context.h"

namespace cairn::coprocessor {
namespace {

constexpr uint64_t kDateMark = 0b1110;
constexpr int64_t kMicrosOfDay = int64_t{86'400} * 1'000'000;

int field(Time time, int shift, int bits) { return static_cast<int>(time.bits >> shift & ((uint64_t{1} << bits) - 1)); }

bool is_real_date(const CivilTime& civil, bool any_day) {
  if (civil.year > 9999 || civil.month > 12 || civil.day > 31) return false;
  return any_day || civil.day <= days_in_month(civil.year, civil.month);
}

bool is_real_time_of_day(const CivilTime& civil) {
  return civil.hour <= 23 && civil.minute <= 59 && civil.second <= 59 && civil.micro <= 999'999;
}

// What becomes of a date that the SQL mode does not let be: nothing in strict mode, else zero with a warning.
std::optional<Time> refused(EvalContext& context, TimeKind kind, int fsp) {
  if (context.is_strict() && !context.has_flag(flag::kIgnoreTruncate)) return std::nullopt;
  context.warn(code::kDataTruncated, "Data Truncated");
  return make_time({}, kind, fsp);
}

}  // namespace

TimeKind time_kind_of(Type type) {
  switch (type) {
    case Type::kDate:
    case Type::kNewDate:
      return TimeKind::kDate;
    case Type::kTimestamp:
      return TimeKind::kTimestamp;
    default:
      return TimeKind::kDateTime;
  }
}

Time make_time(const CivilTime& c, TimeKind kind, int fsp) {
  const auto at = [](int value, int shift) { return static_cast<uint64_t>(value) << shift; };
  uint64_t bits = at(c.year, 50) | at(c.month, 46) | at(c.day, 41);
  if (kind == TimeKind::kDate) return {bits | kDateMark};
  bits |= at(c.hour, 36) | at(c.minute, 30) | at(c.second, 24) | at(c.micro, 4);
  return {bits | at(fsp, 1) | (kind == TimeKind::kTimestamp ? 1U : 0U)};
}

CivilTime civil_of(Time t) {
  return {field(t, 50, 14), field(t, 46, 4), field(t, 41, 5), field(t, 36, 5),
          field(t, 30, 6),  field(t, 24, 6), field(t, 4, 20)};
}

TimeKind kind_of(Time time) {
  if ((time.bits & 0b1111) >> 1 == kDateMark >> 1) return TimeKind::kDate;
  return (time.bits & 1) != 0 ? TimeKind::kTimestamp : TimeKind::kDateTime;
}

int fsp_of(Time time) { return kind_of(time) == TimeKind::kDate ? 0 : field(time, 1, 3); }
Time with_kind(Time time, TimeKind kind) { return make_time(civil_of(time), kind, fsp_of(time)); }
Time with_fsp(Time time, int fsp) { return make_time(civil_of(time), kind_of(time), fsp); }

std::optional<Time> checked_time(EvalContext& context, const CivilTime& civil, TimeKind kind, int fsp) {
  if (civil.is_zero()) {
    if (context.has_mode(sql_mode::kNoZeroDate)) return refused(context, kind, fsp);
    return make_time(civil, kind, fsp);
  }
  if (kind == TimeKind::kTimestamp) {
    constexpr int64_t kLast = int64_t{INT32_MAX} * 1'000'000 + 999'999;
    const bool is_date = civil.month > 0 && civil.day > 0 && is_real_date(civil, false) && is_real_time_of_day(civil);
    const auto micros = is_date ? unix_micros(context, civil) : std::nullopt;
    if (!micros || *micros < 0 || *micros > kLast) return std::nullopt;
    return make_time(civil, kind, fsp);
  }
  if ((civil.month == 0 || civil.day == 0) && context.has_mode(sql_mode::kNoZeroInDate)) {
    return refused(context, kind, fsp);
  }
  const bool any_day = context.has_mode(sql_mode::kInvalidDates);
  if (is_real_date(civil, any_day) && is_real_time_of_day(civil)) return make_time(civil, kind, fsp);
  if (!any_day) return std::nullopt;
  return checked_time(context, {}, kind, fsp);
}

std::optional<Time> time_from_packed(const EvalContext& context, uint64_t packed, TimeKind kind, int fsp) {
  if (packed == 0) return make_time({}, kind, fsp);
  const uint64_t date = packed >> 41, of_day = packed >> 24 & 0x1FFFF;
  CivilTime civil;
  civil.day = static_cast<int>(date & 31);
  civil.month = static_cast<int>((date >> 5) % 13);
  civil.year = static_cast<int>((date >> 5) / 13);
  civil.hour = static_cast<int>(of_day >> 12);
  civil.minute = static_cast<int>(of_day >> 6 & 63);
  civil.second = static_cast<int>(of_day & 63);
  civil.micro = static_cast<int>(packed & 0xFFFFFF);
  if (civil.year > 9999 || !is_real_time_of_day(civil)) return std::nullopt;
  if (kind != TimeKind::kTimestamp || context.zone() == absl::UTCTimeZone()) return make_time(civil, kind, fsp);
  if (civil.month == 0 || civil.day == 0) return std::nullopt;
  const absl::CivilSecond utc(civil.year, civil.month, civil.day, civil.hour, civil.minute, civil.second);
  const auto local = context.zone().At(absl::FromCivil(utc, absl::UTCTimeZone())).cs;
  if (local.year() < 0 || local.year() > 9999) return std::nullopt;
  return make_time({static_cast<int>(local.year()), local.month(), local.day(), local.hour(), local.minute(),
                    local.second(), civil.micro},
                   kind, fsp);
}

std::optional<uint64_t> time_to_packed(const EvalContext& context, Time time) {
  if (is_zero(time)) return 0;
  CivilTime c = civil_of(time);
  if (kind_of(time) == TimeKind::kTimestamp && context.zone() != absl::UTCTimeZone()) {
    const auto micros = unix_micros(context, c);
    if (!micros) return std::nullopt;
    const auto utc = absl::UTCTimeZone().At(absl::FromUnixMicros(*micros)).cs;
    c = {static_cast<int>(utc.year()), utc.month(), utc.day(), utc.hour(), utc.minute(), utc.second(), c.micro};
  }
  const uint64_t date = static_cast<uint64_t>((c.year * 13 + c.month) << 5 | c.day);
  const uint64_t of_day = static_cast<uint64_t>(c.hour << 12 | c.minute << 6 | c.second);
  return (date << 17 | of_day) << 24 | static_cast<uint64_t>(c.micro);
}

std::optional<Time> rounded_time(EvalContext& context, Time time, int fsp) {
  if (kind_of(time) == TimeKind::kDate || is_zero(time)) return time;
  if (fsp >= fsp_of(time)) return with_fsp(time, fsp);
  CivilTime civil = civil_of(time);
  int unit = 1;
  for (int i = fsp; i < 6; ++i) unit *= 10;
  const int micro = (civil.micro + unit / 2) / unit * unit;
  if (micro < 1'000'000) {
    civil.micro = micro;
    return checked_time(context, civil, kind_of(time), fsp);
  }
  if (civil.month == 0 || civil.day == 0 || !is_real_date(civil, false)) {
    return checked_time(context, {}, kind_of(time), fsp);
  }
  civil.micro = 0;
  const auto carried = civil_of_micros(micros_of(civil) + 1'000'000);
  return carried ? checked_time(context, *carried, kind_of(time), fsp) : std::nullopt;
}

std::string to_string(Time time) {
  const CivilTime c = civil_of(time);
  if (kind_of(time) == TimeKind::kDate) return fmt::format("{:04}-{:02}-{:02}", c.year, c.month, c.day);
  auto text = fmt::format("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", c.year, c.month, c.day, c.hour, c.minute, c.second);
  const int fsp = fsp_of(time);
  if (fsp > 0) text += fmt::format(".{:06}", c.micro).substr(0, static_cast<size_t>(fsp) + 1);
  return text;
}

Decimal to_decimal(Time time) {
  const CivilTime c = civil_of(time);
  std::string text = fmt::format("{:04}{:02}{:02}", c.year, c.month, c.day);
  if (kind_of(time) != TimeKind::kDate) text += fmt::format("{:02}{:02}{:02}", c.hour, c.minute, c.second);
  const int fsp = fsp_of(time);
  if (fsp > 0) text += fmt::format(".{:06}", c.micro).substr(0, static_cast<size_t>(fsp) + 1);
  return Decimal::parse(text)->value;
}

int64_t to_number(Time time) {
  CivilTime c = civil_of(time);
  if (c.micro >= 500'000 && c.month > 0 && c.day > 0) {
    c.micro = 0;
    if (const auto up = civil_of_micros(micros_of(c) + 1'000'000)) c = *up;
  }
  const int64_t date = int64_t{c.year} * 10'000 + c.month * 100 + c.day;
  if (kind_of(time) == TimeKind::kDate) return date;
  return date * 1'000'000 + c.hour * 10'000 + c.minute * 100 + c.second;
}

bool is_leap_year(int year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

int days_in_month(int year, int month) {
  if (month == 4 || month == 6 || month == 9 || month == 11) return 30;
  if (month == 2) return is_leap_year(year) ? 29 : 28;
  return 31;
}

int64_t day_number(int year, int month, int day) {
  if (year == 0 && month == 0) return 0;
  int64_t days = int64_t{365} * year + 31 * (month - 1) + day;
  if (month <= 2) {
    --year;
  } else {
    days -= (month * 4 + 23) / 10;
  }
  return days + year / 4 - (year / 100 + 1) * 3 / 4;
}

CivilTime civil_of_day(int64_t days) {
  CivilTime civil;
  if (days <= 365 || days >= 3'652'500) return civil;
  int year = static_cast<int>(days * 100 / 36'525);
  int64_t rest = days - int64_t{year} * 365 - (year - 1) / 4 + ((year - 1) / 100 + 1) * 3 / 4;
  while (rest > (is_leap_year(year) ? 366 : 365)) {
    rest -= is_leap_year(year) ? 366 : 365;
    ++year;
  }
  civil.year = year;
  civil.month = 1;
  while (rest > days_in_month(year, civil.month)) rest -= days_in_month(year, civil.month++);
  civil.day = static_cast<int>(rest);
  return civil;
}

int64_t micros_of(const CivilTime& c) {
  const int64_t seconds = day_number(c.year, c.month, c.day) * 86'400 + c.hour * 3'600 + c.minute * 60 + c.second;
  return seconds * 1'000'000 + c.micro;
}

std::optional<CivilTime> civil_of_micros(int64_t micros) {
  if (micros < 0) return std::nullopt;
  const int64_t days = micros / kMicrosOfDay;
  if (days > 3'652'424) return std::nullopt;
  CivilTime civil = civil_of_day(days);
  int64_t rest = micros % kMicrosOfDay;
  civil.micro = static_cast<int>(rest % 1'000'000);
  rest /= 1'000'000;
  civil.second = static_cast<int>(rest % 60);
  civil.minute = static_cast<int>(rest / 60 % 60);
  civil.hour = static_cast<int>(rest / 3600);
  return civil;
}

int weekday_of(const CivilTime& civil) {
  const int64_t days = day_number(civil.year, civil.month, civil.day);
  return static_cast<int>((days + 5) % 7);
}

int day_of_year(const CivilTime& civil) {
  return static_cast<int>(day_number(civil.year, civil.month, civil.day) - day_number(civil.year, 1, 1) + 1);
}

// Modes: bit 0: weeks begin on Monday. Bit 1: a week belongs to a year, so none is 0. Bit 2: the first week is the
// first with the first day of a week; else the first with four days.
YearWeek year_week(const CivilTime& civil, int mode, bool of_year_week) {
  if (of_year_week) mode |= 2;
  const bool monday_first = (mode & 1) != 0;
  bool week_has_year = (mode & 2) != 0;
  const bool first_weekday = ((mode & 4) != 0) == monday_first;  // bit 2 says the opposite for weeks from Sunday
  int64_t days = day_number(civil.year, civil.month, civil.day);
  int64_t first = day_number(civil.year, 1, 1);
  int year = civil.year;
  const auto weekday = [monday_first](int64_t day) { return static_cast<int>((day + 5 + (monday_first ? 0 : 1)) % 7); };
  int first_of_year = weekday(first);
  if (civil.month == 1 && civil.day <= 7 - first_of_year) {
    if (!week_has_year && (first_weekday ? first_of_year != 0 : first_of_year >= 4)) return {year, 0};
    week_has_year = true;
    --year;
    const int length = is_leap_year(year) ? 366 : 365;
    if (first_weekday ? first_of_year != 0 : first_of_year >= 4) {
      first -= length;
      first_of_year = (first_of_year + 53 * 7 - length) % 7;
    } else {
      ++year;
    }
  }
  const bool first_is_before = first_weekday ? first_of_year != 0 : first_of_year >= 4;
  days -= first_is_before ? first + (7 - first_of_year) : first - first_of_year;
  if (week_has_year && days >= 52 * 7) {
    const int length = is_leap_year(year) ? 366 : 365;
    const int next = (first_of_year + length) % 7;
    if (first_weekday ? next == 0 : next < 4) return {year + 1, 1};
  }
  return {year, static_cast<int>(days / 7 + 1)};
}

std::optional<int64_t> unix_micros(const EvalContext& context, const CivilTime& c) {
  const absl::CivilSecond civil(c.year, c.month, c.day, c.hour, c.minute, c.second);
  const auto info = context.zone().At(civil);
  if (info.kind == absl::TimeZone::TimeInfo::SKIPPED) return std::nullopt;
  return absl::ToUnixMicros(info.pre) + c.micro;
}

CivilTime civil_of_unix_micros(const EvalContext& context, int64_t micros) {
  const auto local = context.zone().At(absl::FromUnixMicros(micros)).cs;
  const int64_t micro = (micros % 1'000'000 + 1'000'000) % 1'000'000;
  return {static_cast<int>(local.year()), local.month(), local.day(), local.hour(), local.minute(), local.second(),
          static_cast<int>(micro)};
}

}  // namespace cairn::coprocessor
