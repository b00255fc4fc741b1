// `cairn ctl store`: shows the stores of a cluster and takes them out of it, by cairnpb.Admin on PD's client port.
// Tests: tests/process/remove_test.go.
#pragma once

namespace CLI {
class App;
}

namespace cairn::cli {

// Adds the subcommand to `ctl`.
void add_ctl_store_command(CLI::App& ctl, int& exit_code);

}  // namespace cairn::cli
