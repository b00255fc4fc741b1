// The settings of a running process over its status port, as TiKV has it: GET /config is all of them, POST /config
// changes some; with ?persist=false the configuration file stays as it is.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "base/log.h"
#include "config/live.h"
#include "http/router.h"

namespace cairn::cli {

// The statuses and words are TiKV's; its errors are quoted as Rust shows them.
template <class Config>
http::Response change_settings(config::LiveSettings<Config>& live, const http::Request& request) {
  const std::string persist = request.query_value("persist").value_or("true");
  if (persist != "true" && persist != "false") {
    return {.status = 400, .body = "provided string was not `true` or `false`", .headers = {}};
  }
  const auto changes = config::changes_of_json(request.body);
  if (!changes.ok()) return {.status = 500, .body = "failed to decode, error: " + changes.error(), .headers = {}};
  const auto changed = live.change(*changes, persist == "true" ? config::Persist::kYes : config::Persist::kNo);
  if (!changed.ok()) {
    LOG_WARN("{} asked for a change of settings that is refused: {}", request.peer, changed.error());
    return {.status = 500, .body = "failed to update, error: \"" + changed.error() + "\"", .headers = {}};
  }
  for (const auto& [name, value] : *changes) LOG_INFO("{} set {} to {}", request.peer, name, value);
  return {.headers = {}};
}

// Before the process serves, changes are refused. `live` must outlive the router.
template <class Config>
void serve_config(http::Router& router, config::LiveSettings<Config>& live, std::function<bool()> is_serving) {
  router.add("GET", "/config", http::page([&live](const http::Request&) {
               return http::Response{.content_type = "application/json", .body = live.json(), .headers = {}};
             }));
  router.add("POST", "/config", http::page([&live, is_serving = std::move(is_serving)](const http::Request& request) {
               if (is_serving()) return change_settings(live, request);
               return http::Response{.status = 503, .body = "the node is starting", .headers = {}};
             }));
}

}  // namespace cairn::cli
