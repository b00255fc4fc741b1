#include "cli/ctl_config.h"

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "base/log_output.h"
#include "cli/process.h"
#include "cli/status_client.h"

namespace cairn::cli {
namespace {

struct Arguments {
  std::string address = "127.0.0.1:20180";
  std::string name;
  std::string value;
  bool is_for_now = false;
};

int show(const Arguments& arguments) {
  const auto answer = ask_status_port(arguments.address, "GET", "/config");
  if (!answer.ok()) return complain(answer.error());
  if (answer->status != 200) return complain(answer->body);
  return say(answer->body + "\n");
}

int change(const Arguments& arguments) {
  const std::string target = arguments.is_for_now ? "/config?persist=false" : "/config";
  const std::string body = "{" + log::json_text(arguments.name) + ":" + log::json_text(arguments.value) + "}";
  const auto answer = ask_status_port(arguments.address, "POST", target, body);
  if (!answer.ok()) return complain(answer.error());
  if (answer->status != 200) return complain(answer->body);
  return say(arguments.name + " is now " + arguments.value + "\n");
}

}  // namespace

void add_ctl_config_command(CLI::App& ctl, int& exit_code) {
  auto* config = ctl.add_subcommand("config", "the settings of a running store or PD");
  config->require_subcommand(1);
  auto arguments = std::make_shared<Arguments>();
  config->add_option("--status-addr", arguments->address, "its status port (127.0.0.1:20180)");
  auto* shown = config->add_subcommand("show", "all settings, as JSON");
  shown->callback([arguments, &exit_code] { exit_code = show(*arguments); });
  auto* set = config->add_subcommand("set", "change one that can change while the process runs");
  set->add_option("name", arguments->name, "for example raftstore.raft-log-gc-threshold")->required();
  set->add_option("value", arguments->value, "as the configuration file has it")->required();
  set->add_flag("--for-now", arguments->is_for_now, "until the process ends: the configuration file stays as it is");
  set->callback([arguments, &exit_code] { exit_code = change(*arguments); });
}

}  // namespace cairn::cli
