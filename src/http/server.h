// A server of HTTP/1 with addresses and a thread of its own, in plain text or through TLS: it goes on while the rest of
// the process is stuck. Tests: server_test.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "http/endpoint.h"
#include "net/tls.h"

namespace cairn::http {

struct ServerOptions {
  std::vector<std::string> addresses;  // "host:port"; port 0: any free one
  std::string name = "http";           // of the thread
  std::shared_ptr<net::Tls> tls;       // nullptr: plain text
  Endpoint::Options endpoint;
};

class Server {
 public:
  // Listens and serves from now on; the error says which address cannot be had and why.
  static Result<std::unique_ptr<Server>, std::string> start(ServerOptions options, Router router);
  // Closes all connections; waits for a handler that is at work on its thread.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The port of the first address.
  int port() const;

 private:
  class Core;
  explicit Server(std::shared_ptr<Core> core);
  const std::shared_ptr<Core> core_;
};

}  // namespace cairn::http
