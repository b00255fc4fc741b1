// One request to a status port, and its answer; the caller waits. For tools.
#pragma once

#include <string>

#include "config/values.h"

namespace cairn::cli {

struct StatusAnswer {
  int status = 0;
  std::string body;
};

// `address` is "host:port". The error says what went wrong on the way.
config::Parsed<StatusAnswer> ask_status_port(const std::string& address, const std::string& method,
                                             const std::string& target, const std::string& body = "");

}  // namespace cairn::cli
