// A small HTTP/1.1 server for pages that are made at once: one thread waits for all connections together, so one that
// sends nothing, or reads slowly, holds up no other. Bounded: beyond `connections_max` the one that has been quiet the
// longest is closed. GET and HEAD only; plain text, no TLS. Tests: http_server_test.cc.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"

namespace cairn::rpc {

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain";
  std::string body;
};

struct HttpOptions {
  std::string address;  // "host:port"; port 0: any free one
  // The page at a path (without the query); on the server's thread.
  std::function<HttpResponse(const std::string& path)> serve;
  size_t connections_max = 128;
  Duration quiet_max = 30s;  // then a connection is closed
  size_t request_bytes_max = size_t{16} << 10;
};

class HttpServer {
 public:
  // Listens and serves from now on; the error says why the address cannot be had.
  static Result<std::unique_ptr<HttpServer>, std::string> start(HttpOptions options);
  // Closes all connections; waits for a page that is being made.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;
  int port() const;

 private:
  class Core;
  explicit HttpServer(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;
};

}  // namespace cairn::rpc
