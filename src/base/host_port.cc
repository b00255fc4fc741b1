#include "base/host_port.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace cairn {
namespace {

bool is_host_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

// An address of IPv6, perhaps with the interface behind it ("fe80::1%eth0").
bool is_ipv6(const std::string& host) {
  const size_t zone = std::min(host.find('%'), host.size());
  in6_addr address{};
  if (inet_pton(AF_INET6, host.substr(0, zone).c_str(), &address) != 1) return false;
  return zone == host.size() ||
         (zone + 1 < host.size() &&
          std::all_of(host.begin() + static_cast<std::ptrdiff_t>(zone) + 1, host.end(), is_host_character));
}

}  // namespace

std::string HostPort::text() const {
  const bool is_bracketed = host.find(':') != std::string::npos;
  return (is_bracketed ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool HostPort::is_unspecified() const {
  in_addr v4{};
  if (inet_aton(host.c_str(), &v4) == 1) return v4.s_addr == INADDR_ANY;
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_UNSPECIFIED(&v6)) return true;
  return IN6_IS_ADDR_V4MAPPED(&v6) && std::all_of(v6.s6_addr + 12, v6.s6_addr + 16, [](uint8_t b) { return b == 0; });
}

std::optional<HostPort> parse_host_port(const std::string& text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return std::nullopt;
  HostPort out;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data() + colon + 1, end, out.port);
  if (error != std::errc() || stop != end || colon + 1 == text.size()) return std::nullopt;
  out.host = text.substr(0, colon);
  if (out.host.size() > 2 && out.host.front() == '[' && out.host.back() == ']') {
    out.host = out.host.substr(1, out.host.size() - 2);
    if (!is_ipv6(out.host)) return std::nullopt;
    return out;
  }
  if (out.host.empty() || !std::all_of(out.host.begin(), out.host.end(), is_host_character)) return std::nullopt;
  return out;
}

}  // namespace cairn
