// Endpoint: the connections of HTTP/1 of one loop. Beyond `connections_max` the one that has been quiet the longest
// makes room. Confined to the loop's thread. Tests: server_test.cc.
#pragma once

#include <functional>
#include <memory>
#include <unordered_map>

#include "http/connection.h"

namespace cairn::http {

class Endpoint final : private Connection::Owner {
 public:
  struct Options {
    size_t connections_max = 128;
    Limits limits;
  };
  // `on_left` is called once for each connection that was adopted, when it is over.
  Endpoint(std::shared_ptr<net::Loop> loop, std::shared_ptr<const Router> router, const Options& options,
           std::function<void()> on_left);
  ~Endpoint() override;
  Endpoint(const Endpoint&) = delete;
  Endpoint& operator=(const Endpoint&) = delete;

  void adopt(net::Greeted greeted);
  // Connections end once what is under way is answered.
  void drain();
  // They end now.
  void end();

 private:
  void on_connection_closed(Connection& connection) override;
  void drop_quietest();

  const std::shared_ptr<net::Loop> loop_;
  const std::shared_ptr<const Router> router_;
  const Options options_;
  const std::function<void()> on_left_;
  std::unordered_map<Connection*, std::shared_ptr<Connection>> connections_;
  bool is_draining_ = false;
};

}  // namespace cairn::http
