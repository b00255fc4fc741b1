#include "cli/process_metrics.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

// jemalloc's, which only the binary itself is linked with.
extern "C" int mallctl(const char* name, void* old, size_t* old_size, void* value, size_t size) __attribute__((weak));

namespace cairn::cli {
namespace {

constexpr size_t kThreadsMax = 1024;  // more have no lines of their own

double seconds_of(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; }

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// The value of "name: value" in a file of the kernel's, 0 if it is not there.
double field(std::string_view text, std::string_view name) {
  const size_t at = text.find(name);
  if (at == std::string_view::npos) return 0;
  return std::strtod(std::string(text.substr(at + name.size(), 40)).c_str(), nullptr);
}

// What the process may have: the least of the cgroup's limit, its own (ulimit -v) and the machine's memory.
double memory_quota() {
  struct sysinfo info{};
  sysinfo(&info);
  const double machine = static_cast<double>(info.totalram) * info.mem_unit;
  const std::string limit = read_file("/sys/fs/cgroup/memory.max");
  const double cgroup = std::strtod(limit.c_str(), nullptr);
  rlimit own{};
  getrlimit(RLIMIT_AS, &own);
  double quota = machine;
  if (cgroup > 0) quota = std::min(quota, cgroup);
  if (own.rlim_cur != RLIM_INFINITY) quota = std::min(quota, static_cast<double>(own.rlim_cur));
  return quota;
}

// How many CPUs the process may use: those that it may run on, and no more than the cgroup's limit.
double cpu_quota() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  double cpus = std::thread::hardware_concurrency();
  if (sched_getaffinity(0, sizeof(allowed), &allowed) == 0) cpus = CPU_COUNT(&allowed);
  std::stringstream limit(read_file("/sys/fs/cgroup/cpu.max"));  // "max 100000", or microseconds of a period's
  double quota = 0;
  double period = 0;
  if (limit >> quota >> period && quota > 0 && period > 0) cpus = std::min(cpus, quota / period);
  return cpus;
}

struct Task {
  std::string tid;
  std::string name;
  char state = '?';
  double cpu_seconds = 0;
};

// Of /proc/self/task/TID/stat: "tid (name) state ..."; user and system time are fields 14 and 15.
std::optional<Task> task_of(const std::filesystem::path& folder) {
  const std::string stat = read_file(folder / "stat");
  const size_t open = stat.find('(');
  const size_t close = stat.rfind(')');
  if (open == std::string::npos || close == std::string::npos || close + 2 >= stat.size()) return std::nullopt;
  Task task;
  task.tid = folder.filename().string();
  task.name = stat.substr(open + 1, close - open - 1);
  task.state = stat[close + 2];
  std::stringstream rest(stat.substr(close + 2));
  std::string skipped;
  for (int i = 0; i < 11; ++i) rest >> skipped;
  double user = 0;
  double system = 0;
  rest >> user >> system;
  task.cpu_seconds = (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return task;
}

void set(const char* name, const char* help, double value, const metrics::Labels& labels = {}) {
  metrics::gauge(name, help, labels).set(value);
}
void read(const char* name, const char* help, double value, const metrics::Labels& labels = {}) {
  metrics::reading(name, help, labels).set(value);
}

void look_at_allocator() {
  if (mallctl == nullptr) return;
  uint64_t epoch = 1;
  size_t size = sizeof(epoch);
  mallctl("epoch", &epoch, &size, &epoch, size);
  const auto value = [](const char* name) {
    size_t bytes = 0;
    size_t length = sizeof(bytes);
    return mallctl(name, &bytes, &length, nullptr, 0) == 0 ? static_cast<double>(bytes) : 0;
  };
  const auto stat = [&](const char* type, double bytes) {
    set("tikv_allocator_stats", "Bytes of jemalloc", bytes, {{"type", type}});
  };
  const double allocated = value("stats.allocated");
  const double active = value("stats.active");
  stat("allocated", allocated);
  stat("active", active);
  stat("metadata", value("stats.metadata"));
  stat("resident", value("stats.resident"));
  stat("mapped", value("stats.mapped"));
  stat("retained", value("stats.retained"));
  stat("fragmentation", active - allocated);
  unsigned arenas = 0;
  size_t length = sizeof(arenas);
  if (mallctl("arenas.narenas", &arenas, &length, nullptr, 0) == 0) {
    set("tikv_allocator_arena_count", "Arenas of jemalloc", arenas);
  }
}

}  // namespace

std::string tikv_thread_name(const std::string& name) {
  static constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"network", "grpc_server"},     {"shard-", "raftstore_"},        {"apply-", "apply_"},
      {"raft-log", "store_write"},    {"read", "unified_read_po"},     {"snapshot-io", "snap_io"},
      {"snapshot", "snap_generator"}, {"deadlock", "deadlock_detect"}, {"gc-", "gc_worker_"},
      {"store-control", "pd_worker"}, {"pd-client", "pd_client"}};
  for (const auto& [ours, theirs] : kNames) {
    if (name.starts_with(ours)) return std::string(theirs) + name.substr(ours.size());
  }
  return name;
}

