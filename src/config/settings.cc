#include "config/settings.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <utility>

#include "base/check.h"

namespace cairn::config {
namespace {

constexpr size_t kFileBytesMax = size_t{1} << 20;

Parsed<std::string> text_of(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* whole = node.as_integer()) return std::to_string(whole->get());
  if (const auto* real = node.as_floating_point()) return toml_text(real->get());  // with all its digits
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

Parsed<void> read_table(Settings& settings, const std::string& prefix, const toml::table& table) {
  for (const auto& [key, node] : table) {
    const std::string name = prefix + std::string(key.str());
    if (const auto* inner = node.as_table()) {
      // A section without keys is a section, too.
      if (inner->empty() && !settings.knows_section(name)) TRY(settings.set(name, ""));
      TRY(read_table(settings, name + ".", *inner));
      continue;
    }
    const auto value = text_of(node);
    if (!value.ok() && !settings.accepts(name)) return Err(name + ": " + value.error());
    TRY(settings.set(name, value.ok() ? *value : ""));
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

std::string with_dashes(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

// How many letters are to be put in, taken out or replaced to make one of the other; `limit` if it is as many or more.
size_t edit_distance(const std::string& a, const std::string& b, size_t limit) {
  if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) >= limit) return limit;
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return std::min(row.back(), limit);
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

void Settings::add(const std::string& name, std::string range, About about,
                   std::function<Parsed<void>(const std::string& value)> take, std::function<Value()> show) {
  const bool is_new = places_.emplace(name, settings_.size()).second;
  CHECK(is_new && aliases_.count(name) == 0, "the setting {} is there twice", name);
  CHECK(!about.sentence.empty(), "nothing is said of the setting {}", name);
  settings_.push_back({name, std::move(range), std::move(about), std::move(take), std::move(show)});
}

void Settings::text(const std::string& name, std::string& place, About about) {
  add(
      name, "", std::move(about),
      [&place](const std::string& value) -> Parsed<void> {
        TRY(refuse_control_characters(value));
        place = value;
        return {};
      },
      [&place] { return place; });
}

void Settings::choice(const std::string& name, std::string& place, std::vector<std::string> words, About about) {
  std::string all;
  for (const auto& word : words) all += (all.empty() ? "" : ", ") + word;
  add(
      name, "", std::move(about),
      [&place, words = std::move(words), all](const std::string& value) -> Parsed<void> {
        const auto is_same = [&value](const std::string& word) {
          return std::equal(word.begin(), word.end(), value.begin(), value.end(),
                            [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); });
        };
        const auto word = std::find_if(words.begin(), words.end(), is_same);
        if (word == words.end()) return Err(quoted(value) + " is none of " + all);
        place = *word;
        return {};
      },
      [&place] { return place; });
}

void Settings::list(const std::string& name, std::vector<std::string>& place, About about) {
  add(
      name, "", std::move(about),
      [&place](const std::string& value) -> Parsed<void> {
        TRY(refuse_control_characters(value));
        place = split_list(value);
        return {};
      },
      [&place] { return place; });
}

void Settings::boolean(const std::string& name, bool& place, About about) {
  add(
      name, "", std::move(about),
      [&place](const std::string& value) -> Parsed<void> {
        if (value != "true" && value != "false") return Err(quoted(value) + " is neither true nor false");
        place = value == "true";
        return {};
      },
      [&place] { return place; });
}

void Settings::duration(const std::string& name, Duration& place, Range<Duration> range, About about) {
  add(
      name, words_of(range), std::move(about),
      [&place, range](const std::string& value) -> Parsed<void> {
        TRY_ASSIGN(const Duration parsed, parse_duration(value));
        if (!range.holds(parsed)) return Err(out_of_range(value, words_of(range)));
        place = parsed;
        return {};
      },
      [&place] { return duration_text(place); });
}

void Settings::seconds(const std::string& name, Duration& place, Range<Duration> range, About about) {
  const Range<uint64_t> numbers{static_cast<uint64_t>(range.least / 1s), static_cast<uint64_t>(range.most / 1s),
                                range.zero};
  add_number(
      name, numbers, std::move(about), [&place](uint64_t value) { place = std::chrono::seconds(value); },
      [&place] { return static_cast<uint64_t>(place / 1s); });
}

void Settings::ratio(const std::string& name, double& place, Range<double> range, About about) {
  add(
      name, words_of(range), std::move(about),
      [&place, range](const std::string& value) -> Parsed<void> {
        double parsed = 0;
        const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
        if (error != std::errc() || end != value.data() + value.size()) return Err(quoted(value) + " is not a ratio");
        if (!range.holds(parsed)) return Err(out_of_range(value, words_of(range)));
        place = parsed;
        return {};
      },
      [&place] { return place; });
}

void Settings::labels(const std::string& name, std::map<std::string, std::string>& place, About about) {
  label_tables_[name + "."] = &place;
  add(
      name, "", std::move(about),
      [&place](const std::string& value) -> Parsed<void> {
        TRY(refuse_control_characters(value));
        TRY_ASSIGN(place, parse_labels(value));
        return {};
      },
      [&place] { return place; });
}

void Settings::add_size(const std::string& name, Range<uint64_t> range, About about, std::function<void(uint64_t)> put,
                        std::function<uint64_t()> get) {
  add(
      name, words_of_sizes(range), std::move(about),
      [range, put = std::move(put)](const std::string& value) -> Parsed<void> {
        TRY_ASSIGN(const uint64_t bytes, parse_size(value));
        if (!range.holds(bytes)) return Err(out_of_range(value, words_of_sizes(range)));
        put(bytes);
        return {};
      },
      [get = std::move(get)] { return size_text(get()); });
}

void Settings::add_number(const std::string& name, Range<uint64_t> range, About about,
                          std::function<void(uint64_t)> put, std::function<uint64_t()> get) {
  add(
      name, words_of(range), std::move(about),
      [range, put = std::move(put)](const std::string& value) -> Parsed<void> {
        const bool is_negative = value.size() > 1 && value.front() == '-' && parse_number(value.substr(1)).ok();
        if (is_negative) return Err(out_of_range(value, words_of(range)));
        TRY_ASSIGN(const uint64_t number, parse_number(value));
        if (!range.holds(number)) return Err(out_of_range(value, words_of(range)));
        put(number);
        return {};
      },
      [get = std::move(get)] { return get(); });
}

void Settings::alias(const std::string& other, const std::string& name) {
  CHECK(places_.count(name) != 0 && places_.count(other) == 0, "{} cannot stand for {}", other, name);
  aliases_[other] = name;
}

void Settings::accept(std::span<const UnusedNames> unused) {
  for (const auto& group : unused) {
    for (auto& name : full_names(group)) {
      CHECK(places_.count(name) == 0 && aliases_.count(name) == 0, "the setting {} is used, and is not", name);
      const bool is_new = accepted_.emplace(std::move(name), group.instead).second;
      CHECK(is_new, "a name in [{}] is accepted twice: {}", group.sections, group.names);
    }
  }
}

const Setting* Settings::find(const std::string& name) const {
  const std::string same = with_dashes(name);
  const auto other = aliases_.find(same);
  const auto place = places_.find(other == aliases_.end() ? same : other->second);
  return place == places_.end() ? nullptr : &settings_[place->second];
}

const std::string* Settings::accepted(const std::string& name) const {
  const auto found = accepted_.find(with_dashes(name));
  if (found != accepted_.end()) return &found->second;
  for (const auto& [known, instead] : accepted_) {
    if (known.ends_with('*') && name.starts_with(known.substr(0, known.size() - 1))) return &instead;
  }
  return nullptr;
}

bool Settings::knows_section(const std::string& name) const {
  const std::string prefix = with_dashes(name) + ".";
  const auto begins = [&prefix](const std::string& known) { return known.starts_with(prefix); };
  return std::any_of(settings_.begin(), settings_.end(), [&](const auto& setting) { return begins(setting.name); }) ||
         std::any_of(accepted_.begin(), accepted_.end(), [&](const auto& entry) { return begins(entry.first); }) ||
         label_tables_.count(prefix) != 0;
}

bool Settings::accepts(const std::string& name) const { return accepted(name) != nullptr; }

std::string Settings::nearest(const std::string& name) const {
  // The beginning of a name, or a name in the wrong section.
  const std::string last = name.substr(name.rfind('.') + 1);
  for (const auto& setting : settings_) {
    if (setting.name.starts_with(name + "-") || setting.name.ends_with("." + last)) return setting.name;
  }
  std::string best;
  size_t least = name.size() / 3 + 1;  // beyond, it is another word
  const auto look = [&](const std::string& known) {
    const size_t distance = edit_distance(name, known, least);
    if (distance >= least) return;
    least = distance;
    best = known;
  };
  for (const auto& setting : settings_) look(setting.name);
  for (const auto& [known, instead] : accepted_) look(known);
  return best;
}

Parsed<void> Settings::set(const std::string& name, const std::string& value) {
  for (const auto& [prefix, table] : label_tables_) {
    if (!name.starts_with(prefix)) continue;
    if (name == prefix || value.empty() || has_control_characters(name + value)) {
      return Err(name + ": " + quoted(value) + " is not a label");
    }
    (*table)[name.substr(prefix.size())] = value;
    return {};
  }
  if (const auto* setting = find(name)) {
    const auto taken = setting->take(value);
    if (!taken.ok()) return Err(name + ": " + taken.error());
    return {};
  }
  if (const auto* instead = accepted(name)) {
    notes_.push_back(name + " is not used: " + *instead);
    return {};
  }
  const std::string near = nearest(name);
  return Err(name + ": no such setting" + (near.empty() ? "" : "; did you mean " + near + "?"));
}

Parsed<void> Settings::read_toml(const std::string& toml) {
  try {
    return read_table(*this, "", toml::parse(toml));
  } catch (const toml::parse_error& error) {
    return Err("line " + std::to_string(error.source().begin.line) + ": " + std::string(error.description()));
  }
}

Parsed<void> Settings::read_file(const std::string& path) {
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

}  // namespace cairn::config
