#include "config/values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <optional>

#include "base/host_port.h"

namespace cairn::config {
namespace {

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

// The number at the front of `text`, which is shortened by it; nothing if there is none.
std::optional<double> take_number(std::string& text) {
  size_t end = 0;
  while (end < text.size() && (std::isdigit(static_cast<unsigned char>(text[end])) != 0 || text[end] == '.')) ++end;
  double number = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + end, number);
  if (error != std::errc() || stop != text.data() + end || end == 0) return std::nullopt;
  text.erase(0, end);
  return number;
}

}  // namespace

Parsed<uint64_t> parse_size(const std::string& text) {
  const auto bad = [&] { return Err("\"" + text + "\" is not a size: write for example 256MiB"); };
  std::string rest = trimmed(text);
  const auto number = take_number(rest);
  if (!number) return bad();
  rest = trimmed(rest);
  static const std::map<std::string, int> kShifts = {
      {"", 0},    {"B", 0},    {"K", 10}, {"KB", 10}, {"KiB", 10}, {"M", 20}, {"MB", 20}, {"MiB", 20}, {"G", 30},
      {"GB", 30}, {"GiB", 30}, {"T", 40}, {"TB", 40}, {"TiB", 40}, {"P", 50}, {"PB", 50}, {"PiB", 50}};
  const auto unit = kShifts.find(rest);
  if (unit == kShifts.end()) return bad();
  const double bytes = *number * static_cast<double>(uint64_t{1} << unit->second);
  if (bytes >= 9.2e18) return bad();
  return static_cast<uint64_t>(bytes);
}

Parsed<Duration> parse_duration(const std::string& text) {
  const auto bad = [&] { return Err("\"" + text + "\" is not a duration: write for example 10s"); };
  static const std::map<std::string, double> kSeconds = {{"ms", 1e-3}, {"us", 1e-6}, {"s", 1},
                                                         {"m", 60},    {"h", 3600},  {"d", 86400}};
  std::string rest = trimmed(text);
  if (rest.empty()) return bad();
  double seconds = 0;
  while (!rest.empty()) {
    const auto number = take_number(rest);
    size_t end = 0;
    while (end < rest.size() && std::isalpha(static_cast<unsigned char>(rest[end])) != 0) ++end;
    const auto unit = kSeconds.find(rest.substr(0, end));
    if (!number || unit == kSeconds.end()) return bad();
    seconds += *number * unit->second;
    rest.erase(0, end);
  }
  if (seconds > 9e9) return bad();
  return std::chrono::round<Duration>(std::chrono::duration<double>(seconds));
}

Parsed<std::map<std::string, std::string>> parse_labels(const std::string& text) {
  std::map<std::string, std::string> labels;
  for (const auto& part : split_list(text)) {
    const auto equals = part.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == part.size()) {
      return Err("\"" + part + "\" is not a label: write key=value");
    }
    if (!labels.emplace(part.substr(0, equals), part.substr(equals + 1)).second) {
      return Err("the label \"" + part.substr(0, equals) + "\" is there twice");
    }
  }
  return labels;
}

std::vector<std::string> split_list(const std::string& text) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t comma = std::min(text.find(',', begin), text.size());
    std::string part = trimmed(text.substr(begin, comma - begin));
    if (!part.empty()) parts.push_back(std::move(part));
    begin = comma + 1;
  }
  return parts;
}

Parsed<std::string> parse_address(const std::string& text, Tls tls) {
  std::string address = trimmed(text);
  if (address.starts_with("https://")) {
    if (tls == Tls::kOff) return Err("\"" + text + "\": for TLS, [security] must name the certificates");
    address.erase(0, 8);
  } else if (address.starts_with("http://")) {
    address.erase(0, 7);
  }
  while (address.ends_with("/")) address.pop_back();
  if (!parse_host_port(address)) return Err("\"" + text + "\" is not an address: write host:port");
  return address;
}

Parsed<std::string> parse_advertised_address(const std::string& text, Tls tls) {
  TRY_ASSIGN(std::string address, parse_address(text, tls));
  if (parse_host_port(address)->is_unspecified()) {
    return Err("\"" + text + "\" cannot be dialled by others: give the address of this machine");
  }
  return address;
}

std::string size_text(uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit + 1 < std::size(kUnits)) {
    bytes /= 1024;
    ++unit;
  }
  return std::to_string(bytes) + kUnits[unit];
}

std::string duration_text(Duration duration) {
  static const std::pair<Duration, const char*> kUnits[] = {{24h, "d"}, {1h, "h"},   {1min, "m"},
                                                            {1s, "s"},  {1ms, "ms"}, {1us, "us"}};
  for (const auto& [unit, name] : kUnits) {
    if (duration >= unit && duration % unit == Duration{}) return std::to_string(duration / unit) + name;
  }
  return duration == Duration{} ? "0s" : std::to_string(duration / 1us) + "us";
}

namespace {

// A basic string of TOML.
std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      out += c;
    }
  }
  return out + "\"";
}

template <class... Ts>
struct Cases : Ts... {
  using Ts::operator()...;
};

std::string real_text(double value) {
  std::string text = fmt::format("{}", value);
  return text.find_first_of(".en") == std::string::npos ? text + ".0" : text;
}

}  // namespace

std::string toml_text(const Value& value) {
  return std::visit(
      Cases{[](const std::string& text) { return quoted(text); },
            [](bool flag) { return std::string(flag ? "true" : "false"); },
            [](uint64_t number) { return std::to_string(number); }, [](double real) { return real_text(real); },
            [](const std::vector<std::string>& list) {
              std::string all;
              for (const auto& one : list) all += (all.empty() ? "" : ", ") + quoted(one);
              return "[" + all + "]";
            },
            [](const std::map<std::string, std::string>& labels) {
              std::string all;
              for (const auto& [key, label] : labels) {
                all += (all.empty() ? " " : ", ") + quoted(key) + " = " + quoted(label);
              }
              return all.empty() ? "{}" : "{" + all + " }";
            }},
      value);
}

std::string plain_text(const Value& value) {
  return std::visit(
      Cases{[](const std::string& text) { return text; },
            [](bool flag) { return std::string(flag ? "true" : "false"); },
            [](uint64_t number) { return std::to_string(number); }, [](double real) { return fmt::format("{}", real); },
            [](const std::vector<std::string>& list) {
              std::string all;
              for (const auto& one : list) all += (all.empty() ? "" : ",") + one;
              return all;
            },
            [](const std::map<std::string, std::string>& labels) {
              std::string all;
              for (const auto& [key, label] : labels) all += (all.empty() ? "" : ",") + key + "=" + label;
              return all;
            }},
      value);
}

}  // namespace cairn::config
