// The flags of a process, made of its table of settings: the configuration file is read first, then the flags win. Also
// what TiKV's and PD's programs are asked for by flag: --config-check, --print-sample-config, -V. Includes CLI11, so
// only the commands' .cc files include it.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "config/show.h"

namespace cairn::cli {

class Flags {
 public:
  // `defaults` is a table of a config that was not touched; `version` what -V says.
  Flags(CLI::App& command, const config::Settings& defaults, const std::string& version)
      : sample_(config::sample_of(defaults)), help_(config::help_of(defaults)) {
    command.set_version_flag("--version,-V", version);
    command.add_option("--config,-C", config_file_, "configuration file (TOML)");
    command.add_flag("--config-check", checks_, "check the file and the flags, and end");
    command.add_flag("--print-sample-config", prints_sample_, "print a file with all settings, and end");
    command.add_flag("--help-settings", prints_help_, "print all settings of the file, and end");
    for (const auto& setting : defaults.all()) {
      const auto& about = setting.about;
      if (about.flag.empty()) continue;
      const std::string preset = about.default_words.empty() ? config::plain_text(setting.show()) : about.default_words;
      auto value = std::make_unique<std::string>();
      auto* option = command.add_option(
          about.flag, *value, config::plain_sentence(about.sentence) + (preset.empty() ? "" : " (" + preset + ")"));
      flags_.push_back({option, std::move(value), setting.name});
    }
  }
  // A flag for a name that is accepted without being used.
  void accept(CLI::App& command, const std::string& flag, const std::string& name) {
    auto value = std::make_unique<std::string>();
    auto* option = command.add_option(flag, *value, "accepted: " + name + " is not used");
    flags_.push_back({option, std::move(value), name});
  }

  // What the program is to print instead of running.
  std::optional<std::string> text_asked_for() const {
    if (prints_sample_) return sample_;
    if (prints_help_) return help_;
    return std::nullopt;
  }
  bool is_check() const { return checks_; }
  const std::string& config_file() const { return config_file_; }
  config::Parsed<void> apply(config::Settings& settings) const {
    if (!config_file_.empty()) TRY(settings.read_file(config_file_));
    for (const auto& flag : flags_) {
      if (flag.option->count() == 0) continue;
      const auto set = settings.set(flag.setting, *flag.value);
      if (!set.ok()) return Err(flag.option->get_name() + ": " + set.error());
    }
    return {};
  }

 private:
  struct Flag {
    CLI::Option* option;
    std::unique_ptr<std::string> value;
    std::string setting;
  };
  const std::string sample_;
  const std::string help_;
  std::string config_file_;
  bool checks_ = false;
  bool prints_sample_ = false;
  bool prints_help_ = false;
  std::vector<Flag> flags_;
};

}  // namespace cairn::cli
