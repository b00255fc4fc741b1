// `cairn bench`: yardsticks, to compare what a whole cluster does with what its foundations cost (docs/performance.md).
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "cli/bench.h"
#include "cli/commands.h"

namespace cairn::cli {

void print(const Yardstick& mark, const BenchOptions& options) {
  const double per_second = mark.operations / mark.seconds;
  if (options.json) {
    std::printf(R"({"name":"%s","ops_per_s":%.0f,"cpu_us":%.3f})"
                "\n",
                mark.name.c_str(), per_second, mark.cpu_us);
  } else {
    std::printf("%-14s %10.0f ops/s  %8.2f us CPU  %s\n", mark.name.c_str(), per_second, mark.cpu_us,
                mark.what.c_str());
  }
  std::fflush(stdout);
}

double now_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_us_of(pid_t process) {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(process, &clock) != 0 || clock_gettime(clock, &used) != 0) return 0;
  return static_cast<double>(used.tv_sec) * 1e6 + static_cast<double>(used.tv_nsec) / 1e3;
}

void add_bench_command(CLI::App& program, int& exit_code) {
  auto* bench = program.add_subcommand("bench", "measure what the foundations cost on this machine");
  bench->require_subcommand(1);
  auto options = std::make_shared<BenchOptions>();
  const auto add = [&](const char* name, const char* help) {
    auto* command = bench->add_subcommand(name, help);
    command->add_option("--seconds", options->seconds, "how long each yardstick is measured")
        ->capture_default_str()
        ->check(CLI::Range(0.01, 3600.0));
    command->add_flag("--json", options->json, "a JSON object a line");
    return command;
  };
  const auto add_security = [&](CLI::App& command) {
    command.add_option("--cacert", options->security.ca_path,
                       "the CA (PEM); with the next two the echo goes through TLS");
    command.add_option("--cert", options->security.cert_path, "a certificate for localhost (PEM)");
    command.add_option("--key", options->security.key_path, "its key (PEM)");
  };
  auto* echo = add("echo", "a bare gRPC echo between two processes");
  add_security(*echo);
  echo->callback([options, &exit_code] { exit_code = bench_echo(*options); });
  auto folder = std::make_shared<std::string>();
  auto* rocks = add("rocks", "RocksDB by itself, with a store's options");
  rocks->add_option("--dir", *folder, "where to make the database (a folder in the temporary one)");
  rocks->callback([options, folder, &exit_code] {
    const auto parent = folder->empty() ? std::filesystem::temp_directory_path().string() : *folder;
    exit_code = bench_rocks(parent + "/cairn-bench-" + std::to_string(getpid()), *options);
  });
  auto* serve = bench->add_subcommand("serve-echo", "the server that `bench echo` starts")->group("");
  add_security(*serve);
  serve->callback([options, &exit_code] { exit_code = serve_echo(options->security); });
}

}  // namespace cairn::cli
