// Listening on a TCP address, with the reason in words if that cannot be. Tests: acceptor_test.cc, server_test.cc.
#pragma once

#include <sys/socket.h>

#include <string>
#include <vector>

#include "base/result.h"

namespace cairn::net {

// A socket that listens on "host:port" or "[v6]:port" (port 0: any free one) and that no other process shares; it does
// not block and is closed by the caller.
Result<int, std::string> listen_on(const std::string& address);

// One for each address, or none at all; the error names the address.
Result<std::vector<int>, std::string> listen_on_all(const std::vector<std::string>& addresses);

// The port that such a socket has.
int port_of(int socket);

// "127.0.0.1:2379", "[::1]:2379".
std::string text_of(const sockaddr_storage& address);

}  // namespace cairn::net
