// `cairn playground`: a whole cluster on this machine, each node a process of its own, until Ctrl-C.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/log.h"
#include "base/log_output.h"
#include "cli/cluster_check.h"
#include "cli/commands.h"
#include "cli/flags.h"
#include "cli/playground_plan.h"
#include "cli/process.h"
#include "net/listen.h"

namespace cairn::cli {
namespace {

volatile sig_atomic_t stop_requested = 0;

// Something that is waited for in vain is told about after this time.
constexpr Duration kSilenceMax = 5s;
// For all to end by themselves.
constexpr Duration kEndMax = 25s;

struct Child {
  PlannedProcess plan;
  pid_t pid = -1;
  bool is_alive = false;
  std::streamoff log_began_at = 0;  // what the log holds before it is of another time
};

// Starts this same binary; it dies with us. Its output goes to its log.
bool spawn(Child& child) {
  std::error_code none;
  const auto logged = std::filesystem::file_size(child.plan.log_file, none);
  child.log_began_at = none ? 0 : static_cast<std::streamoff>(logged);
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

// Why it ended, as its log has it: the error that it gave up with, not what it logged on its way out.
std::string cause_of_death(const Child& child) {
  std::ifstream file(child.plan.log_file);
  file.seekg(child.log_began_at);
  return log::escaped(find_cause(file));
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

// SIGTERM to each, stores before PD; SIGKILL to what is still there after a while.
void end_all(std::vector<Child>& children) {
  stop_requested = 1;
  const auto deadline = std::chrono::steady_clock::now() + kEndMax;
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

// Says what is waited for when it has been for long, and again when it is something else.
class Patience {
 public:
  void note(const std::string& missing) {
    const auto now = std::chrono::steady_clock::now();
    if (missing != missing_) since_ = now;
    missing_ = missing;
    if (now - since_ < kSilenceMax || told_ == missing) return;
    told_ = missing;
    std::printf("waiting: %s\n", missing.c_str());
    std::fflush(stdout);
  }

 private:
  std::string missing_;
  std::string told_;
  std::chrono::steady_clock::time_point since_;
};

// Until the cluster is ready; an error if that cannot be any more.
Parsed<void> await_ready(std::vector<Child>& children, const std::shared_ptr<net::Tls>& tls) {
  std::vector<std::string> stores;
  for (const auto& child : children) {
    if (child.plan.role == "store") stores.push_back(child.plan.address);
  }
  std::vector<std::string> pds;
  for (const auto& child : children) {
    if (child.plan.role == "pd") pds.push_back(child.plan.address);
  }
  ClusterCheck check(std::move(pds), std::move(stores), tls);
  Patience patience;
  while (stop_requested == 0) {
    const std::string missing = check.what_is_missing();
    // After the question: whatever answered it, ready is only who lives.
    reap(children);
    const auto dead =
        std::find_if(children.begin(), children.end(), [](const Child& child) { return !child.is_alive; });
    if (dead != children.end() && stop_requested == 0) {
      return Err(dead->plan.name + " did not start: " + cause_of_death(*dead) + " (" + dead->plan.log_file + ")");
    }
    if (missing.empty()) break;
    patience.note(missing);
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return {};
}

// `tls`, which may be null, is ours towards PD.
int supervise(std::vector<Child>& children, const std::shared_ptr<net::Tls>& tls) {
  for (auto& child : children) {
    if (!spawn(child)) return complain("the process for " + child.plan.name + " cannot be started");
    std::printf("%-5s  %s  status %s  pid %d\n", child.plan.role.c_str(), child.plan.address.c_str(),
                child.plan.status_address.empty() ? "-" : child.plan.status_address.c_str(), child.pid);
    std::fflush(stdout);
  }
  if (const auto ready = await_ready(children, tls); !ready.ok()) return complain(ready.error());
  if (stop_requested == 0) {
    std::printf("ready\n");
    std::fflush(stdout);
  }
  while (stop_requested == 0) {
    reap(children);
    if (stop_requested == 0 && !any_alive(children)) return complain("all processes of the playground have ended");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return 0;
}

// Ports that are taken, and data that does not fit, before anything is begun.
Parsed<void> check_surroundings(const std::vector<PlannedProcess>& plan, const PlaygroundOptions& options) {
  for (const auto& process : plan) {
    for (const auto& address : {process.address, process.status_address}) {
      const auto socket = net::listen_on(address);
      if (!socket.ok()) return Err("cannot listen on " + address + " for " + process.name + ": " + socket.error());
      close(*socket);
    }
  }
  std::error_code error;
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(options.data_dir, error)) {
    if (entry.is_directory(error)) names.push_back(entry.path().filename().string());
  }
  return check_data(names, options);
}

// A folder for the data of one run.
Parsed<std::string> make_temporary_folder() {
  std::error_code error;
  const auto parent = std::filesystem::temp_directory_path(error);
  if (error) return Err("there is no folder for temporary files (TMPDIR): " + error.message());
  std::string pattern = (parent / "cairn-playground-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) {
    return Err("a temporary folder cannot be made in " + parent.string() + ": " + std::strerror(errno));
  }
  return pattern;
}

void heed_signals() {
  struct sigaction action{};
  action.sa_handler = [](int) { stop_requested = 1; };
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaction(number, &action, nullptr);
  // Who reads what it prints may go; and it has no log to open anew.
  for (const int number : {SIGPIPE, SIGUSR1, SIGUSR2}) signal(number, SIG_IGN);
}

int run_in(const PlaygroundOptions& options) {
  auto plan = plan_playground(options);
  if (!plan.ok()) return complain(plan.error());
  if (const auto fits = check_surroundings(*plan, options); !fits.ok()) return complain(fits.error());
  std::shared_ptr<net::Tls> tls;
  if (options.security.is_on()) {
    auto opened = net::Tls::open(options.security);
    if (!opened.ok()) return complain(opened.error());
    tls = std::move(*opened);
  }
  std::vector<Child> children;
  for (auto& one : *plan) children.push_back({.plan = std::move(one)});
  const int code = supervise(children, tls);
  end_all(children);
  return code;
}

int run(PlaygroundOptions options) {
  heed_signals();
  const bool is_temporary = options.data_dir.empty();
  std::error_code error;
  if (is_temporary) {
    auto folder = make_temporary_folder();
    if (!folder.ok()) return complain(folder.error());
    options.data_dir = std::move(*folder);
  } else {
    std::filesystem::create_directories(options.data_dir, error);
    if (error) return complain("the data directory " + options.data_dir + " cannot be made: " + error.message());
  }
  const int code = run_in(options);
  if (is_temporary) std::filesystem::remove_all(options.data_dir, error);
  return code;
}

}  // namespace

void add_playground_command(CLI::App& program, int& exit_code) {
  auto* command = program.add_subcommand("playground", "run a whole cluster on this machine until Ctrl-C");
  auto options = std::make_shared<PlaygroundOptions>();
  command->add_option("--stores", options->stores, "how many stores")->capture_default_str();
  command->add_option("--pds", options->pds, "how many PD members, one to seven")->capture_default_str();
  command->add_option("--host", options->host, "the address of all nodes")->capture_default_str();
  command->add_option("--pd-port", options->pd_port, "PD's port; its members are ten apart")->capture_default_str();
  command->add_option("--pd-status-port", options->pd_status_port, "PD's status port (the second behind PD's port)");
  command->add_option("--store-port", options->store_port, "the first store's port")->capture_default_str();
  command->add_option("--status-port", options->status_port, "the first store's status port")->capture_default_str();
  command->add_option("--data-dir", options->data_dir, "where data is kept (a temporary folder, removed at the end)");
  command->add_option("--cacert", options->security.ca_path, "the CAs (PEM); with the next two all nodes speak TLS");
  command->add_option("--cert", options->security.cert_path, "a certificate for --host (PEM)");
  command->add_option("--key", options->security.key_path, "its key (PEM)");
  command->add_option("--pd.config", options->pd_config, "PD's configuration file (TOML)");
  command->add_option("--kv.config", options->store_config, "the stores' configuration file (TOML)");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace cairn::cli
