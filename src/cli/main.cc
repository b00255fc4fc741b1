// The binary `cairn`: one subcommand for each role.
#include <CLI/CLI.hpp>
#include <exception>
#include <string>

#include "cli/commands.h"
#include "cli/process.h"

int main(int argc, char** argv) {
  CLI::App program("Cairn: a distributed transactional key-value database that speaks TiKV's protocol");
  program.set_version_flag("--version,-V", std::string("cairn ") + cairn::cli::version());
  program.require_subcommand(1);
  int exit_code = 0;
  cairn::cli::add_pd_command(program, exit_code);
  cairn::cli::add_server_command(program, exit_code);
  cairn::cli::add_playground_command(program, exit_code);
  cairn::cli::add_ctl_command(program, exit_code);
  cairn::cli::add_bench_command(program, exit_code);
  try {
    program.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return program.exit(error) == 0 ? 0 : 1;  // a call for help or for the version is one, too
  } catch (const std::exception& error) {
    return cairn::cli::complain(error.what());
  }
  return exit_code;
}
