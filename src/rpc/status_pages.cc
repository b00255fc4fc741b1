#include "rpc/status_pages.h"

#include <unistd.h>

#include <chrono>
#include <functional>
#include <utility>

#include "base/metrics.h"
#include "rpc/metrics.h"

namespace cairn::rpc {
namespace {

// Answers and tells how long that took.
http::Handler measured(const std::string& path, std::function<http::Response(const http::Request&)> make) {
  auto& time = metrics::histogram("tikv_status_server_request_duration_seconds", "How long pages take to be made",
                                  metrics::kStepTimes, {{"method", "GET"}, {"path", path}});
  return http::page([&time, make = std::move(make)](const http::Request& request) {
    const Instant begun = measured_now();
    auto response = make(request);
    time.observe(measured_now() - begun);
    return response;
  });
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
  router.add("GET", "/metrics", measured("/metrics", [](const http::Request&) {
               return http::Response{
                   .content_type = "text/plain; version=0.0.4", .body = metrics::render(), .headers = {}};
             }));
  const auto is_serving = [ask = options.is_serving] { return !ask || ask(); };
  const std::string version = quoted(options.version);
  const std::string status = "{\"version\":" + version + ",\"build_info\":{\"release_version\":" + version +
                             ",\"name\":\"Cairn\"},\"pid\":" + std::to_string(getpid()) +
                             ",\"start_timestamp\":" + std::to_string(static_cast<int64_t>(start_time)) + "}";
  router.add("GET", "/status", measured("/status", [is_serving, status](const http::Request&) {
               if (is_serving()) return http::Response{.content_type = kJson, .body = status, .headers = {}};
               return http::Response{
                   .status = 503, .content_type = kJson, .body = "{\"error\":\"the node is starting\"}", .headers = {}};
             }));
  router.add("GET", "/health", measured("/health", [is_serving](const http::Request&) {
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
    router.add("GET", path, measured(path, [make = std::move(json)](const http::Request&) {
                 return http::Response{.content_type = kJson, .body = make(), .headers = {}};
               }));
  }
}

}  // namespace cairn::rpc
