#include "config/settings.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <utility>

#include "base/check.h"

namespace cairn::config {
namespace {

constexpr size_t kFileBytesMax = size_t{1} << 20;

Parsed<std::string> text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* whole = node.as_integer()) return std::to_string(whole->get());
  if (const auto* real = node.as_floating_point()) return std::to_string(real->get());
  if (const auto* flag = node.as_boolean()) return std::string(flag->get() ? "true" : "false");
  if (const auto* list = node.as_array()) {
    std::string all;
    for (const auto& element : *list) {
      TRY_ASSIGN(const std::string one, text_of(element));
      all += (all.empty() ? "" : ",") + one;
    }
    return all;
  }
  return Err(std::string("a value of this type is not expected"));
}

Parsed<void> read_table(const Settings& settings, const std::string& prefix, const toml::table& table) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const auto* inner = node.as_table()) {
      TRY(read_table(settings, name + ".", *inner));
      continue;
    }
    const auto value = text_of(node);
    if (!value.ok()) return Err(name + ": " + value.error());
    TRY(settings.set(name, *value));
  }
  return {};
}

std::string quoted(const std::string& value) { return "\"" + value + "\""; }

std::string words(const std::string& least, const std::string& most, Zero zero) {
  return (zero == Zero::kMeansOff ? "0 or " : "") + least + " to " + most;
}

std::string out_of_range(const std::string& value, const std::string& range) {
  return quoted(value) + " is out of range: " + range;
}

bool has_control_characters(const std::string& value) {
  return std::any_of(value.begin(), value.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

Parsed<void> refuse_control_characters(const std::string& value) {
  if (has_control_characters(value)) return Err(quoted(value) + " has control characters in it");
  return {};
}

Parsed<uint64_t> parse_number(const std::string& value) {
  uint64_t number = 0;
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, number);
  const bool is_number = !value.empty() && stop == end && value.find_first_not_of("0123456789") == std::string::npos;
  if (is_number && error == std::errc::result_out_of_range) return std::numeric_limits<uint64_t>::max();
  if (!is_number || error != std::errc()) return Err(quoted(value) + " is not a whole number");
  return number;
}

}  // namespace

std::string words_of(const Range<uint64_t>& range) {
  return words(std::to_string(range.least), std::to_string(range.most), range.zero);
}
std::string words_of_sizes(const Range<uint64_t>& range) {
  return words(size_text(range.least), size_text(range.most), range.zero);
}
std::string words_of(const Range<Duration>& range) {
  return words(duration_text(range.least), duration_text(range.most), range.zero);
}
std::string words_of(const Range<double>& range) {
  return words(fmt::format("{:g}", range.least), fmt::format("{:g}", range.most), range.zero);
}

void Settings::add(const std::string& name, std::string range, Take take) {
  const bool is_new = settings_.emplace(name, Setting{std::move(take), std::move(range)}).second;
  CHECK(is_new, "the setting {} is there twice", name);
}

void Settings::text(const std::string& name, std::string& place) {
  add(name, "", [&place](const std::string& value) -> Parsed<void> {
    TRY(refuse_control_characters(value));
    place = value;
    return {};
  });
}

void Settings::choice(const std::string& name, std::string& place, std::vector<std::string> words) {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : ", ") + word;
  add(name, "", [&place, words = std::move(words), all](const std::string& value) -> Parsed<void> {
    const auto is_same = [&value](const std::string& word) {
      return std::equal(word.begin(), word.end(), value.begin(), value.end(),
                        [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
    };
    const auto word = std::find_if(words.begin(), words.end(), is_same);
    if (word == words.end()) return Err(quoted(value) + " is none of " + all);
    place = *word;
    return {};
  });
}

void Settings::list(const std::string& name, std::vector<std::string>& place) {
  add(name, "", [&place](const std::string& value) -> Parsed<void> {
    TRY(refuse_control_characters(value));
    place = split_list(value);
    return {};
  });
}

void Settings::boolean(const std::string& name, bool& place) {
  add(name, "", [&place](const std::string& value) -> Parsed<void> {
    if (value != "true" && value != "false") return Err(quoted(value) + " is neither true nor false");
    place = value == "true";
    return {};
  });
}

void Settings::duration(const std::string& name, Duration& place, Range<Duration> range) {
  add(name, words_of(range), [&place, range](const std::string& value) -> Parsed<void> {
    TRY_ASSIGN(const Duration parsed, parse_duration(value));
    if (!range.holds(parsed)) return Err(out_of_range(value, words_of(range)));
    place = parsed;
    return {};
  });
}

void Settings::seconds(const std::string& name, Duration& place, Range<Duration> range) {
  const Range<uint64_t> numbers{static_cast<uint64_t>(range.least / 1s), static_cast<uint64_t>(range.most / 1s),
                                range.zero};
  add_number(name, numbers, [&place](uint64_t value) { place = std::chrono::seconds(value); });
}

void Settings::ratio(const std::string& name, double& place, Range<double> range) {
  add(name, words_of(range), [&place, range](const std::string& value) -> Parsed<void> {
    double parsed = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc() || end != value.data() + value.size()) return Err(quoted(value) + " is not a ratio");
    if (!range.holds(parsed)) return Err(out_of_range(value, words_of(range)));
    place = parsed;
    return {};
  });
}

