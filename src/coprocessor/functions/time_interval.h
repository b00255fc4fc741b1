// INTERVAL's values: text by a unit, as months and microseconds. Internal to functions/. Tests: functions_test.cc.
#pragma once

#include <optional>
#include <string>

#include "coprocessor/types/decimal.h"
#include "coprocessor/types/time.h"

namespace cairn::coprocessor {

struct Interval {
  int64_t months = 0;
  int64_t days = 0;
  int64_t micros = 0;
};

// Nothing: there is no such unit, or the numbers are too large.
std::optional<Interval> parse_interval(ByteView unit, ByteView text);
// The text of a number as the unit reads it: "1.5" is a minute and five seconds to MINUTE_SECOND.
std::string interval_text(ByteView unit, const Decimal& number);
// Whether the unit is about the time of day.
bool is_clock_unit(ByteView unit);

// Nothing: before year 0 or after 9999.
std::optional<CivilTime> add_interval(const CivilTime& civil, const Interval& interval, bool is_subtracted);

// Whole units from `a` to `b`. Nothing: there is no such unit.
std::optional<int64_t> units_between(ByteView unit, const CivilTime& a, const CivilTime& b);

// EXTRACT's number of a unit. Nothing: there is no such unit.
std::optional<int64_t> extract_unit(ByteView unit, const CivilTime& civil);

}  // namespace cairn::coprocessor
