#include "cli/settings.h"

#include <toml++/toml.h>

#include <fstream>
#include <sstream>

namespace cairn::cli {
namespace {

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

}  // namespace

void Settings::text(const std::string& name, std::string& place) {
  add(name, [&place](const std::string& value) -> Parsed<void> {
    place = value;
    return {};
  });
}

void Settings::list(const std::string& name, std::vector<std::string>& place) {
  add(name, [&place](const std::string& value) -> Parsed<void> {
    place = split_list(value);
    return {};
  });
}

void Settings::flag(const std::string& name, bool& place) {
  add(name, [&place](const std::string& value) -> Parsed<void> {
    if (value != "true" && value != "false") return Err("\"" + value + "\" is neither true nor false");
    place = value == "true";
    return {};
  });
}

void Settings::duration(const std::string& name, Duration& place) {
  add(name, [&place](const std::string& value) -> Parsed<void> {
    TRY_ASSIGN(place, parse_duration(value));
    return {};
  });
}

void Settings::boolean(const std::string& name, bool& place) {
  add(name, [&place](const std::string& value) -> Parsed<void> {
    if (value != "true" && value != "false") return Err("\"" + value + "\" is neither true nor false");
    place = value == "true";
    return {};
  });
}

void Settings::labels(const std::string& name, std::map<std::string, std::string>& place) {
  label_tables_[name + "."] = &place;
  add(name, [&place](const std::string& value) -> Parsed<void> {
    TRY_ASSIGN(place, parse_labels(value));
    return {};
  });
}

Parsed<void> Settings::set(const std::string& name, const std::string& value) const {
  for (const auto& [prefix, table] : label_tables_) {
    if (name.starts_with(prefix)) {
      (*table)[name.substr(prefix.size())] = value;
      return {};
    }
  }
  const auto taker = takers_.find(name);
  if (taker == takers_.end()) return Err(name + ": no such setting");
  const auto taken = taker->second(value);
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
  std::ifstream file(path);
  if (!file) return Err("the configuration file " + path + " cannot be read");
  std::stringstream content;
  content << file.rdbuf();
  const auto read = read_toml(content.str());
  if (!read.ok()) return Err(path + ": " + read.error());
  return {};
}

}  // namespace cairn::cli
