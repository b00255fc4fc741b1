// The table of the settings that a process has: name, kind, range, place. A configuration file (TOML) and flags fill
// the places; what is no setting, is of another kind or lies outside its range is an error with its full name, the
// value and the range, before anything is touched. A setting cannot be added without its range. Tests:
// settings_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <vector>

#include "config/values.h"

namespace cairn::config {

// What a value may be, the bounds included; and 0, if that turns something off.
enum class Zero : bool { kIsNoValue, kMeansOff };
template <class T>
struct Range {
  T least;
  T most;
  Zero zero = Zero::kIsNoValue;

  bool holds(const T& value) const {
    return (value >= least && value <= most) || (zero == Zero::kMeansOff && value == T{});
  }
};

// As the manual has it: "1MiB to 1GiB", "0 or 1s to 1h".
std::string words_of(const Range<uint64_t>& range);
std::string words_of_sizes(const Range<uint64_t>& range);
std::string words_of(const Range<Duration>& range);
std::string words_of(const Range<double>& range);

// The places must outlive the table.
class Settings {
 public:
  using Take = std::function<Parsed<void>(const std::string& value)>;

  void text(const std::string& name, std::string& place);
  // One of a few words.
  void choice(const std::string& name, std::string& place, std::vector<std::string> words);
  void list(const std::string& name, std::vector<std::string>& place);
  void boolean(const std::string& name, bool& place);  // true or false
  void duration(const std::string& name, Duration& place, Range<Duration> range);
  // Written as a number of seconds.
  void seconds(const std::string& name, Duration& place, Range<Duration> range);
  void ratio(const std::string& name, double& place, Range<double> range);
  // A table whose keys are free ("server.labels"); or all of them at once, as "key=value,key=value".
  void labels(const std::string& name, std::map<std::string, std::string>& place);
  template <class T>
  void size(const std::string& name, T& place, Range<uint64_t> range) {
    add_size(name, range, [&place](uint64_t value) { place = static_cast<T>(value); });
  }
  template <class T>
  void number(const std::string& name, T& place, Range<uint64_t> range) {
    add_number(name, range, [&place](uint64_t value) { place = static_cast<T>(value); });
  }

  // A value is handed over as text, whatever its TOML type; lists as "a,b". The error names the setting, for example
  // `server.adr: no such setting`.
  Parsed<void> set(const std::string& name, const std::string& value) const;
  Parsed<void> read_toml(const std::string& toml) const;
  Parsed<void> read_file(const std::string& path) const;

  // What each setting may be, by its name; empty if it has no range.
  std::map<std::string, std::string> ranges() const;

 private:
  struct Setting {
    Take take;
    std::string range;  // in words
  };
  void add(const std::string& name, std::string range, Take take);
  void add_size(const std::string& name, Range<uint64_t> range, std::function<void(uint64_t)> put);
  void add_number(const std::string& name, Range<uint64_t> range, std::function<void(uint64_t)> put);

  std::map<std::string, Setting> settings_;
  std::map<std::string, std::map<std::string, std::string>*> label_tables_;
};

}  // namespace cairn::config
