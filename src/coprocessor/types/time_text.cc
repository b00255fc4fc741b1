// Times from text and numbers. The forms that MySQL takes are many: fields with any punctuation between them, or run
// together; two-digit years; a 'T' or blanks before the time of day; a zone behind it.
#include <array>
#include <vector>

#include "coprocessor/eval_context.h"
#include "coprocessor/types/time.h"

namespace cairn::coprocessor {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_punct(char c) { return c > ' ' && c < 127 && !is_digit(c) && ((c | 32) < 'a' || (c | 32) > 'z'); }

ByteView trimmed(ByteView text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Nothing: too many digits.
std::optional<int> number_of(ByteView digits) {
  if (digits.size() > 9) return std::nullopt;
  int value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  return value;
}

int full_year(int year) { return year <= 69 ? 2000 + year : year <= 99 ? 1900 + year : year; }

struct Fields {
  std::vector<ByteView> digits;
  std::vector<ByteView> separators;  // behind each field but perhaps the last
  std::optional<int> zone_offset;    // seconds
};

// The zone at the end of the fields, taken off. False: it is none that exists.
bool take_zone(Fields& fields) {
  auto& digits = fields.digits;
  const auto& separators = fields.separators;
  if (digits.size() < 6) return true;
  if (separators.size() == digits.size() && separators.back() == "Z") {
    fields.zone_offset = 0;
    return digits.size() <= 7;
  }
  const size_t base = digits.size() > 6 && separators[5] == "." ? 7 : 6;
  if (digits.size() == base) return true;
  const ByteView sign = separators[base - 1];
  if (sign != "+" && sign != "-") return false;
  if (digits.size() > base + 2 || (digits.size() == base + 2 && separators[base] != ":")) return false;
  ByteView hours = digits[base], minutes = digits.size() == base + 2 ? digits[base + 1] : ByteView();
  if (hours.size() == 4 && minutes.empty()) {
    minutes = hours.substr(2);
    hours = hours.substr(0, 2);
  }
  if (hours.size() != 2 || (minutes.size() != 2 && !minutes.empty())) return false;
  const int h = *number_of(hours), m = minutes.empty() ? 0 : *number_of(minutes);
  if (h > 14 || m > 59 || (h == 14 && m != 0) || (sign == "-" && h == 0 && m == 0)) return false;
  fields.zone_offset = (sign == "-" ? -1 : 1) * (h * 60 + m) * 60;
  digits.resize(base);
  return true;
}

std::optional<Fields> split(ByteView text) {
  Fields fields;
  while (!text.empty()) {
    size_t n = 0;
    while (n < text.size() && is_digit(text[n])) ++n;
    if (n == 0 || fields.digits.size() == 9) return std::nullopt;
    fields.digits.push_back(text.substr(0, n));
    text.remove_prefix(n);
    if (text.empty()) break;
    n = 0;
    if (is_blank(text[0]) || text[0] == 'T') {
      if (fields.digits.size() != 3) return std::nullopt;
      n = text[0] == 'T' ? 1 : 0;
      while (text[0] != 'T' && n < text.size() && is_blank(text[n])) ++n;
    } else if (text[0] == 'Z') {
      n = 1;
      if (fields.digits.size() < 6) return std::nullopt;
    } else {
      while (n < text.size() && is_punct(text[n])) ++n;
      if (n == 0) return std::nullopt;
    }
    fields.separators.push_back(text.substr(0, n));
    text.remove_prefix(n);
  }
  if (fields.digits.empty() || !take_zone(fields)) return std::nullopt;
  const size_t count = fields.digits.size();
  if ((count == 7 || count == 2) && fields.separators[count - 2] != ".") return std::nullopt;
  if (fields.separators.size() >= count && !fields.zone_offset && count < 6) return std::nullopt;
  return fields;
}

// Digits of seconds as microseconds, rounded to `fsp` digits; 1,000,000: a carry.
int micros_of_fraction(ByteView digits, int fsp) {
  int value = 0;
  for (int i = 0; i < 7; ++i) {
    const auto at = static_cast<size_t>(i);
    value = value * 10 + (at < digits.size() && i <= fsp ? digits[at] - '0' : 0);
  }
  int unit = 10;
  for (int i = fsp; i < 6; ++i) unit *= 10;
  return (value + unit / 2) / unit * unit / 10;
}

// YYMMDD..., YYYYMMDD...: by how many digits there are.
std::optional<CivilTime> run_together(ByteView digits) {
  size_t of_year = 2;
  if (digits.size() == 14 || digits.size() == 8) {
    of_year = 4;
  } else if (digits.size() < 5 || digits.size() > 12) {
    return std::nullopt;
  }
  CivilTime civil;
  const int year = *number_of(digits.substr(0, of_year));
  civil.year = of_year == 2 ? full_year(year) : year;
  const std::array<int*, 5> parts = {&civil.month, &civil.day, &civil.hour, &civil.minute, &civil.second};
  size_t at = of_year;
  for (int* part : parts) {
    if (at >= digits.size()) break;
    *part = *number_of(digits.substr(at, 2));
    at += 2;
  }
  return civil;
}

std::optional<Time> finish(EvalContext& context, CivilTime civil, TimeKind kind, int fsp) {
  if (civil.micro < 1'000'000) return checked_time(context, civil, kind, fsp);
  civil.micro = 0;
  const bool is_date = civil.month >= 1 && civil.month <= 12 && civil.day >= 1 && civil.hour <= 23 &&
                       civil.minute <= 59 && civil.second <= 59 && civil.day <= days_in_month(civil.year, civil.month);
  if (!is_date) return std::nullopt;
  const auto carried = civil_of_micros(micros_of(civil) + 1'000'000);
  return carried ? checked_time(context, *carried, kind, fsp) : std::nullopt;
}

std::optional<CivilTime> civil_of_fields(const Fields& fields, int fsp) {
  const auto& digits = fields.digits;
  if (digits.size() <= 2) {
    auto civil = run_together(digits[0]);
    if (civil && digits.size() == 2) {
      if (digits[0].size() != 10 && digits[0].size() != 12 && digits[0].size() != 14) return std::nullopt;
      civil->micro = micros_of_fraction(digits[1], fsp);
    }
    return civil;
  }
  if (digits.size() > 7) return std::nullopt;
  CivilTime civil;
  const std::array<int*, 6> parts = {&civil.year, &civil.month, &civil.day, &civil.hour, &civil.minute, &civil.second};
  for (size_t i = 0; i < digits.size() && i < parts.size(); ++i) {
    const auto value = number_of(digits[i]);
    if (!value || *value > 16'383) return std::nullopt;
    *parts[i] = *value;
  }
  if (digits.size() == 7) civil.micro = micros_of_fraction(digits[6], fsp);
  if (digits[0].size() == 2 && !civil.is_zero()) civil.year = full_year(civil.year);
  return civil;
}

std::optional<Time> parse_fields(EvalContext& context, const Fields& fields, TimeKind kind, int fsp) {
  const auto civil = civil_of_fields(fields, fsp);
  if (!civil) return std::nullopt;
  auto time = finish(context, *civil, fields.zone_offset ? TimeKind::kDateTime : kind, fsp);
  if (!time || !fields.zone_offset || is_zero(*time)) return time;
  const CivilTime local = civil_of(*time);
  if (local.month == 0 || local.day == 0) return std::nullopt;
  const absl::CivilSecond second(local.year, local.month, local.day, local.hour, local.minute, local.second);
  const auto moment = absl::FromCivil(second, absl::FixedTimeZone(*fields.zone_offset));
  CivilTime moved = civil_of_unix_micros(context, absl::ToUnixMicros(moment));
  moved.micro = local.micro;
  return checked_time(context, moved, kind, fsp);
}

// Number to the fields run together: years of two digits get their century, and a date its zero time of day.
std::optional<int64_t> aligned(int64_t number) {
  if (number >= 101 && number <= 691'231) return (number + 20'000'000) * 1'000'000;
  if (number >= 700'101 && number <= 991'231) return (number + 19'000'000) * 1'000'000;
  if (number >= 991'232 && number <= 99'991'231) return number * 1'000'000;
  if (number >= 101'000'000 && number <= 691'231'235'959) return number + 20'000'000'000'000;
  if (number >= 700'101'000'000 && number <= 991'231'235'959) return number + 19'000'000'000'000;
  if (number >= 1'000'000'000'000 && number <= 99'991'231'235'959) return number;
  return std::nullopt;
}

std::optional<CivilTime> civil_of_number(int64_t number) {
  if (number == 0) return CivilTime();
  const auto fields = aligned(number);
  if (!fields) return std::nullopt;
  const int date = static_cast<int>(*fields / 1'000'000), of_day = static_cast<int>(*fields % 1'000'000);
  return CivilTime{date / 10'000, date / 100 % 100, date % 100, of_day / 10'000, of_day / 100 % 100, of_day % 100, 0};
}

}  // namespace

std::optional<Time> parse_time(EvalContext& context, ByteView text, TimeKind kind, int fsp) {
  text = trimmed(text);
  const auto fields = text.empty() ? std::nullopt : split(text);
  return fields ? parse_fields(context, *fields, kind, fsp) : std::nullopt;
}

std::optional<Time> parse_time_of_any_kind(EvalContext& context, ByteView text, int fsp) {
  text = trimmed(text);
  const auto fields = text.empty() ? std::nullopt : split(text);
  if (!fields) return std::nullopt;
  const auto& digits = fields->digits;
  const bool is_short = digits.size() == 1 && (digits[0].size() == 8 || digits[0].size() == 6 || digits[0].size() == 5);
  const bool is_date = digits.size() == 3 || is_short;
  return parse_fields(context, *fields, is_date ? TimeKind::kDate : TimeKind::kDateTime, fsp);
}

std::optional<Time> time_from_number(EvalContext& context, int64_t number, TimeKind kind, int fsp) {
  const auto civil = civil_of_number(number);
  return civil ? checked_time(context, *civil, kind, fsp) : std::nullopt;
}

std::optional<Time> time_from_decimal_text(EvalContext& context, ByteView text, TimeKind kind, int fsp) {
  text = trimmed(text);
  const size_t point = text.find('.');
  const ByteView whole = text.substr(0, point);
  if (whole.empty() || whole.size() > 14) return std::nullopt;
  int64_t number = 0;
  for (const char c : whole) {
    if (!is_digit(c)) return std::nullopt;
    number = number * 10 + (c - '0');
  }
  auto civil = civil_of_number(number);
  if (!civil) return std::nullopt;
  if (civil->is_zero()) return checked_time(context, *civil, kind, fsp);
  if (point != ByteView::npos && whole.size() >= 9) civil->micro = micros_of_fraction(text.substr(point + 1), fsp);
  return finish(context, *civil, kind, fsp);
}

}  // namespace cairn::coprocessor
