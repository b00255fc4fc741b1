#include "config/live.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "config/toml_edit.h"

namespace cairn::config {
namespace {

std::string reason() { return std::generic_category().message(errno); }

// The file is the old one or the new one, whatever happens meanwhile; its rights stay, and a link to it stays one.
Parsed<void> replace_file(const std::string& name, const std::string& text) {
  std::error_code error_of_link;
  const auto behind_links = std::filesystem::canonical(name, error_of_link);
  const std::string path = error_of_link ? name : behind_links.string();
  struct stat status{};
  const mode_t mode = ::stat(path.c_str(), &status) == 0 ? status.st_mode & 0777 : 0644;
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());  // of one that crashed
  const int fd = ::open(fresh.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0) return Err("cannot write " + fresh + ": " + reason());
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t written = ::write(fd, text.data() + done, text.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;
    done += static_cast<size_t>(written);
  }
  const bool is_whole = done == text.size() && ::fchmod(fd, mode) == 0 && ::fsync(fd) == 0;
  const std::string why = is_whole ? "" : reason();
  ::close(fd);
  if (is_whole && ::rename(fresh.c_str(), path.c_str()) == 0) return {};
  const std::string error = "cannot write " + path + ": " + (is_whole ? reason() : why);
  ::unlink(fresh.c_str());
  return Err(error);
}

}  // namespace

Parsed<void> write_changes(
    const std::string& path, const Settings& table, const std::map<std::string, Value>& changes,
    const std::function<Parsed<void>(const std::string& before, const std::string& after)>& check) {
  if (path.empty()) return {};
  std::ifstream file(path, std::ios::binary);
  if (!file) return Err("the configuration file " + path + " cannot be read");
  std::stringstream text;
  text << file.rdbuf();
  const std::string before = text.str();
  std::string toml = before;
  for (const auto& [name, value] : changes) {
    bool is_there = false;
    for (const auto& [other, of] : table.aliases()) {
      if (of != name || !has_value(toml, other)) continue;
      toml = with_value(toml, other, toml_text(value));
      is_there = true;
    }
    if (!is_there || has_value(toml, name)) toml = with_value(toml, name, toml_text(value));
  }
  if (const auto read = check(before, toml); !read.ok()) {
    return Err("the configuration file " + path + " cannot be brought into step, change it by hand: " + read.error());
  }
  return replace_file(path, toml);
}

Parsed<std::map<std::string, std::string>> changes_of_json(const std::string& json) {
  const auto parsed = nlohmann::json::parse(json, nullptr, false);
  if (!parsed.is_object()) return Err(std::string("this is no object of JSON: write {\"name\": value}"));
  std::map<std::string, std::string> changes;
  for (const auto& [name, value] : parsed.items()) {
    if (value.is_string()) {
      changes[name] = value.get<std::string>();
    } else if (value.is_number() || value.is_boolean()) {
      changes[name] = value.dump();
    } else {
      return Err(name + ": a text, a number, true or false is expected");
    }
  }
  return changes;
}

Parsed<std::set<std::string>> apply_changes(Settings& settings, const std::map<std::string, std::string>& changes) {
  std::set<std::string> names;
  for (const auto& [name, value] : changes) {
    const Setting* setting = settings.find(name);
    if (setting == nullptr) {
      if (settings.accepts(name)) return Err("config " + name + " can not be changed: it is not used");
      const std::string near = settings.nearest(name);
      return Err("unexpect fields: " + name + (near.empty() ? "" : "; did you mean " + near + "?"));
    }
    if (setting->about.change != Change::kWhileRunning) return Err("config " + name + " can not be changed");
    TRY(settings.set(name, value));
    names.insert(setting->name);
  }
  return names;
}

}  // namespace cairn::config
