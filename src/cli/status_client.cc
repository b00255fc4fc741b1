#include "cli/status_client.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <memory>
#include <system_error>

#include "base/host_port.h"

namespace cairn::cli {
namespace {

using config::Parsed;

constexpr time_t kPatienceSeconds = 10;
constexpr size_t kAnswerBytesMax = size_t{64} << 20;

std::string reason() { return std::generic_category().message(errno); }

// Closes the socket at the end of the scope.
struct Socket {
  int fd;
  explicit Socket(int opened) : fd(opened) {}
  ~Socket() {
    if (fd >= 0) close(fd);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
};

Parsed<int> dial(const std::string& address) {
  const auto at = parse_host_port(address);
  if (!at) return Err("\"" + address + "\" is no address: write host:port");
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(at->host.c_str(), std::to_string(at->port).c_str(), &hints, &found);
  if (failed != 0) return Err(address + ": " + gai_strerror(failed));
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> all(found, freeaddrinfo);
  std::string why = "no address";
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const int fd = socket(one->ai_family, one->ai_socktype | SOCK_CLOEXEC, one->ai_protocol);
    if (fd < 0) continue;
    const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, one->ai_addr, one->ai_addrlen) == 0) return fd;
    why = reason();
    close(fd);
  }
  return Err(address + ": " + why);
}

}  // namespace

Parsed<StatusAnswer> ask_status_port(const std::string& address, const std::string& method, const std::string& target,
                                     const std::string& body) {
  TRY_ASSIGN(const int fd, dial(address));
  const Socket socket(fd);
  const std::string request = fmt::format(
      "{} {} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\n"
      "Content-Length: {}\r\n\r\n{}",
      method, target, address, body.size(), body);
  for (size_t sent = 0; sent < request.size();) {
    const ssize_t n = send(socket.fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Err(address + ": " + reason());
    sent += static_cast<size_t>(n);
  }
  std::string answer;
  char buffer[16384];
  while (answer.size() < kAnswerBytesMax) {
    const ssize_t n = recv(socket.fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return Err(address + ": " + reason());
    if (n == 0) break;
    answer.append(buffer, static_cast<size_t>(n));
  }
  StatusAnswer out;
  const size_t head = answer.find("\r\n\r\n");
  const size_t space = answer.find(' ');
  const bool is_http = answer.starts_with("HTTP/1.") && head != std::string::npos && space < head;
  const char* const digits = answer.data() + space + 1;
  if (!is_http || std::from_chars(digits, answer.data() + head, out.status).ec != std::errc()) {
    return Err(address + ": the answer is not HTTP; is it a status port, without TLS?");
  }
  out.body = answer.substr(head + 4);
  return out;
}

}  // namespace cairn::cli
