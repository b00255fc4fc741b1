// `cairn playground`: a whole cluster on this machine, each node a process of its own, until Ctrl-C.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <thread>

#include "cli/cluster_check.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/playground_plan.h"
#include "cli/process.h"

namespace cairn::cli {
namespace {

volatile sig_atomic_t stop_requested = 0;

struct Child {
  PlannedProcess plan;
  pid_t pid = -1;
  bool is_alive = false;
};

// Starts this same binary; it dies with us. Its output goes to its log.
bool spawn(Child& child) {
  std::vector<char*> arguments = {const_cast<char*>("cairn")};
  for (auto& argument : child.plan.arguments) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  const pid_t parent = getpid();
  child.pid = fork();
  if (child.pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);  // the parent died in between
    setpgid(0, 0);                      // the terminal's Ctrl-C is the parent's affair
    const int log = open(child.plan.log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (log >= 0) {
      dup2(log, STDOUT_FILENO);
      dup2(log, STDERR_FILENO);
      close(log);
    }
    execv("/proc/self/exe", arguments.data());
    _exit(127);
  }
  child.is_alive = child.pid > 0;
  return child.is_alive;
}

std::string last_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::string last;
  while (std::getline(file, line)) {
    if (!line.empty()) last = line;
  }
  return last;
}

// Notices children that ended; each is told once. True if one did.
bool reap(std::vector<Child>& children) {
  bool any = false;
  for (auto& child : children) {
    int status = 0;
    if (!child.is_alive || waitpid(child.pid, &status, WNOHANG) != child.pid) continue;
    child.is_alive = false;
    any = true;
    if (stop_requested != 0) continue;
    const std::string how = WIFSIGNALED(status) ? "by signal " + std::to_string(WTERMSIG(status))
                                                : "with code " + std::to_string(WEXITSTATUS(status));
    std::printf("%s %s (pid %d) ended %s\n", child.plan.role.c_str(), child.plan.address.c_str(), child.pid,
                how.c_str());
    std::fflush(stdout);
  }
  return any;
}

bool any_alive(const std::vector<Child>& children) {
  return std::any_of(children.begin(), children.end(), [](const Child& child) { return child.is_alive; });
}

// SIGTERM to each, stores before PD; SIGKILL to what is still there after ten seconds.
void end_all(std::vector<Child>& children) {
  stop_requested = 1;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  const auto end_role = [&](const std::string& role) {
    for (const auto& child : children) {
      if (child.is_alive && child.plan.role == role) kill(child.pid, SIGTERM);
    }
    const auto is_there = [&](const Child& child) { return child.is_alive && child.plan.role == role; };
    while (std::any_of(children.begin(), children.end(), is_there) && std::chrono::steady_clock::now() < deadline) {
      if (!reap(children)) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  };
  end_role("store");
  end_role("pd");
  for (auto& child : children) {
    if (!child.is_alive) continue;
    kill(child.pid, SIGKILL);
    waitpid(child.pid, nullptr, 0);
    child.is_alive = false;
  }
}

int supervise(std::vector<Child>& children, const PlaygroundOptions& options) {
  for (auto& child : children) {
    if (!spawn(child)) return complain("the process for " + child.plan.name + " cannot be started");
    std::printf("%-5s  %s  status %s  pid %d\n", child.plan.role.c_str(), child.plan.address.c_str(),
                child.plan.status_address.empty() ? "-" : child.plan.status_address.c_str(), child.pid);
    std::fflush(stdout);
  }
  {
    ClusterCheck check(children.front().plan.address, options.stores);
    while (stop_requested == 0 && !check.is_ready()) {
      if (reap(children)) {
        for (const auto& child : children) {
          if (child.is_alive) continue;
          return complain(child.plan.name + " did not start; its log ends with: " + last_line(child.plan.log_file));
        }
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
  }
  if (stop_requested == 0) {
    std::printf("ready\n");
    std::fflush(stdout);
  }
  while (stop_requested == 0 && any_alive(children)) {
    reap(children);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return 0;
}

int run(PlaygroundOptions options) {
  namespace fs = std::filesystem;
  const bool is_temporary = options.data_dir.empty();
  if (is_temporary) {
    std::string pattern = (fs::temp_directory_path() / "cairn-playground-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) return complain("a temporary folder cannot be made");
    options.data_dir = pattern;
  } else {
    std::error_code error;
    fs::create_directories(options.data_dir, error);
    if (error) return complain("the data directory " + options.data_dir + " cannot be made: " + error.message());
  }
  int code = 0;
  auto plan = plan_playground(options);
  if (plan.ok()) {
    struct sigaction action{};
    action.sa_handler = [](int) { stop_requested = 1; };
    sigaction(SIGINT, &action, nullptr);
    sigaction(SIGTERM, &action, nullptr);
    std::vector<Child> children;
    for (auto& one : *plan) children.push_back({.plan = std::move(one)});
    code = supervise(children, options);
    end_all(children);
  } else {
    code = complain(plan.error());
  }
  std::error_code ignored;
  if (is_temporary) fs::remove_all(options.data_dir, ignored);
  return code;
}

}  // namespace

void add_playground_command(CLI::App& program, int& exit_code) {
  auto* command = program.add_subcommand("playground", "run a whole cluster on this machine until Ctrl-C");
  auto options = std::make_shared<PlaygroundOptions>();
  command->add_option("--stores", options->stores, "how many stores")->capture_default_str();
  command->add_option("--pds", options->pds, "how many PD members (one for now)")->capture_default_str();
  command->add_option("--host", options->host, "the address of all nodes")->capture_default_str();
  command->add_option("--pd-port", options->pd_port, "PD's port")->capture_default_str();
  command->add_option("--pd-status-port", options->pd_status_port, "PD's status port (the second behind PD's port)");
  command->add_option("--store-port", options->store_port, "the first store's port")->capture_default_str();
  command->add_option("--status-port", options->status_port, "the first store's status port")->capture_default_str();
  command->add_option("--data-dir", options->data_dir, "where data is kept (a temporary folder, removed at the end)");
  command->add_option("--pd.config", options->pd_config, "PD's configuration file (TOML)");
  command->add_option("--kv.config", options->store_config, "the stores' configuration file (TOML)");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace cairn::cli
