#include "coprocessor/functions/time_interval.h"

#include <algorithm>
#include <array>
#include <cctype>

namespace cairn::coprocessor {
namespace {

constexpr int64_t kSecond = 1'000'000, kMinute = 60 * kSecond, kHour = 60 * kMinute, kDay = 24 * kHour;

enum Field : uint8_t { kYear, kMonth, kDayField, kHourField, kMinuteField, kSecondField, kMicro };

struct Unit {
  const char* name;
  Field first, last;  // the same: one number
  bool is_clock;
};
constexpr Unit kUnits[] = {
    {"MICROSECOND", kMicro, kMicro, true},
    {"SECOND", kSecondField, kSecondField, true},
    {"MINUTE", kMinuteField, kMinuteField, true},
    {"HOUR", kHourField, kHourField, true},
    {"DAY", kDayField, kDayField, false},
    {"WEEK", kDayField, kDayField, false},
    {"MONTH", kMonth, kMonth, false},
    {"QUARTER", kMonth, kMonth, false},
    {"YEAR", kYear, kYear, false},
    {"SECOND_MICROSECOND", kSecondField, kMicro, true},
    {"MINUTE_MICROSECOND", kMinuteField, kMicro, true},
    {"MINUTE_SECOND", kMinuteField, kSecondField, true},
    {"HOUR_MICROSECOND", kHourField, kMicro, true},
    {"HOUR_SECOND", kHourField, kSecondField, true},
    {"HOUR_MINUTE", kHourField, kMinuteField, true},
    {"DAY_MICROSECOND", kDayField, kMicro, true},
    {"DAY_SECOND", kDayField, kSecondField, true},
    {"DAY_MINUTE", kDayField, kMinuteField, true},
    {"DAY_HOUR", kDayField, kHourField, true},
    {"YEAR_MONTH", kYear, kMonth, false},
};

bool equal_but_for_case(ByteView a, ByteView b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return std::toupper(static_cast<unsigned char>(x)) == y;
         });
}

const Unit* find_unit(ByteView name) {
  for (const auto& unit : kUnits) {
    if (equal_but_for_case(name, unit.name)) return &unit;
  }
  return nullptr;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

constexpr int64_t kNumberMax = int64_t{1} << 40;

// The number at the start; too large ones are cut, which no date survives.
int64_t take_number(ByteView& in) {
  int64_t value = 0;
  while (!in.empty() && is_digit(in.front())) {
    value = std::min(value * 10 + (in.front() - '0'), kNumberMax);
    in.remove_prefix(1);
  }
  return value;
}

// Digits as a part of a second.
int64_t micros_of_digits(ByteView digits) {
  int64_t value = 0;
  for (size_t i = 0; i < 6; ++i) value = value * 10 + (i < digits.size() ? digits[i] - '0' : 0);
  return value;
}

Interval of_field(Field field, int64_t value) {
  Interval interval;
  switch (field) {
    case kYear:
      interval.months = value * 12;
      break;
    case kMonth:
      interval.months = value;
      break;
    case kDayField:
      interval.days = value;
      break;
    case kHourField:
      interval.days = value / 24;
      interval.micros = value % 24 * kHour;
      break;
    case kMinuteField:
      interval.days = value / 1440;
      interval.micros = value % 1440 * kMinute;
      break;
    case kSecondField:
      interval.days = value / 86'400;
      interval.micros = value % 86'400 * kSecond;
      break;
    case kMicro:
      interval.days = value / kDay;
      interval.micros = value % kDay;
      break;
  }
  return interval;
}

void add(Interval& to, const Interval& other) {
  to.months += other.months;
  to.days += other.days;
  to.micros += other.micros;
}

Interval negated(const Interval& i) { return {-i.months, -i.days, -i.micros}; }

// One number, rounded but for the seconds' part.
Interval parse_single(const Unit& unit, ByteView text) {
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) text.remove_prefix(1);
  int64_t value = take_number(text);
  ByteView fraction;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    size_t n = 0;
    while (n < text.size() && is_digit(text[n])) ++n;
    fraction = text.substr(0, n);
  }
  Interval interval;
  if (unit.first == kSecondField) {
    interval = of_field(kSecondField, value);
    interval.micros += micros_of_digits(fraction);
  } else {
    if (!fraction.empty() && fraction.front() >= '5') ++value;
    const ByteView name = unit.name;
    interval = of_field(unit.first, name == "WEEK" ? value * 7 : name == "QUARTER" ? value * 3 : value);
  }
  return is_negative ? negated(interval) : interval;
}

