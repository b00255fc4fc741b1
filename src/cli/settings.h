// A configuration file in TOML against the table of settings that exist: each key fills its place, and a key that is
// not in the table is an error with its full dotted name. Tests: config_test.cc.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "cli/values.h"

namespace cairn::cli {

// Which settings there are and where their values go. The places must outlive the table.
class Settings {
 public:
  using Take = std::function<Parsed<void>(const std::string& value)>;

  // A value is handed over as text, whatever its TOML type; lists as "a,b".
  void add(const std::string& name, Take take) { takers_[name] = std::move(take); }

  void text(const std::string& name, std::string& place);
  void list(const std::string& name, std::vector<std::string>& place);
  void flag(const std::string& name, bool& place);  // true or false
  void duration(const std::string& name, Duration& place);
  void boolean(const std::string& name, bool& place);  // true or false
  // A table whose keys are free ("server.labels"); or all of them at once, as "key=value,key=value".
  void labels(const std::string& name, std::map<std::string, std::string>& place);
  template <class T>
  void size(const std::string& name, T& place) {
    add(name, [&place](const std::string& value) -> Parsed<void> {
      TRY_ASSIGN(const uint64_t bytes, parse_size(value));
      place = static_cast<T>(bytes);
      return {};
    });
  }
  template <class T>
  void number(const std::string& name, T& place) {
    add(name, [&place](const std::string& value) -> Parsed<void> {
      if (value.empty() || value.size() > 18 || value.find_first_not_of("0123456789") != std::string::npos) {
        return Err("\"" + value + "\" is not a whole number");
      }
      place = static_cast<T>(std::stoull(value));
      return {};
    });
  }

  // The error names the file's setting, for example `server.adr: no such setting`.
  Parsed<void> set(const std::string& name, const std::string& value) const;
  Parsed<void> read_toml(const std::string& toml) const;
  Parsed<void> read_file(const std::string& path) const;

 private:
  std::map<std::string, Take> takers_;
  std::map<std::string, std::map<std::string, std::string>*> label_tables_;
};

}  // namespace cairn::cli
