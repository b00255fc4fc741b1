// The subcommands of `cairn`. Each function adds one to the program; the command runs while the arguments are parsed
// and leaves its exit code in `exit_code`.
#pragma once

namespace CLI {
class App;
}

namespace cairn::cli {

const char* version();

void add_pd_command(CLI::App& program, int& exit_code);
void add_server_command(CLI::App& program, int& exit_code);
void add_playground_command(CLI::App& program, int& exit_code);
void add_ctl_command(CLI::App& program, int& exit_code);
void add_bench_command(CLI::App& program, int& exit_code);

}  // namespace cairn::cli
