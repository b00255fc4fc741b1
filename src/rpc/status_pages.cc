#include "rpc/status_pages.h"

#include <sys/resource.h>
#include <unistd.h>

#include <chrono>
#include <fstream>
#include <utility>

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

void serve_status(http::Router& router, StatusOptions options) {
  constexpr const char* kJson = "application/json";
  const double start_time = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  router.add("GET", "/metrics", http::page([start_time](const http::Request&) {
               put_process_metrics(start_time);
               return http::Response{
                   .content_type = "text/plain; version=0.0.4", .body = metrics::render(), .headers = {}};
             }));
  const auto is_serving = [ask = options.is_serving] { return !ask || ask(); };
  const std::string version = quoted(options.version);
  const std::string status = "{\"version\":" + version + ",\"build_info\":{\"release_version\":" + version +
                             ",\"name\":\"Cairn\"},\"pid\":" + std::to_string(getpid()) +
                             ",\"start_timestamp\":" + std::to_string(static_cast<int64_t>(start_time)) + "}";
  router.add("GET", "/status", http::page([is_serving, status](const http::Request&) {
               if (is_serving()) return http::Response{.content_type = kJson, .body = status, .headers = {}};
               return http::Response{
                   .status = 503, .content_type = kJson, .body = "{\"error\":\"the node is starting\"}", .headers = {}};
             }));
  router.add("GET", "/health", http::page([is_serving](const http::Request&) {
               if (is_serving()) {
                 return http::Response{
                     .content_type = kJson, .body = R"({"health":"true","reason":""})", .headers = {}};
               }
               return http::Response{.status = 503,
                                     .content_type = kJson,
                                     .body = R"({"health":"false","reason":"the node is starting"})",
                                     .headers = {}};
             }));
  for (auto& [path, json] : options.pages) {
    router.add("GET", path, http::page([make = std::move(json)](const http::Request&) {
                 return http::Response{.content_type = kJson, .body = make(), .headers = {}};
               }));
  }
}

}  // namespace cairn::rpc
