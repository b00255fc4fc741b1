#include "rpc/status_server.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <utility>

#include "base/metrics.h"
#include "rpc/http_server.h"

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
  StatusOptions options;
  double start_time = 0;
  std::unique_ptr<HttpServer> http;  // dies first

  HttpResponse serve(const std::string& path) const;
  std::string status_json() const;
};

std::string StatusServer::State::status_json() const {
  const std::string version = quoted(options.version);
  return "{\"version\":" + version + ",\"build_info\":{\"release_version\":" + version +
         ",\"name\":\"Cairn\"},\"pid\":" + std::to_string(getpid()) +
         ",\"start_timestamp\":" + std::to_string(static_cast<int64_t>(start_time)) + "}";
}

HttpResponse StatusServer::State::serve(const std::string& path) const {
  constexpr const char* kJson = "application/json";
  if (path == "/metrics") {
    put_process_metrics(start_time);
    return {.content_type = "text/plain; version=0.0.4", .body = metrics::render()};
  }
  if (path == "/status") {
    if (options.is_serving && !options.is_serving()) {
      return {.status = 503, .content_type = kJson, .body = "{\"error\":\"the node is starting\"}"};
    }
    return {.content_type = kJson, .body = status_json()};
  }
  const auto page = options.pages.find(path);
  if (page == options.pages.end()) return {.status = 404, .body = "no such page\n"};
  return {.content_type = kJson, .body = page->second()};
}

StatusServer::StatusServer(std::unique_ptr<State> state) : state_(std::move(state)) {}
StatusServer::~StatusServer() = default;
int StatusServer::port() const { return state_->http->port(); }

Result<std::unique_ptr<StatusServer>, std::string> StatusServer::start(StatusOptions options) {
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  state->start_time = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const std::string& address = state->options.address;
  auto http = HttpServer::start(
      {.address = address, .serve = [at = state.get()](const std::string& path) { return at->serve(path); }});
  if (!http.ok()) return Err("cannot listen on the status address " + address + ": " + http.error());
  state->http = std::move(*http);
  return std::unique_ptr<StatusServer>(new StatusServer(std::move(state)));
}

}  // namespace cairn::rpc
