// DATE_FORMAT's layouts, written and read. Internal to functions/. Tests: functions_test.cc.
#pragma once

#include <array>
#include <string>

#include "coprocessor/types/time.h"

namespace cairn::coprocessor {

inline constexpr std::array<const char*, 12> kMonthNames = {"January",   "February", "March",    "April",
                                                            "May",       "June",     "July",     "August",
                                                            "September", "October",  "November", "December"};
inline constexpr std::array<const char*, 7> kDayNames = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                         "Friday", "Saturday", "Sunday"};

// Appends the time in the layout. False: it asks for the name of a month or a day that is zero.
[[nodiscard]] bool format_time(const CivilTime& civil, ByteView layout, std::string& out);

// Reads a time by the layout. What the text leaves out is zero.
enum class Parsed : uint8_t { kNot, kAll, kWithRest };
Parsed parse_formatted(ByteView text, ByteView layout, CivilTime& civil);

}  // namespace cairn::coprocessor
