#include "rpc/status_server.h"

#include <httplib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <thread>

#include "base/metrics.h"

namespace cairn::rpc {
namespace {

double seconds_of(const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6; }

// The process's own figures, under the names that every Prometheus client library gives them.
void put_process_metrics(double start_time) {
  static auto& cpu = metrics::gauge("process_cpu_seconds_total", "User and system CPU time of the process");
  static auto& resident = metrics::gauge("process_resident_memory_bytes", "Resident memory of the process");
  static auto& virtual_size = metrics::gauge("process_virtual_memory_bytes", "Virtual memory of the process");
  static auto& started = metrics::gauge("process_start_time_seconds", "When the process began, as a Unix time");
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  cpu.Set(seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime));
  std::ifstream statm("/proc/self/statm");
  double pages_virtual = 0;
  double pages_resident = 0;
  statm >> pages_virtual >> pages_resident;
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  virtual_size.Set(pages_virtual * page);
  resident.Set(pages_resident * page);
  started.Set(start_time);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

struct StatusServer::State {
  httplib::Server http;
  std::thread thread;
  int port = 0;
};

StatusServer::StatusServer(std::unique_ptr<State> state) : state_(std::move(state)) {}

StatusServer::~StatusServer() {
  state_->http.stop();
  if (state_->thread.joinable()) state_->thread.join();
}

int StatusServer::port() const { return state_->port; }

Result<std::unique_ptr<StatusServer>, std::string> StatusServer::start(StatusOptions options) {
  const size_t colon = options.address.rfind(':');
  const std::string refused = "cannot listen on the status address " + options.address + ": ";
  if (colon == std::string::npos) return Err(refused + "an address is host:port");
  int port = 0;
  const std::string digits = options.address.substr(colon + 1);
  if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string::npos) {
    return Err(refused + "the port is not a number");
  }
  port = std::stoi(digits);
  const std::string host = options.address.substr(0, colon);

  auto state = std::make_unique<State>();
  const double start_time = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  state->http.new_task_queue = [] { return new httplib::ThreadPool(2); };
  // The library's default lets a second process share the port.
  state->http.set_socket_options([](socket_t socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  });
  state->http.Get("/metrics", [start_time](const httplib::Request&, httplib::Response& response) {
    put_process_metrics(start_time);
    response.set_content(metrics::render(), "text/plain; version=0.0.4");
  });
  state->http.Get("/status", [version = options.version, is_serving = options.is_serving, start_time](
                                 const httplib::Request&, httplib::Response& response) {
    if (is_serving && !is_serving()) {
      response.status = 503;
      response.set_content("{\"error\":\"the node is starting\"}", "application/json");
      return;
    }
    response.set_content("{\"version\":" + quoted(version) + ",\"build_info\":{\"release_version\":" + quoted(version) +
                             ",\"name\":\"Cairn\"},\"pid\":" + std::to_string(getpid()) +
                             ",\"start_timestamp\":" + std::to_string(static_cast<int64_t>(start_time)) + "}",
                         "application/json");
  });
  for (auto& [path, page] : options.pages) {
    state->http.Get(path, [render = std::move(page)](const httplib::Request&, httplib::Response& response) {
      response.set_content(render(), "application/json");
    });
  }
  errno = 0;
  if (port == 0) {
    port = state->http.bind_to_any_port(host);
    if (port < 0) return Err(refused + std::strerror(errno));
  } else if (!state->http.bind_to_port(host, port)) {
    return Err(refused + (errno != 0 ? std::strerror(errno) : "it cannot be bound"));
  }
  state->port = port;
  state->thread = std::thread([http = &state->http] {
    pthread_setname_np(pthread_self(), "status");
    http->listen_after_bind();
  });
  while (!state->http.is_running()) std::this_thread::yield();  // else a stop right now would go unheard
  return std::unique_ptr<StatusServer>(new StatusServer(std::move(state)));
}

}  // namespace cairn::rpc
