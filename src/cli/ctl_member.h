// `cairn ctl member`: shows PD's members, takes one out, and hands over leadership, by cairnpb.Members on PD's client
// port. Tests: tests/process/members_test.go.
#pragma once

namespace CLI {
class App;
}

namespace cairn::cli {

// Adds the subcommand to `ctl`.
void add_ctl_member_command(CLI::App& ctl, int& exit_code);

}  // namespace cairn::cli
