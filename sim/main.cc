// cairn_sim_run: plays worlds by seed.
//
//   cairn_sim_run 17              one seed, with its log
//   cairn_sim_run 1 1000          a range, each in a process of its own, so that a failed CHECK ends one world only
//   --jobs N                      so many of a range at once
//   --seconds N                   what one of a range may take of the processor
//   --until-failure               a range ends with its first seed that fails
//
// A range of fifty seeds or more fails if a kind of fault came in none of them.
//
// CAIRN_SIM_API=1 or 2 plays in that version of the API; else each fourth seed is of API V2.
// Prints a line a seed and at the end the seeds that failed; the exit code says whether there were any.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "sim/world.h"

namespace {

using cairn::sim::Report;

constexpr uint64_t kRangeOfAllFaults = 50;
constexpr uint64_t kSeconds = 300;    // of the processor, that a world of a range may take
constexpr uint64_t kWaitFactor = 20;  // so many times that of real time: a world that waits for ever

Report play(uint64_t seed) {
  const char* api = std::getenv("CAIRN_SIM_API");
  const bool is_v2 = api != nullptr ? std::string(api) == "2" : seed % 4 == 0;
  const auto version = is_v2 ? cairn::rawkv::ApiVersion::kV2 : cairn::rawkv::ApiVersion::kV1;
  cairn::sim::World world(seed, vary_workloads(seed, cairn::sim::wild_world(seed, version)));
  return world.run();
}

// A seed that is played by a process of its own.
struct Child {
  pid_t pid = 0;
  int output = 0;  // the end of a pipe that it writes its report to
};

// The process that calls this ends after so many seconds of the processor, or if it does not use it.
void limit_time(uint64_t seconds) {
  const rlimit limit{seconds, seconds + 1};
  setrlimit(RLIMIT_CPU, &limit);
  alarm(static_cast<unsigned>(seconds * kWaitFactor));
}

Child start(uint64_t seed, uint64_t seconds) {
  int ends[2];
  if (pipe(ends) != 0) std::abort();
  const pid_t pid = fork();
  if (pid == 0) {
    close(ends[0]);
    limit_time(seconds);
    dup2(ends[1], STDERR_FILENO);  // what a failed CHECK says belongs to the report
    const Report report = play(seed);
    std::string text = report.to_string() + "\n";
    text.append(reinterpret_cast<const char*>(report.faults.data()), sizeof report.faults);
    for (size_t done = 0; done < text.size();) {
      const ssize_t n = write(ends[1], text.data() + done, text.size() - done);
      if (n <= 0) _exit(2);
      done += static_cast<size_t>(n);
    }
    _exit(report.failures.empty() ? 0 : 1);
  }
  close(ends[1]);
  return {pid, ends[0]};
}

bool is_out_of_time(int signal) { return signal == SIGALRM || signal == SIGXCPU; }

// Prints the child's report and adds its faults; whether the seed is good.
bool finish(uint64_t seed, const Child& child, cairn::sim::FaultCounts& faults) {
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  while ((n = read(child.output, buffer, sizeof buffer)) > 0) text.append(buffer, static_cast<size_t>(n));
  close(child.output);
  int status = 0;
  waitpid(child.pid, &status, 0);
  cairn::sim::FaultCounts seen{};
  if (!WIFSIGNALED(status) && text.size() >= sizeof seen) {
    std::memcpy(seen.data(), text.data() + text.size() - sizeof seen, sizeof seen);
    text.resize(text.size() - sizeof seen);
  }
  for (size_t kind = 0; kind < seen.size(); ++kind) faults[kind] += seen[kind];
  if (WIFSIGNALED(status)) {
    text = "seed " + std::to_string(seed) + ": FAILED, " +
           (is_out_of_time(WTERMSIG(status)) ? "it does not end" : "a check failed") + "\n" + text;
  }
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

struct Range {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t jobs = 1;
  uint64_t seconds = kSeconds;
  bool is_until_failure = false;
};

bool play_range(const Range& range) {
  std::vector<uint64_t> failed;
  std::map<uint64_t, Child> running;
  uint64_t played = 0;
  cairn::sim::FaultCounts faults{};
  for (uint64_t next = range.first; next <= range.last || !running.empty();) {
    const bool is_enough = range.is_until_failure && !failed.empty();
    if (is_enough) break;
    if (next <= range.last && running.size() < range.jobs) {
      running.emplace(next, start(next, range.seconds));
      ++next;
      continue;
    }
    const auto oldest = running.begin();
    if (!finish(oldest->first, oldest->second, faults)) failed.push_back(oldest->first);
    running.erase(oldest);
    ++played;
  }
  for (const auto& [seed, child] : running) {
    kill(child.pid, SIGKILL);
    waitpid(child.pid, nullptr, 0);
  }
  std::printf("%llu seeds, %zu failed:", static_cast<unsigned long long>(played), failed.size());
  for (uint64_t seed : failed) std::printf(" %llu", static_cast<unsigned long long>(seed));
  std::printf("\n");
  bool is_good = failed.empty();
  for (size_t kind = 0; played >= kRangeOfAllFaults && kind < faults.size(); ++kind) {
    if (faults[kind] > 0) continue;
    std::printf("FAILED: no seed had a fault of kind %s\n",
                cairn::sim::fault_name(static_cast<cairn::sim::Fault>(kind)));
    is_good = false;
  }
  return is_good;
}

int usage() {
  std::fprintf(stderr, "usage: cairn_sim_run [--jobs N] [--seconds N] [--until-failure] <seed> [<last seed>]\n");
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  Range range;
  std::vector<uint64_t> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--until-failure") {
      range.is_until_failure = true;
    } else if (argument == "--jobs" && i + 1 < argc) {
      range.jobs = std::max<uint64_t>(1, std::strtoull(argv[++i], nullptr, 10));
    } else if (argument == "--seconds" && i + 1 < argc) {
      range.seconds = std::max<uint64_t>(1, std::strtoull(argv[++i], nullptr, 10));
    } else {
      seeds.push_back(std::strtoull(argv[i], nullptr, 10));
    }
  }
  if (seeds.empty() || seeds.size() > 2) return usage();
  const char* level = std::getenv("CAIRN_SIM_LOG");
  const std::string fallback = seeds.size() == 1 ? "info" : "fatal";
  if (auto error = cairn::log::init({.level = level != nullptr ? level : fallback, .file = ""}); !error.empty()) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 2;
  }
  if (seeds.size() == 1) {
    const Report report = play(seeds[0]);
    std::printf("%s\n", report.to_string().c_str());
    return report.failures.empty() ? 0 : 1;
  }
  range.first = seeds[0];
  range.last = seeds[1];
  return play_range(range) ? 0 : 1;
}
