// The settings of a running process: the one place where they change. A change is looked at as a whole, as a file at
// the start is; then the configuration file is brought into step, and those who own what goes by the settings are told.
//
//   POST /config ─▶ change() ─▶ a copy of the config, checked ─▶ the file ─▶ owners, each on its own thread
//
// Nobody reads settings from here while they work: an owner has what it goes by, and gets it anew. Tests: live_test.cc.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/mutex.h"
#include "config/settings.h"
#include "config/show.h"

namespace cairn::config {

// Puts the changes into the file, at once or not at all; where it has another name of the table for one, under that
// name. An empty path: there is no file, and none is made. `check` sees the file as it was and as it would be.
Parsed<void> write_changes(
    const std::string& path, const Settings& table, const std::map<std::string, Value>& changes,
    const std::function<Parsed<void>(const std::string& before, const std::string& after)>& check);
// The text of JSON's object {"name": value, ...}, values as text; an error if it is none.
Parsed<std::map<std::string, std::string>> changes_of_json(const std::string& json);
// Sets what is to change, in TiKV's words if it may not. The names that were set come back, aliases resolved.
Parsed<std::set<std::string>> apply_changes(Settings& settings, const std::map<std::string, std::string>& changes);

// Whether the file is brought into step, too.
enum class Persist : bool { kNo, kYes };

// `Config` has a table, settings_of(), and a check of the whole, complete().
template <class Config>
class LiveSettings {
 public:
  // Called with the whole config when one of its names has changed; one call at a time, on the thread of the change. It
  // hands on what it is for, as a message.
  using Owner = std::function<void(const Config&)>;

  // `file` was read at the start; empty: there was none.
  LiveSettings(Config config, std::string file) : config_(std::move(config)), file_(std::move(file)) {}

  void subscribe(std::set<std::string> names, Owner owner) {
    MutexLock lock(mutex_);
    for (const auto& name : names) {
      const auto* setting = settings_of(config_).find(name);
      CHECK(setting != nullptr && setting->about.change == Change::kWhileRunning, "{} does not change", name);
    }
    owners_.emplace_back(std::move(names), std::move(owner));
  }
  // Those that may change, and of which nobody would hear.
  std::vector<std::string> without_owner() {
    MutexLock lock(mutex_);
    std::vector<std::string> out;
    const Settings table = settings_of(config_);
    for (const auto& setting : table.all()) {
      if (setting.about.change != Change::kWhileRunning) continue;
      bool has_owner = false;
      for (const auto& [names, owner] : owners_) has_owner = has_owner || names.count(setting.name) != 0;
      if (!has_owner) out.push_back(setting.name);
    }
    return out;
  }

  // All of it or nothing. The error says what is wrong, and nothing has changed.
  Parsed<void> change(const std::map<std::string, std::string>& changes, Persist persist) {
    MutexLock lock(mutex_);
    Config next = config_;
    Settings settings = settings_of(next);
    TRY_ASSIGN(const std::set<std::string> names, apply_changes(settings, changes));
    if (auto completed = complete(next); !completed.ok()) return Err(completed.error());
    if (persist == Persist::kYes) {
      std::map<std::string, Value> values;
      for (const auto& name : names) values[name] = settings.find(name)->show();
      TRY(write_changes(file_, settings, values, [&values](const std::string& before, const std::string& after) {
        return check_file(before, after, values);
      }));
    }
    config_ = std::move(next);
    for (const auto& [of_owner, owner] : owners_) {
      bool has_changed = false;
      for (const auto& name : names) has_changed = has_changed || of_owner.count(name) != 0;
      if (has_changed) owner(config_);
    }
    return {};
  }
  bool has(const std::string& name) {
    MutexLock lock(mutex_);
    const Settings table = settings_of(config_);
    return table.find(name) != nullptr;
  }
  std::string json() {
    MutexLock lock(mutex_);
    return json_of(settings_of(config_));
  }
  // Calls `look` with the table of the settings as they are now.
  template <class Look>
  void with_table(Look look) {
    MutexLock lock(mutex_);
    look(settings_of(config_));
  }

 private:
  // Whether the next start takes the file, and finds these values in it. A file that needs flags beside it does not
  // stand on its own before the change either.
  static Parsed<void> check_file(const std::string& before, const std::string& after,
                                 const std::map<std::string, Value>& values) {
    Config read;
    Settings table = settings_of(read);
    TRY(table.read_toml(after));
    for (const auto& [name, value] : values) {
      if (table.find(name)->show() != value) return Err(name + " is set in it in more than one way");
    }
    const auto completed = complete(read);
    if (completed.ok()) return {};
    Config old;
    if (settings_of(old).read_toml(before).ok() && complete(old).ok()) return Err(completed.error());
    return {};
  }

  Mutex mutex_;
  Config config_ CAIRN_GUARDED_BY(mutex_);
  std::vector<std::pair<std::set<std::string>, Owner>> owners_ CAIRN_GUARDED_BY(mutex_);
  const std::string file_;
};

}  // namespace cairn::config
