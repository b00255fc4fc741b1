// cairn_sim_run: plays worlds by seed.
//
//   cairn_sim_run 17       one seed, with its log
//   cairn_sim_run 1 1000   a range, each in a process of its own, so that a failed CHECK ends one world only
//
// CAIRN_SIM_API=2 plays in API V2.
// Prints a line a seed and at the end the seeds that failed; the exit code says whether there were any.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/log.h"
#include "sim/world.h"

namespace {

bool play(uint64_t seed) {
  const char* api = std::getenv("CAIRN_SIM_API");
  const bool is_v2 = api != nullptr && std::string(api) == "2";
  cairn::sim::World world(seed, {.api_version = is_v2 ? cairn::rawkv::ApiVersion::kV2 : cairn::rawkv::ApiVersion::kV1});
  const auto report = world.run();
  std::printf("%s\n", report.to_string().c_str());
  std::fflush(stdout);
  return report.failures.empty();
}

bool play_apart(uint64_t seed) {
  const pid_t child = fork();
  if (child == 0) _exit(play(seed) ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) std::printf("seed %llu: FAILED, a check failed\n", static_cast<unsigned long long>(seed));
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    std::fprintf(stderr, "usage: cairn_sim_run <seed> [<last seed>]\n");
    return 2;
  }
  const uint64_t first = std::strtoull(argv[1], nullptr, 10);
  const char* level = std::getenv("CAIRN_SIM_LOG");
  const std::string fallback = argc == 2 ? "info" : "fatal";
  if (auto error = cairn::log::init({.level = level != nullptr ? level : fallback, .file = ""}); !error.empty()) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 2;
  }
  if (argc == 2) return play(first) ? 0 : 1;
  const uint64_t last = std::strtoull(argv[2], nullptr, 10);
  std::vector<uint64_t> failed;
  for (uint64_t seed = first; seed <= last; ++seed) {
    if (!play_apart(seed)) failed.push_back(seed);
  }
  std::printf("%llu seeds, %zu failed:", static_cast<unsigned long long>(last - first + 1), failed.size());
  for (uint64_t seed : failed) std::printf(" %llu", static_cast<unsigned long long>(seed));
  std::printf("\n");
  return failed.empty() ? 0 : 1;
}
