// The status port: plain HTTP on a thread of its own (http_server.h). /metrics in Prometheus' text format, /status as
// TiKV's JSON (503 while the node starts), and the JSON pages that the owner adds.
// Tests: status_server_test.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/result.h"

namespace cairn::rpc {

struct StatusOptions {
  std::string address;  // "host:port"; port 0: any free one
  std::string version;
  std::function<bool()> is_serving;  // none: always. Any thread.
  // Further pages, path ("/regions") to what makes its JSON; called on the status port's thread, and to be made at
  // once.
  std::map<std::string, std::function<std::string()>> pages;
};

class StatusServer {
 public:
  // The error says which address cannot be had.
  static Result<std::unique_ptr<StatusServer>, std::string> start(StatusOptions options);
  ~StatusServer();
  StatusServer(const StatusServer&) = delete;
  StatusServer& operator=(const StatusServer&) = delete;
  int port() const;

 private:
  struct State;
  explicit StatusServer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cairn::rpc
