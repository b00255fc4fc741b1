#include "http/server.h"

#include <future>
#include <map>
#include <utility>

#include "base/check.h"
#include "net/acceptor.h"
#include "net/listen.h"

namespace cairn::http {

// All but start() and end() is the loop's thread's.
class Server::Core {
 public:
  Core(ServerOptions options, Router router, const std::vector<int>& sockets)
      : options_(std::move(options)),
        port_(net::port_of(sockets.front())),
        loop_(std::make_shared<net::Loop>(options_.name)),
        router_(std::make_shared<const Router>(std::move(router))) {
    loop_->post([this, sockets] {
      endpoint_ = std::make_unique<Endpoint>(loop_, router_, options_.endpoint, [] {});
      for (const int socket : sockets) {
        acceptors_.push_back(std::make_unique<net::Acceptor>(
            *loop_, socket, [this](int descriptor, std::string peer) { on_accepted(descriptor, std::move(peer)); }));
      }
    });
  }
  ~Core() {
    std::promise<void> ended;
    loop_->post([&] {
      acceptors_.clear();
      greetings_.clear();
      endpoint_ = nullptr;
      ended.set_value();
    });
    ended.get_future().wait();
    loop_->stop();
  }
  Core(const Core&) = delete;
  Core& operator=(const Core&) = delete;
  int port() const { return port_; }

 private:
  void on_accepted(int descriptor, std::string peer) {
    // A connection that says nothing makes room, too.
    if (greetings_.size() >= options_.endpoint.connections_max) greetings_.erase(greetings_.begin());
    auto transport = options_.tls ? options_.tls->serve(descriptor, std::move(peer), net::Tls::Offer::kHttp1)
                                  : net::plain_transport(descriptor, std::move(peer));
    const uint64_t id = next_greeting_++;
    greetings_.emplace(id, net::await_greeting(*loop_, std::move(transport), options_.endpoint.limits.header_max,
                                               [this, id](Result<net::Greeted, std::string> greeted) {
                                                 greetings_.erase(id);
                                                 if (greeted.ok()) endpoint_->adopt(std::move(*greeted));
                                               }));
  }

  const ServerOptions options_;
  const int port_;
  const std::shared_ptr<net::Loop> loop_;
  const std::shared_ptr<const Router> router_;
  std::unique_ptr<Endpoint> endpoint_;
  std::vector<std::unique_ptr<net::Acceptor>> acceptors_;
  std::map<uint64_t, std::unique_ptr<net::Greeting>> greetings_;  // the oldest first
  uint64_t next_greeting_ = 1;
};

Server::Server(std::shared_ptr<Core> core) : core_(std::move(core)) {}
Server::~Server() = default;
int Server::port() const { return core_->port(); }

Result<std::unique_ptr<Server>, std::string> Server::start(ServerOptions options, Router router) {
  CHECK(!options.addresses.empty(), "a server without an address");
  auto sockets = net::listen_on_all(options.addresses);
  if (!sockets.ok()) return Err(std::move(sockets).error());
  return std::unique_ptr<Server>(new Server(std::make_shared<Core>(std::move(options), std::move(router), *sockets)));
}

}  // namespace cairn::http
