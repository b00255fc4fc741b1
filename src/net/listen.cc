#include "net/listen.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/host_port.h"

namespace cairn::net {
namespace {

constexpr int kBacklog = 1024;

Result<int, std::string> listen_on(const addrinfo& found) {
  const int fd = socket(found.ai_family, found.ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, found.ai_protocol);
  if (fd < 0) return Err(std::string(std::strerror(errno)));
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, found.ai_addr, found.ai_addrlen) == 0 && listen(fd, kBacklog) == 0) return fd;
  const std::string reason = std::strerror(errno);
  close(fd);
  return Err(reason);
}

}  // namespace

Result<int, std::string> listen_on(const std::string& address) {
  const auto target = parse_host_port(address);
  if (!target) return Err(std::string("an address is host:port"));
  addrinfo hints{};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int rc = getaddrinfo(target->host.c_str(), std::to_string(target->port).c_str(), &hints, &found); rc != 0) {
    return Err(std::string(gai_strerror(rc)));
  }
  auto listening = listen_on(*found);
  freeaddrinfo(found);
  return listening;
}

Result<std::vector<int>, std::string> listen_on_all(const std::vector<std::string>& addresses) {
  std::vector<int> sockets;
  for (const auto& address : addresses) {
    const auto socket = listen_on(address);
    if (!socket.ok()) {
      for (const int open : sockets) close(open);
      return Err("cannot listen on " + address + ": " + socket.error());
    }
    sockets.push_back(*socket);
  }
  return sockets;
}

int port_of(int socket) {
  sockaddr_storage own{};
  socklen_t size = sizeof own;
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&own), &size) != 0) return 0;
  if (own.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6&>(own).sin6_port);
  return ntohs(reinterpret_cast<const sockaddr_in&>(own).sin_port);
}

std::string text_of(const sockaddr_storage& address) {
  char host[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET6) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
    inet_ntop(AF_INET6, &v6.sin6_addr, host, sizeof host);
    return "[" + std::string(host) + "]:" + std::to_string(ntohs(v6.sin6_port));
  }
  const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
  inet_ntop(AF_INET, &v4.sin_addr, host, sizeof host);
  return std::string(host) + ":" + std::to_string(ntohs(v4.sin_port));
}

}  // namespace cairn::net
