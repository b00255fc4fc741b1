// `cairn ctl config`: the settings of a running store or PD, seen and changed over its status port.
#pragma once

namespace CLI {
class App;
}

namespace cairn::cli {

void add_ctl_config_command(CLI::App& ctl, int& exit_code);

}  // namespace cairn::cli
