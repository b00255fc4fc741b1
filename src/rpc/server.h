// The gRPC server: listens, and gives each call to the Router's handler; what the Router does not know answers
// UNIMPLEMENTED. A connection stays with one loop, and all events of a stream come on its thread. In plain text or
// through TLS, one of them on all ports; what begins otherwise is refused in words. HTTP/1 is told apart by a
// connection's first bytes and has a router of its own.
//
// Also serves grpc.health.v1.Health: SERVING from start to stop. Tests: server_test.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "http/router.h"
#include "net/loop.h"
#include "net/tls.h"
#include "rpc/server_stream.h"

namespace cairn::rpc {

struct ServerOptions {
  std::vector<std::string> addresses;          // "host:port"; port 0: any free one
  std::shared_ptr<net::Loop> loop;             // the first of the loops that serve; nullptr: all are the server's own
  int threads = 0;                             // so many loops serve; 0: `loop` alone, or one for each four cores
  AnswerCompression answer_compression;        // where the client takes it, and the handler does not choose
  int message_bytes_max = -1;                  // of what comes in; -1: 256 MiB
  uint64_t connections_max = 100'000;          // more are closed at once: the descriptors that are left have other uses
  size_t receive_bytes_max = size_t{1} << 30;  // of requests that are not complete or not taken, over all connections
  std::shared_ptr<net::Tls> tls;               // nullptr: plain text
  std::shared_ptr<const http::Router> http;    // nullptr: plain HTTP is refused in words
};

class Server {
 public:
  // Listens and serves from now on; the error says which address cannot be had and why. What the routes refer to must
  // outlive stop().
  static Result<std::unique_ptr<Server>, std::string> start(ServerOptions options, Router router);
  // Stops at once if stop() was not called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The port of the first address.
  int port() const;
  // What the health check says.
  void set_serving(bool serving);
  // Health says NOT_SERVING; no new calls; those under way may end within `grace`, then they are cancelled. Blocks, but
  // not for much longer than that; once. True: no handler or event runs any more; calls finished later go nowhere.
  // False: something does not end. The server's threads then live on, and what they refer to must.
  bool stop(Duration grace);
  // What has not ended after a stop() that returned false.
  std::string what_is_left() const;

  class Core;

 private:
  explicit Server(std::shared_ptr<Core> core);
  std::shared_ptr<Core> core_;
};

}  // namespace cairn::rpc
