#include "cli/profile.h"

#include <execinfo.h>
#include <fmt/format.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>
#include <vector>

#include "base/log.h"

// jemalloc's, which only the binary itself is linked with.
extern "C" int mallctl(const char* name, void* old, size_t* old_size, void* value, size_t size) __attribute__((weak));

namespace cairn::cli {
namespace {

constexpr int kFramesMax = 64;
constexpr size_t kSamplesMax = 64 << 10;  // of one profile: further ones are dropped
constexpr int kHandlerFrames = 2;         // the signal's handler and what the kernel put under it

struct Sample {
  std::atomic<int> frames{0};  // 0: not written yet
  std::array<void*, kFramesMax> stack;
};

// Where the handler writes. Set while a profile is under way, and never freed: a handler may be at work on any thread.
std::vector<Sample>* samples = nullptr;
std::atomic<size_t> next_sample{0};
std::atomic<bool> is_under_way{false};
std::atomic<bool> is_sampling{false};

// On the stack of the thread that is sampled. backtrace() takes no lock and no memory once it has run before.
void take_sample(int) {
  const int error = errno;
  if (is_sampling.load(std::memory_order_acquire)) {
    const size_t at = next_sample.fetch_add(1, std::memory_order_relaxed);
    if (at < kSamplesMax) {
      auto& sample = (*samples)[at];
      const int frames = backtrace(sample.stack.data(), kFramesMax);
      sample.frames.store(frames, std::memory_order_release);
    }
  }
  errno = error;
}

void set_timer(int samples_a_second) {
  itimerval timer{};
  if (samples_a_second > 0) {
    timer.it_interval.tv_usec = timer.it_value.tv_usec = 1'000'000 / samples_a_second;
  }
  setitimer(ITIMER_PROF, &timer, nullptr);
}

std::string read_whole(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void put_word(std::string& out, uint64_t word) { out.append(reinterpret_cast<const char*>(&word), sizeof(word)); }

http::Response refused(int status, const std::string& why) {
  return {.status = status, .body = why + "\n", .headers = {}};
}

http::Response profile_of(std::string body) {
  return {.content_type = "application/octet-stream", .body = std::move(body), .headers = {}};
}

std::optional<int> number(const http::Request& request, const char* name, int otherwise, int most) {
  const auto text = request.query_value(name);
  if (!text) return otherwise;
  int value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < 1 || value > most) return std::nullopt;
  return value;
}

}  // namespace

Result<std::unique_ptr<CpuProfile>, std::string> CpuProfile::start(int samples_a_second) {
  if (is_under_way.exchange(true)) return Err(std::string("another CPU profile is under way"));
  std::array<void*, 4> warm_up{};
  backtrace(warm_up.data(), static_cast<int>(warm_up.size()));
  if (samples == nullptr) samples = new std::vector<Sample>(kSamplesMax);
  for (auto& sample : *samples) sample.frames.store(0, std::memory_order_relaxed);
  next_sample = 0;
  struct sigaction action{};
  action.sa_handler = take_sample;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(SIGPROF, &action, nullptr);  // and it stays: a signal may be on its way when the timer stops
  is_sampling.store(true, std::memory_order_release);
  set_timer(samples_a_second);
  return std::unique_ptr<CpuProfile>(new CpuProfile(samples_a_second));
}

CpuProfile::~CpuProfile() {
  set_timer(0);
  is_sampling = false;
  is_under_way = false;
}

// Words of 8 bytes: a head (0, 3, 0, the period in microseconds, 0), then for each stack how often it was seen, how
// many addresses follow, and these, from the innermost; (0, 1, 0) ends them; then the text of the process's map.
std::string CpuProfile::finish() {
  set_timer(0);
  is_sampling = false;
  std::map<std::vector<void*>, uint64_t> seen;
  const size_t count = std::min(next_sample.load(), kSamplesMax);
  for (size_t i = 0; i < count; ++i) {
    const auto& sample = (*samples)[i];
    const int frames = sample.frames.load(std::memory_order_acquire);
    if (frames <= kHandlerFrames) continue;
    ++seen[{sample.stack.begin() + kHandlerFrames, sample.stack.begin() + frames}];
  }
  if (next_sample > kSamplesMax) LOG_WARN("{} samples of a CPU profile found no room", next_sample - kSamplesMax);
  std::string out;
  const auto period_us = static_cast<uint64_t>(1'000'000 / samples_a_second_);
  for (const uint64_t word : {uint64_t{0}, uint64_t{3}, uint64_t{0}, period_us, uint64_t{0}}) put_word(out, word);
  for (const auto& [stack, times] : seen) {
    put_word(out, times);
    put_word(out, stack.size());
    for (void* address : stack) put_word(out, reinterpret_cast<uint64_t>(address));
  }
  for (const uint64_t word : {0, 1, 0}) put_word(out, word);
  return out + read_whole("/proc/self/maps");
}

Result<std::string, std::string> heap_profile() {
  bool is_on = false;
  size_t size = sizeof(is_on);
  if (mallctl == nullptr || mallctl("config.prof", &is_on, &size, nullptr, 0) != 0 || !is_on) {
    return Err(std::string("the allocator of this process takes no heap profiles"));
  }
  if (mallctl("opt.prof", &is_on, &size, nullptr, 0) != 0 || !is_on) {
    return Err(
        std::string("heap profiling is off: start the process with MALLOC_CONF=prof:true in its environment "
                    "(prof:true,lg_prof_sample:19 looks at one allocation in 512 KiB)"));
  }
  std::string path = "/tmp/cairn-heap-XXXXXX";
  const int fd = mkstemp(path.data());
  if (fd < 0) return Err(std::string("no file can be made in /tmp for the profile"));
  close(fd);
  const char* file = path.c_str();
  const int error = mallctl("prof.dump", nullptr, nullptr, &file, sizeof(file));
  std::string dump = read_whole(path);
  unlink(path.c_str());
  if (error != 0 || dump.empty()) return Err(fmt::format("jemalloc does not write the profile: error {}", error));
  return pprof_of_jemalloc(dump);
}

// jemalloc:   heap_v2/524288            pprof:   heap profile: 13: 6688 [0: 0] @ heap_v2/524288
//               t*: 13: 6688 [0: 0]                13: 6688 [0: 0] @ 0x1 0x2
//             @ 0x1 0x2                            MAPPED_LIBRARIES: ...
//               t*: 13: 6688 [0: 0]
//             MAPPED_LIBRARIES: ...
std::string pprof_of_jemalloc(std::string_view dump) {
  const size_t maps = std::min(dump.find("\nMAPPED_LIBRARIES:"), dump.size());
  std::string head;
  std::string total;
  std::string stack;
  std::string samples_text;
  std::istringstream lines(std::string(dump.substr(0, maps)));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("heap_v2/")) {
      head = line;
    } else if (line.starts_with("@")) {
      stack = line;
    } else if (const size_t at = line.find("t*: "); at != std::string::npos) {
      // All threads' together; those of single threads are left out.
      const std::string counts = line.substr(at + 4);
      if (stack.empty()) {
        total = counts;
      } else {
        samples_text += counts + " " + stack + "\n";
      }
    }
  }
  return "heap profile: " + total + " @ " + head + "\n" + samples_text + std::string(dump.substr(maps));
}

void serve_profiles(http::Router& router, std::shared_ptr<runtime::Executor> executor) {
  router.add("GET", "/debug/pprof/heap", [executor](const http::Request&, http::Responder responder) {
    executor->post([responder = std::move(responder)]() mutable {
      auto profile = heap_profile();
      responder.answer(profile.ok() ? profile_of(std::move(*profile)) : refused(500, profile.error()));
    });
  });
  router.add("GET", "/debug/pprof/profile", [executor](const http::Request& request, http::Responder responder) {
    const auto seconds = number(request, "seconds", 10, 600);
    const auto frequency = number(request, "frequency", 99, 1000);
    if (!seconds || !frequency) {
      return responder.answer(refused(400, "seconds is a number from 1 to 600, frequency one from 1 to 1000"));
    }
    auto started = CpuProfile::start(*frequency);
    if (!started.ok()) return responder.answer(refused(503, started.error()));
    LOG_INFO("{} takes a CPU profile of {} s", request.peer, *seconds);
    executor->after(std::chrono::seconds(*seconds),
                    [profile = std::move(*started), responder = std::move(responder)]() mutable {
                      responder.answer(profile_of(profile->finish()));
                    });
  });
}

}  // namespace cairn::cli
