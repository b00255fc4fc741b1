#include "coprocessor/functions/time_format.h"

#include <fmt/format.h>

#include <optional>

namespace cairn::coprocessor {
namespace {

int twelve(int hour) { return hour % 12 == 0 ? 12 : hour % 12; }
const char* half(int hour) { return hour / 12 % 2 == 0 ? "AM" : "PM"; }

const char* ordinal_suffix(int day) {
  if (day >= 11 && day <= 13) return "th";
  switch (day % 10) {
    case 1:
      return "st";
    case 2:
      return "nd";
    case 3:
      return "rd";
    default:
      return "th";
  }
}

bool append_field(const CivilTime& c, char field, std::string& out) {
  const auto put = [&](ByteView text) {
    out += text;
    return true;
  };
  const auto week = [&](int mode, bool of_year) { return year_week(c, mode, of_year); };
  switch (field) {
    case 'b':
    case 'M':
      if (c.month == 0) return false;
      out += std::string(kMonthNames[static_cast<size_t>(c.month - 1)]).substr(0, field == 'b' ? 3 : 20);
      return true;
    case 'a':
    case 'W':
      out += std::string(kDayNames[static_cast<size_t>(weekday_of(c))]).substr(0, field == 'a' ? 3 : 20);
      return true;
    case 'm':
      return put(fmt::format("{:02}", c.month));
    case 'c':
      return put(fmt::format("{}", c.month));
    case 'D':
      return put(fmt::format("{}{}", c.day, ordinal_suffix(c.day)));
    case 'd':
      return put(fmt::format("{:02}", c.day));
    case 'e':
      return put(fmt::format("{}", c.day));
    case 'j':
      return put(fmt::format("{:03}", day_of_year(c)));
    case 'H':
      return put(fmt::format("{:02}", c.hour));
    case 'k':
      return put(fmt::format("{}", c.hour));
    case 'h':
    case 'I':
      return put(fmt::format("{:02}", twelve(c.hour)));
    case 'l':
      return put(fmt::format("{}", twelve(c.hour)));
    case 'i':
      return put(fmt::format("{:02}", c.minute));
    case 'p':
      return put(fmt::format("{}", half(c.hour)));
    case 'r':
      return put(fmt::format("{:02}:{:02}:{:02} {}", twelve(c.hour), c.minute, c.second, half(c.hour)));
    case 'T':
      return put(fmt::format("{:02}:{:02}:{:02}", c.hour, c.minute, c.second));
    case 'S':
    case 's':
      return put(fmt::format("{:02}", c.second));
    case 'f':
      return put(fmt::format("{:06}", c.micro));
    case 'U':
      return put(fmt::format("{:02}", week(0, false).week));
    case 'u':
      return put(fmt::format("{:02}", week(1, false).week));
    case 'V':
      return put(fmt::format("{:02}", week(2, true).week));
    case 'v':
      return put(fmt::format("{:02}", week(3, true).week));
    case 'w':
      return put(fmt::format("{}", (weekday_of(c) + 1) % 7));
    case 'X':
    case 'x': {
      const int year = week(field == 'X' ? 2 : 3, true).year;
      return year < 0 ? put(fmt::format("{}", UINT32_MAX)) : put(fmt::format("{:04}", year));
    }
    case 'Y':
      return put(fmt::format("{:04}", c.year));
    case 'y':
      return put(fmt::format("{:02}", c.year % 100));
    default:
      out += field;
      return true;
  }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_letter(char c) { return (c | 32) >= 'a' && (c | 32) <= 'z'; }

ByteView without_blanks(ByteView text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

class Reader {
 public:
  Reader(ByteView text, CivilTime& civil) : in_(text), c_(civil) {}

  Parsed read(ByteView layout) {
    while (true) {
      in_ = without_blanks(in_);
      while (!layout.empty() && is_blank(layout.front())) layout.remove_prefix(1);
      if (layout.empty()) break;
      const bool is_field = layout.front() == '%';
      if (is_field && layout.size() < 2) return Parsed::kNot;
      if (in_.empty()) {
        // The rest stays zero, but an hour that is missing is there for AM and PM.
        if (is_field) note_missing(layout[1]);
        break;
      }
      if (is_field ? !read_field(layout[1]) : !take(layout.front())) return Parsed::kNot;
      layout.remove_prefix(is_field ? 2 : 1);
    }
    if (!settle_half()) return Parsed::kNot;
    return in_.empty() ? Parsed::kAll : Parsed::kWithRest;
  }

 private:
  bool take(char c) {
    if (in_.empty() || in_.front() != c) return false;
    in_.remove_prefix(1);
    return true;
  }
  // Up to so many digits; nothing: there are none.
  std::optional<int> digits(size_t most) {
    size_t n = 0;
    int value = 0;
    while (n < most && n < in_.size() && is_digit(in_[n])) value = value * 10 + (in_[n++] - '0');
    if (n == 0) return std::nullopt;
    in_.remove_prefix(n);
    taken_ = n;
    return value;
  }
  bool number(size_t most, int low, int high, int& to) {
    const auto value = digits(most);
    if (!value || *value < low || *value > high) return false;
    to = *value;
    return true;
  }
  bool year(size_t most) {
    const auto value = digits(most);
    if (!value) return false;
    c_.year = taken_ > 2 ? *value : *value <= 69 ? 2000 + *value : 1900 + *value;
    return true;
  }
  bool starts_with(ByteView word) const {
    if (in_.size() < word.size()) return false;
    for (size_t i = 0; i < word.size(); ++i) {
      if ((in_[i] | 32) != (word[i] | 32)) return false;
    }
    return true;
  }
  bool month_name(size_t letters) {
    for (size_t i = 0; i < kMonthNames.size(); ++i) {
      const ByteView name = ByteView(kMonthNames[i]).substr(0, letters);
      if (!starts_with(name)) continue;
      in_.remove_prefix(name.size());
      c_.month = static_cast<int>(i) + 1;
      return true;
    }
    return false;
  }
  bool half_of_day() {
    if (!starts_with("AM") && !starts_with("PM")) return false;
    is_pm_ = starts_with("PM");
    in_.remove_prefix(2);
    return true;
  }
  // Up to six digits of a second.
  bool micros() {
    const auto value = digits(6);
    if (!value) return false;
    c_.micro = *value;
    for (size_t i = taken_; i < 6; ++i) c_.micro *= 10;
    return true;
  }
  // hh:mm:ss, which may end early.
  bool time_of_day(bool of_twelve) {
    int* const parts[] = {&c_.hour, &c_.minute, &c_.second};
    for (int i = 0; i < 3; ++i) {
      if (i > 0) {
        in_ = without_blanks(in_);
        if (in_.empty()) return true;
        if (!take(':')) return false;
        in_ = without_blanks(in_);
        if (in_.empty()) return true;
      }
      const int high = i > 0 ? 59 : of_twelve ? 12 : 23;
      if (!number(2, i == 0 && of_twelve ? 1 : 0, high, *parts[i])) return false;
    }
    if (!of_twelve) return true;
    if (c_.hour == 12) c_.hour = 0;
    in_ = without_blanks(in_);
    if (in_.empty()) return true;
    if (!half_of_day()) return false;
    if (*is_pm_) c_.hour += 12;
    is_pm_.reset();
    return true;
  }
  template <class Is>
  bool skip(Is is) {
    while (!in_.empty() && is(in_.front())) in_.remove_prefix(1);
    return true;
  }

  bool read_field(char field) {
    switch (field) {
      case 'b':
        return month_name(3);
      case 'M':
        return month_name(20);
      case 'm':
      case 'c':
        return number(2, 0, 12, c_.month);
      case 'd':
      case 'e':
        return number(2, 0, 31, c_.day);
      case 'f':
        return micros();
      case 'h':
      case 'I':
      case 'l':
        has_twelve_ = true;
        return number(2, 1, 12, c_.hour);
      case 'H':
      case 'k':
        has_twenty_four_ = true;
        return number(2, 0, 23, c_.hour);
      case 'i':
        return number(2, 0, 59, c_.minute);
      case 's':
      case 'S':
        return number(2, 0, 59, c_.second);
      case 'j': {
        int day = 0;
        return number(3, 1, 366, day);
      }
      case 'p':
        return half_of_day();
      case 'r':
        return time_of_day(true);
      case 'T':
        return time_of_day(false);
      case 'Y':
        return year(4);
      case 'y':
        return year(2);
      case '#':
        return skip(is_digit);
      case '@':
        return skip(is_letter);
      case '.':
        return skip([](char c) { return c > ' ' && c < 127 && !is_digit(c) && !is_letter(c); });
      default:
        return take('%') && take(field);
    }
  }
  void note_missing(char field) {
    if (field == 'h' || field == 'I' || field == 'l') has_twelve_ = true;
  }
  bool settle_half() {
    if (is_pm_) {
      if (has_twenty_four_ || c_.hour == 0) return false;
      if (c_.hour == 12)
        c_.hour = *is_pm_ ? 12 : 0;
      else if (*is_pm_)
        c_.hour += 12;
    } else if (has_twelve_ && c_.hour == 12) {
      c_.hour = 0;
    }
    return true;
  }

  ByteView in_;
  CivilTime& c_;
  size_t taken_ = 0;
  std::optional<bool> is_pm_;
  bool has_twelve_ = false, has_twenty_four_ = false;
};

}  // namespace

bool format_time(const CivilTime& civil, ByteView layout, std::string& out) {
  for (size_t i = 0; i < layout.size(); ++i) {
    if (layout[i] != '%' || i + 1 == layout.size()) {
      out += layout[i];
    } else if (!append_field(civil, layout[++i], out)) {
      return false;
    }
  }
  return true;
}

Parsed parse_formatted(ByteView text, ByteView layout, CivilTime& civil) { return Reader(text, civil).read(layout); }

}  // namespace cairn::coprocessor
