// cairn_sim_run: plays worlds by seed.
//
//   cairn_sim_run 17              one seed, with its log
//   cairn_sim_run 1 1000          a range, each in a process of its own, so that a failed CHECK ends one world only
//   --jobs N                      so many of a range at once
//   --seconds N                   what one of a range may take of the processor
//   --until-failure               a range ends with its first seed that fails
//
// A seed of a range fails, too, if it takes too much of the processor, or none at all for a minute: all that it has
// left to do waits for something that never comes.
//
// A range of fifty seeds or more fails if a kind of fault came in none of them.
//
// CAIRN_SIM_API=1 or 2 plays in that version of the API; else each fourth seed is of API V2.
// Prints a line a seed and at the end the seeds that failed; the exit code says whether there were any.
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "sim/world.h"

namespace {

using cairn::sim::Report;

constexpr uint64_t kRangeOfAllFaults = 50;
constexpr uint64_t kSeconds = 300;  // of the processor, that a world of a range may take
// A world does nothing but compute. One that has not done so for as long as this, on however busy a machine, waits for
// ever.
constexpr int kIdleMs = 60'000;
constexpr int64_t kIdleTicks = 3;  // of a hundredth of a second

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

// The process that calls this ends after so many seconds of the processor.
void limit_time(uint64_t seconds) {
  const rlimit limit{seconds, seconds + 1};
  setrlimit(RLIMIT_CPU, &limit);
}

// What the process has used of the processor, in the kernel's ticks (proc(5): the 12th and 13th field behind the name).
int64_t cpu_ticks(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  for (int i = 0; i < 11; ++i) fields >> text;
  int64_t user = 0;
  int64_t system = 0;
  fields >> user >> system;
  return user + system;
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

// Whether the child has something to say, or has ended; it is ended if it computes no more.
bool has_word(const Child& child) {
  pollfd word{child.output, POLLIN, 0};
  for (int64_t before = cpu_ticks(child.pid); poll(&word, 1, kIdleMs) == 0;) {
    const int64_t now = cpu_ticks(child.pid);
    if (now - before < kIdleTicks) {
      kill(child.pid, SIGKILL);
      return false;
    }
    before = now;
  }
  return true;
}

std::string why_it_ended(int signal, bool is_idle) {
  if (is_idle) return "it computes no more: all that it has left waits for ever";
  return signal == SIGXCPU ? "it does not end" : "a check failed";
}

// Prints the child's report and adds its faults; whether the seed is good.
bool finish(uint64_t seed, const Child& child, cairn::sim::FaultCounts& faults) {
  std::string text;
  char buffer[4096];
  ssize_t n = 0;
  bool is_idle = false;
  do {
    is_idle = is_idle || !has_word(child);
    n = read(child.output, buffer, sizeof buffer);
    if (n > 0) text.append(buffer, static_cast<size_t>(n));
  } while (n > 0);
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
    text = "seed " + std::to_string(seed) + ": FAILED, " + why_it_ended(WTERMSIG(status), is_idle) + "\n" + text;
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

std::optional<uint64_t> number(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int usage(std::FILE* to, int code) {
  std::fprintf(to, "usage: cairn_sim_run [--jobs N] [--seconds N] [--until-failure] <seed> [<last seed>]\n");
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  Range range;
  std::vector<uint64_t> seeds;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") return usage(stdout, 0);
    if (argument == "--until-failure") {
      range.is_until_failure = true;
      continue;
    }
    const bool is_option = argument == "--jobs" || argument == "--seconds";
    if (is_option && i + 1 == argc) return usage(stderr, 2);
    const auto value = number(is_option ? argv[++i] : argument);
    if (!value) return usage(stderr, 2);
    if (!is_option) {
      seeds.push_back(*value);
    } else {
      (argument == "--jobs" ? range.jobs : range.seconds) = std::max<uint64_t>(1, *value);
    }
  }
  if (seeds.empty() || seeds.size() > 2) return usage(stderr, 2);
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