void Settings::labels(const std::string& name, std::map<std::string, std::string>& place) {
  label_tables_[name + "."] = &place;
  add(name, "", [&place](const std::string& value) -> Parsed<void> {
    TRY(refuse_control_characters(value));
    TRY_ASSIGN(place, parse_labels(value));
    return {};
  });
}

void Settings::add_size(const std::string& name, Range<uint64_t> range, std::function<void(uint64_t)> put) {
  add(name, words_of_sizes(range), [range, put = std::move(put)](const std::string& value) -> Parsed<void> {
    TRY_ASSIGN(const uint64_t bytes, parse_size(value));
    if (!range.holds(bytes)) return Err(out_of_range(value, words_of_sizes(range)));
    put(bytes);
    return {};
  });
}

void Settings::add_number(const std::string& name, Range<uint64_t> range, std::function<void(uint64_t)> put) {
  add(name, words_of(range), [range, put = std::move(put)](const std::string& value) -> Parsed<void> {
    const bool is_negative = value.size() > 1 && value.front() == '-' && parse_number(value.substr(1)).ok();
    if (is_negative) return Err(out_of_range(value, words_of(range)));
    TRY_ASSIGN(const uint64_t number, parse_number(value));
    if (!range.holds(number)) return Err(out_of_range(value, words_of(range)));
    put(number);
    return {};
  });
}

Parsed<void> Settings::set(const std::string& name, const std::string& value) const {
  for (const auto& [prefix, table] : label_tables_) {
    if (!name.starts_with(prefix)) continue;
    if (name == prefix || value.empty() || has_control_characters(name + value)) {
      return Err(name + ": " + quoted(value) + " is not a label");
    }
    (*table)[name.substr(prefix.size())] = value;
    return {};
  }
  const auto setting = settings_.find(name);
  if (setting == settings_.end()) return Err(name + ": no such setting");
  const auto taken = setting->second.take(value);
  if (!taken.ok()) return Err(name + ": " + taken.error());
  return {};
}

Parsed<void> Settings::read_toml(const std::string& toml) const {
  try {
    return read_table(*this, "", toml::parse(toml));
  } catch (const toml::parse_error& error) {
    return Err("line " + std::to_string(error.source().begin.line) + ": " + std::string(error.description()));
  }
}

Parsed<void> Settings::read_file(const std::string& path) const {
  const std::string refused = "the configuration file " + path;
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return Err(refused + " is a directory");
  std::ifstream file(path, std::ios::binary);
  if (!file) return Err(refused + " cannot be read");
  std::string content(kFileBytesMax + 1, '\0');
  file.read(content.data(), static_cast<std::streamsize>(content.size()));
  if (file.bad()) return Err(refused + " cannot be read");
  content.resize(static_cast<size_t>(file.gcount()));
  if (content.size() > kFileBytesMax) return Err(refused + " is longer than " + size_text(kFileBytesMax));
  const auto read = read_toml(content);
  if (!read.ok()) return Err(path + ": " + read.error());
  return {};
}

std::map<std::string, std::string> Settings::ranges() const {
  std::map<std::string, std::string> out;
  for (const auto& [name, setting] : settings_) out[name] = setting.range;
  return out;
}

}  // namespace cairn::config
