// The pages that a process shows of itself: /metrics in Prometheus' text format, /status as TiKV's JSON, /health as
// etcd's (both 503 while the node starts), and the JSON pages that the owner adds. Tests: status_pages_test.cc.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "http/router.h"

namespace cairn::rpc {

struct StatusOptions {
  std::string version;
  std::function<bool()> is_serving;  // none: always
  // Further pages, path ("/regions") to what makes its JSON.
  std::map<std::string, std::function<std::string()>> pages;
};

// The functions are called on any thread, at once for each request, and must outlive the router.
void serve_status(http::Router& router, StatusOptions options);

}  // namespace cairn::rpc
