// DATE, DATETIME and TIMESTAMP: calendar fields in the bits of TiDB's chunks, so that an answer needs no conversion and
// two times compare as integers, their last four bits apart.
//
//   year 14 | month 4 | day 5 | hour 5 | minute 6 | second 6 | microsecond 20 | digits of seconds 3 | timestamp 1
//
// The last four are 1110 for a DATE. A row holds another form, `packed`, with TIMESTAMPs in UTC; in a vector they are
// in the session's zone. Zero fields exist ("0000-00-00", "2020-00-01") if the SQL mode lets them. Tests:
// functions_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "coprocessor/column.h"

namespace cairn::coprocessor {

class EvalContext;

enum class TimeKind : uint8_t { kDate, kDateTime, kTimestamp };

struct CivilTime {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, micro = 0;
  bool is_zero() const {
    return year == 0 && month == 0 && day == 0 && hour == 0 && minute == 0 && second == 0 && micro == 0;
  }
};

TimeKind time_kind_of(Type type);

// No check; a DATE loses its time of day.
Time make_time(const CivilTime& civil, TimeKind kind, int fsp);
CivilTime civil_of(Time time);
TimeKind kind_of(Time time);
int fsp_of(Time time);
inline uint64_t time_order(Time time) { return time.bits >> 4; }
inline bool is_zero(Time time) { return time_order(time) == 0; }
Time with_kind(Time time, TimeKind kind);
Time with_fsp(Time time, int fsp);

// As the SQL mode has it: zero dates and impossible ones are nothing, or the zero time with a warning.
std::optional<Time> checked_time(EvalContext& context, const CivilTime& civil, TimeKind kind, int fsp);

// The form of rows. Nothing: fields that no time has, or a TIMESTAMP that the zone does not.
std::optional<Time> time_from_packed(const EvalContext& context, uint64_t packed, TimeKind kind, int fsp);
std::optional<uint64_t> time_to_packed(const EvalContext& context, Time time);

// Text in any of MySQL's forms, with or without separators and a zone. Nothing: it is no time.
std::optional<Time> parse_time(EvalContext& context, ByteView text, TimeKind kind, int fsp);
// The kind by what is there: a date alone is a DATE.
std::optional<Time> parse_time_of_any_kind(EvalContext& context, ByteView text, int fsp);
// YYMMDD, YYYYMMDD, YYMMDDhhmmss or YYYYMMDDhhmmss as a number.
std::optional<Time> time_from_number(EvalContext& context, int64_t number, TimeKind kind, int fsp);
// Likewise, with digits of seconds behind a point.
std::optional<Time> time_from_decimal_text(EvalContext& context, ByteView text, TimeKind kind, int fsp);

// Rounded to fewer digits of seconds.
std::optional<Time> rounded_time(EvalContext& context, Time time, int fsp);

std::string to_string(Time time);
// YYYYMMDDhhmmss, as a number, with its digits of seconds; a DATE's is YYYYMMDD.
Decimal to_decimal(Time time);
int64_t to_number(Time time);  // rounded to seconds

bool is_leap_year(int year);
int days_in_month(int year, int month);
// Days since year 0, as TO_DAYS has them; and back.
int64_t day_number(int year, int month, int day);
CivilTime civil_of_day(int64_t day_number);
// Microseconds since the start of year 0, and back. Nothing: before year 0 or after 9999.
int64_t micros_of(const CivilTime& civil);
std::optional<CivilTime> civil_of_micros(int64_t micros);
// 0: Monday.
int weekday_of(const CivilTime& civil);
int day_of_year(const CivilTime& civil);
// What WEEK says in a mode; and the year that the week belongs to.
struct YearWeek {
  int year;
  int week;
};
YearWeek year_week(const CivilTime& civil, int mode, bool of_year_week);

// Microseconds since the epoch of a civil time in the session's zone; nothing: the zone has no such moment.
std::optional<int64_t> unix_micros(const EvalContext& context, const CivilTime& civil);
CivilTime civil_of_unix_micros(const EvalContext& context, int64_t micros);

}  // namespace cairn::coprocessor