class ProcessMetrics::Look {
 public:
  explicit Look(Part part) : part_(part) {}

  void operator()() {
    const double cpu = look_at_process();
    if (part_ == Part::kStore) {
      look_at_threads();
      const double now = wall_seconds();
      if (looked_at_ > 0 && now > looked_at_) {
        set("tikv_storage_process_stat_cpu_usage", "CPUs that the process has used since the last look",
            (cpu - cpu_before_) / (now - looked_at_));
      }
      cpu_before_ = cpu;
      looked_at_ = now;
    }
    look_at_allocator();
  }

 private:
  double look_at_process() const {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const double cpu = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime);
    read("process_cpu_seconds_total", "User and system CPU time of the process", cpu);
    std::stringstream statm(read_file("/proc/self/statm"));
    double pages_virtual = 0;
    double pages_resident = 0;
    statm >> pages_virtual >> pages_resident;
    const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
    set("process_virtual_memory_bytes", "Virtual memory of the process", pages_virtual * page);
    set("process_resident_memory_bytes", "Resident memory of the process", pages_resident * page);
    set("process_start_time_seconds", "When the process began, as a Unix time", started_at_);
    std::error_code ignored;
    const auto files = std::filesystem::directory_iterator("/proc/self/fd", ignored);
    set("process_open_fds", "Files that are open", static_cast<double>(std::distance(begin(files), end(files))));
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    set("process_max_fds", "Files that may be open", static_cast<double>(limit.rlim_cur));
    const std::string io = read_file("/proc/self/io");
    const double cores = cpu_quota();
    if (part_ == Part::kPd) {
      set("pd_service_maxprocs", "CPUs that the process may use", cores);
      set("pd_service_memory_quota_bytes", "Memory that the process may use", quota_);
    } else {
      set("tikv_server_cpu_cores_quota", "CPUs that the process may use", cores);
      set("tikv_server_memory_quota_bytes", "Memory that the process may use", quota_);
      read("tikv_io_bytes", "Bytes that the process had the disks read and write", field(io, "\nread_bytes:"),
           {{"type", "all"}, {"op", "read"}});
      read("tikv_io_bytes", "Bytes that the process had the disks read and write", field(io, "\nwrite_bytes:"),
           {{"type", "all"}, {"op", "write"}});
    }
    return cpu;
  }

  void look_at_threads() {
    std::map<char, int> states;
    std::error_code ignored;
    for (const auto& entry : std::filesystem::directory_iterator("/proc/self/task", ignored)) {
      const auto task = task_of(entry.path());
      if (!task) continue;
      ++states[task->state];
      if (!seen_.contains(task->tid)) {
        if (seen_.size() == kThreadsMax) continue;
        seen_.insert(task->tid);
      }
      const metrics::Labels labels{{"name", tikv_thread_name(task->name)}, {"tid", task->tid}};
      read("tikv_thread_cpu_seconds_total", "User and system CPU time of a thread", task->cpu_seconds, labels);
      const std::string status = read_file(entry.path() / "status");
      read("tikv_thread_voluntary_context_switches", "How often a thread began to wait",
           field(status, "\nvoluntary_ctxt_switches:"), labels);
      read("tikv_thread_nonvoluntary_context_switches", "How often a thread was made to wait",
           field(status, "\nnonvoluntary_ctxt_switches:"), labels);
      const std::string io = read_file(entry.path() / "io");
      for (const auto& [op, name] : {std::pair("read", "\nread_bytes:"), std::pair("write", "\nwrite_bytes:")}) {
        auto with_op = labels;
        with_op["io"] = op;
        read("tikv_threads_io_bytes_total", "Bytes that a thread had the disks read and write", field(io, name),
             with_op);
      }
    }
    for (auto& [state, count] : states_) count = 0;
    for (const auto& [state, count] : states) states_[state] = count;
    for (const auto& [state, count] : states_) {
      set("tikv_threads_state", "Threads by their state, as the kernel names it", count,
          {{"state", std::string(1, state)}});
    }
  }

  const Part part_;
  const double started_at_ = wall_seconds();
  const double quota_ = memory_quota();
  double cpu_before_ = 0;
  double looked_at_ = 0;
  std::set<std::string> seen_;  // ids of threads that have lines
  std::map<char, int> states_;
};

ProcessMetrics::ProcessMetrics(Part part)
    : look_(std::make_unique<Look>(part)), collector_(metrics::on_render([this] { (*look_)(); })) {}
ProcessMetrics::~ProcessMetrics() = default;

}  // namespace cairn::cli
