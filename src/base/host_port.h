// "host:port", where a host of IPv6 stands in brackets: "[::1]:2379". Pure. Tests: host_port_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace cairn {

struct HostPort {
  std::string host;  // without brackets
  uint16_t port = 0;

  // As it was written.
  std::string text() const;
  // Whether it means all addresses of a machine ("0.0.0.0", "[::]"): good to listen on, of no use to whoever dials.
  bool is_unspecified() const;
};

// Nothing if it is none.
std::optional<HostPort> parse_host_port(const std::string& text);

}  // namespace cairn