// Numbers with anything between them, the last for the unit's last field.
std::optional<Interval> parse_composite(const Unit& unit, ByteView text) {
  const bool is_negative = text.starts_with('-');
  std::array<ByteView, 7> numbers;
  size_t count = 0;
  while (!text.empty()) {
    if (!is_digit(text.front())) {
      text.remove_prefix(1);
      continue;
    }
    size_t n = 0;
    while (n < text.size() && is_digit(text[n])) ++n;
    if (count == numbers.size()) return std::nullopt;
    numbers[count++] = text.substr(0, n);
    text.remove_prefix(n);
  }
  const auto fields = static_cast<size_t>(unit.last - unit.first + 1);
  if (count > fields) return std::nullopt;
  Interval interval;
  for (size_t i = 0; i < count; ++i) {
    const auto field = static_cast<Field>(unit.last - (count - 1 - i));
    ByteView digits = numbers[i];
    add(interval, of_field(field, field == kMicro ? micros_of_digits(digits) : take_number(digits)));
  }
  return is_negative ? negated(interval) : interval;
}

std::string replaced(const std::string& text, const char* by) {
  std::string out;
  for (const char c : text) {
    if (c == '.')
      out += by;
    else
      out += c;
  }
  return out;
}

int64_t months_between(const CivilTime& a, const CivilTime& b) {
  int64_t months = (b.year - a.year) * 12 + b.month - a.month;
  CivilTime x = a, y = b;
  x.year = y.year = 2000;
  x.month = y.month = 1;
  const int64_t rest = micros_of(y) - micros_of(x);
  if (months > 0 && rest < 0) --months;
  if (months < 0 && rest > 0) ++months;
  return months;
}

}  // namespace

bool is_clock_unit(ByteView name) {
  const Unit* unit = find_unit(name);
  return unit != nullptr && unit->is_clock;
}

std::optional<Interval> parse_interval(ByteView name, ByteView text) {
  const Unit* unit = find_unit(name);
  if (unit == nullptr) return std::nullopt;
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  return unit->first == unit->last ? std::optional(parse_single(*unit, text)) : parse_composite(*unit, text);
}

std::string interval_text(ByteView name, const Decimal& number) {
  const Unit* unit = find_unit(name);
  const std::string text = number.to_string();
  if (unit == nullptr) return text;
  if (unit->first == unit->last) {
    return unit->first == kSecondField ? text : number.rounded(0, Rounding::kHalfUp).value.to_string();
  }
  if (unit->last == kMicro) return text;
  if (unit->first == kYear) return replaced(text, "-");
  return unit->last == kHourField ? replaced(text, " ") : replaced(text, ":");
}

std::optional<CivilTime> add_interval(const CivilTime& civil, const Interval& given, bool is_subtracted) {
  const Interval interval = is_subtracted ? negated(given) : given;
  CivilTime result = civil;
  if (interval.months != 0) {
    const int64_t months = int64_t{civil.year} * 12 + civil.month - 1 + interval.months;
    if (months < 0 || months / 12 > 9999) return std::nullopt;
    result.year = static_cast<int>(months / 12);
    result.month = static_cast<int>(months % 12) + 1;
    result.day = std::min(result.day, days_in_month(result.year, result.month));
  }
  if (interval.days == 0 && interval.micros == 0) return result;
  constexpr int64_t kDaysMax = 3'652'425 * int64_t{2};
  if (interval.days > kDaysMax || interval.days < -kDaysMax) return std::nullopt;
  return civil_of_micros(micros_of(result) + interval.days * kDay + interval.micros);
}

std::optional<int64_t> units_between(ByteView name, const CivilTime& a, const CivilTime& b) {
  const Unit* unit = find_unit(name);
  if (unit == nullptr) return std::nullopt;
  const ByteView canonical = unit->name;
  const int64_t micros = micros_of(b) - micros_of(a);
  if (canonical == "MICROSECOND") return micros;
  if (canonical == "SECOND") return micros / kSecond;
  if (canonical == "MINUTE") return micros / kMinute;
  if (canonical == "HOUR") return micros / kHour;
  if (canonical == "DAY") return micros / kDay;
  if (canonical == "WEEK") return micros / (7 * kDay);
  const int64_t months = months_between(a, b);
  if (canonical == "MONTH") return months;
  if (canonical == "QUARTER") return months / 3;
  if (canonical == "YEAR") return months / 12;
  return std::nullopt;
}

std::optional<int64_t> extract_unit(ByteView name, const CivilTime& c) {
  const Unit* unit = find_unit(name);
  if (unit == nullptr) return std::nullopt;
  const ByteView canonical = unit->name;
  if (canonical == "WEEK") return year_week(c, 0, false).week;
  if (canonical == "QUARTER") return (c.month + 2) / 3;
  const std::array<int, 7> fields = {c.year, c.month, c.day, c.hour, c.minute, c.second, c.micro};
  int64_t value = 0;
  for (int field = unit->first; field <= unit->last; ++field) {
    value = value * (field == kMicro && unit->first != kMicro ? 1'000'000 : 100) + fields[static_cast<size_t>(field)];
  }
  return value;
}

}  // namespace cairn::coprocessor
