// The table of the settings that a process has: name, kind, range, place, whether it can change while the process runs,
// and a sentence. From it come the reading of files (TOML) and flags, what is refused, help, the sample file, the JSON
// of the status port, the manual's tables and changes at run time.
//
//   TOML, flags ─ read_toml(), set() ─▶ places in the process's config ─ values() ─▶ JSON, sample file
//
// What is no setting, is of another kind or lies outside its range is an error with its full name, the value and the
// range, before anything is touched; an unknown name comes with the nearest known one. Names that TiKV or PD has and
// this process has no use for are accepted and noted, with what takes their place (unused_names.h).
//
// A default is what stands at the place when the table is made. Tests: settings_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

#include "config/unused_names.h"
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

// Whether a setting can change while the process runs.
enum class Change : bool { kAtStart, kWhileRunning };

// What is said of a setting.
struct About {
  std::string sentence;  // the manual's, in Markdown
  Change change = Change::kAtStart;
  std::string flag = {};           // "--addr,-A"; empty: in the file only
  std::string default_words = {};  // where the default is no value, or depends on the machine
};

// Of a setting that can change while the process runs.
inline About live(std::string sentence) { return {.sentence = std::move(sentence), .change = Change::kWhileRunning}; }

struct Setting {
  std::string name;
  std::string range;  // in words; empty: none
  About about;
  std::function<Parsed<void>(const std::string& value)> take;
  std::function<Value()> show;
};

// The places must outlive the table.
class Settings {
 public:
  void text(const std::string& name, std::string& place, About about);
  // One of a few words.
  void choice(const std::string& name, std::string& place, std::vector<std::string> words, About about);
  void list(const std::string& name, std::vector<std::string>& place, About about);
  void boolean(const std::string& name, bool& place, About about);  // true or false
  void duration(const std::string& name, Duration& place, Range<Duration> range, About about);
  // Written as a number of seconds.
  void seconds(const std::string& name, Duration& place, Range<Duration> range, About about);
  void ratio(const std::string& name, double& place, Range<double> range, About about);
  // A table whose keys are free ("server.labels"); or all of them at once, as "key=value,key=value".
  void labels(const std::string& name, std::map<std::string, std::string>& place, About about);
  template <class T>
  void size(const std::string& name, T& place, Range<uint64_t> range, About about) {
    add_size(
        name, range, std::move(about), [&place](uint64_t value) { place = static_cast<T>(value); },
        [&place] { return static_cast<uint64_t>(place); });
  }
  template <class T>
  void number(const std::string& name, T& place, Range<uint64_t> range, About about) {
    add_number(
        name, range, std::move(about), [&place](uint64_t value) { place = static_cast<T>(value); },
        [&place] { return static_cast<uint64_t>(place); });
  }
  // Another name of a setting, for files and flags.
  void alias(const std::string& other, const std::string& name);
  // Names that are accepted without being used.
  void accept(std::span<const UnusedNames> unused);

  // A value is handed over as text, whatever its TOML type; lists as "a,b". The error names the setting, for example
  // `server.adr: no such setting; did you mean server.addr?`.
  Parsed<void> set(const std::string& name, const std::string& value);
  Parsed<void> read_toml(const std::string& toml);
  Parsed<void> read_file(const std::string& path);

  // Nullptr: no setting of this name or alias is used here. With '_' for '-' a name is the same.
  const Setting* find(const std::string& name) const;
  // The nearest known name; empty if none is near.
  std::string nearest(const std::string& name) const;
  // In the order of the table.
  const std::vector<Setting>& all() const { return settings_; }
  const std::map<std::string, std::string>& aliases() const { return aliases_; }
  bool accepts(const std::string& name) const;
  // Whether there are settings or accepted names in a section ("raftstore").
  bool knows_section(const std::string& name) const;
  // A line for each accepted name that was set: it is not used, and what takes its place.
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  void add(const std::string& name, std::string range, About about,
           std::function<Parsed<void>(const std::string& value)> take, std::function<Value()> show);
  void add_size(const std::string& name, Range<uint64_t> range, About about, std::function<void(uint64_t)> put,
                std::function<uint64_t()> get);
  void add_number(const std::string& name, Range<uint64_t> range, About about, std::function<void(uint64_t)> put,
                  std::function<uint64_t()> get);
  // The accepted name, or the accepted table of free keys, that holds it; nullptr: none.
  const std::string* accepted(const std::string& name) const;

  std::vector<Setting> settings_;
  std::map<std::string, size_t> places_;         // by name, in settings_
  std::map<std::string, std::string> aliases_;   // other name to name
  std::map<std::string, std::string> accepted_;  // what takes its place
  std::map<std::string, std::map<std::string, std::string>*> label_tables_;
  std::vector<std::string> notes_;
};

}  // namespace cairn::config
