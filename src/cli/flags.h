// Flags that stand for settings of the configuration file: the file is read first, then the flags win. Includes CLI11,
// so only the commands' .cc files include it.
#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"

namespace cairn::cli {

class Flags {
 public:
  explicit Flags(CLI::App& command) : command_(command) {
    command_.add_option("--config,-C", *config_file_, "configuration file (TOML)");
  }
  // `flag` as CLI11 has it ("--addr,-A").
  void add(const std::string& flag, std::string setting, const std::string& help) {
    auto value = std::make_shared<std::string>();
    auto* option = command_.add_option(flag, *value, help);
    flags_.push_back({option, std::move(value), std::move(setting)});
  }
  config::Parsed<void> apply(const config::Settings& settings) const {
    if (!config_file_->empty()) TRY(settings.read_file(*config_file_));
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
    std::shared_ptr<std::string> value;
    std::string setting;
  };
  CLI::App& command_;
  std::shared_ptr<std::string> config_file_ = std::make_shared<std::string>();
  std::vector<Flag> flags_;
};

}  // namespace cairn::cli
