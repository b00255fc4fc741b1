#include "rpc/server.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <optional>
#include <thread>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "http/endpoint.h"
#include "net/acceptor.h"
#include "net/greeting.h"
#include "net/http2.h"
#include "net/listen.h"
#include "rpc/health_service.h"
#include "rpc/server_call.h"

namespace cairn::rpc {

namespace {

// Calls are cancelled at the end of their grace; they take a moment to go.
constexpr Duration kStopMargin = 2s;
constexpr size_t kMessageMax = size_t{256} << 20;
constexpr uint64_t kRefusalLines = 10;

// What a port says that serves no HTTP/1.
std::shared_ptr<const http::Router> no_http() {
  auto router = std::make_shared<http::Router>();
  router->add("*", "/{rest...}", http::page([](const http::Request&) {
                return http::Response{
                    .status = 400, .body = "this port speaks HTTP/2 (gRPC)\n", .headers = {{"Connection", "close"}}};
              }));
  return router;
}

}  // namespace

// How many connections there are, over all loops. Thread-safe.
class ConnectionCount {
 public:
  explicit ConnectionCount(uint64_t max) : max_(max) {}
  // False if there are too many.
  bool enter() {
    if (count_.fetch_add(1) < max_) return true;
    --count_;
    const int64_t now = std::chrono::steady_clock::now().time_since_epoch() / 1s;
    int64_t next = next_log_;
    if (now >= next && next_log_.compare_exchange_strong(next, now + 10)) {
      LOG_WARN("{} connections are open, which is all that there may be: more are closed at once", max_);
    }
    return false;
  }
  void leave() { --count_; }

 private:
  const uint64_t max_;
  std::atomic<uint64_t> count_{0};
  std::atomic<int64_t> next_log_{0};  // seconds of the steady clock
};

// The server's part on one loop: its connections. Everything on the loop's thread.
class LoopServer final : public net::Http2Connection::Owner, public std::enable_shared_from_this<LoopServer> {
 public:
  LoopServer(std::shared_ptr<ServerCalls> calls, std::shared_ptr<net::Loop> loop, size_t message_bytes_max,
             std::shared_ptr<ConnectionCount> count, std::shared_ptr<net::Tls> tls,
             std::shared_ptr<const http::Router> http)
      : calls_(std::move(calls)),
        loop_(std::move(loop)),
        message_bytes_max_(message_bytes_max),
        count_(std::move(count)),
        tls_(std::move(tls)),
        http1_(std::make_unique<http::Endpoint>(loop_, std::move(http), http::Endpoint::Options{},
                                                [this] { count_->leave(); })) {}

  net::Loop& loop() { return *loop_; }

  void adopt(int descriptor, std::string peer) {
    if (is_ended_ || !count_->enter()) {
      close(descriptor);
      return;
    }
    auto transport = tls_ ? tls_->serve(descriptor, std::move(peer), net::Tls::Offer::kBoth)
                          : net::plain_transport(descriptor, std::move(peer));
    const uint64_t id = next_greeting_++;
    const std::string& from = transport->peer();
    greetings_.emplace(id, net::await_greeting(*loop_, std::move(transport), options_.hello_max,
                                               [this, id, from](Result<net::Greeted, std::string> greeted) {
                                                 greetings_.erase(id);
                                                 on_greeted(from, std::move(greeted));
                                               }));
  }

  void drain() {
    is_draining_ = true;
    http1_->drain();
    for (auto& [_, connection] : held()) connection->drain();
  }

  // Ends all connections.
  void end() {
    is_ended_ = true;
    greetings_.clear();
    http1_ = nullptr;
    for (auto& [_, connection] : held()) connection->end("the server is stopping");
  }

  std::shared_ptr<net::Http2Stream> on_stream(net::Http2Connection& connection) override {
    auto& answers = answers_[&connection];
    if (!answers) answers = std::make_shared<ConnectionAnswers>();
    return std::make_shared<ServerCall>(calls_, loop_, connection.peer(), message_bytes_max_, answers);
  }
  void on_connection_closed(net::Http2Connection& connection, const std::string& why) override {
    if (!connection.has_hello() && !connection.is_left() && !is_draining_ && !is_ended_)
      log_refused(connection.peer(), why);
    connections_.erase(&connection);
    answers_.erase(&connection);
    count_->leave();
  }

 private:
  using Connections = std::unordered_map<net::Http2Connection*, std::shared_ptr<net::Http2Connection>>;
  Connections held() const { return connections_; }

  void on_greeted(const std::string& peer, Result<net::Greeted, std::string> greeted) {
    if (!greeted.ok()) {
      if (!greeted.error().empty()) log_refused(peer, greeted.error());
      return count_->leave();
    }
    if (greeted->dialect == net::Dialect::kHttp1) return http1_->adopt(std::move(*greeted));
    auto connection = net::Http2Connection::open(*loop_, std::move(*greeted), options_, this);
    connections_.emplace(connection.get(), connection);
    if (is_draining_) connection->drain();
  }

  // Whoever is refused tries again, many of them perhaps: only so many lines a second.
  void log_refused(const std::string& peer, const std::string& why) {
    const auto now = std::chrono::steady_clock::now();
    if (now - refusals_since_ >= 1s) {
      if (refusals_ > kRefusalLines) LOG_WARN("{} more connections were refused", refusals_ - kRefusalLines);
      refusals_since_ = now;
      refusals_ = 0;
    }
    if (++refusals_ <= kRefusalLines) LOG_WARN("the connection from {} is refused: {}", peer, why);
  }

  const std::shared_ptr<ServerCalls> calls_;
  const std::shared_ptr<net::Loop> loop_;
  const size_t message_bytes_max_;
  const std::shared_ptr<ConnectionCount> count_;
  const std::shared_ptr<net::Tls> tls_;  // nullptr: plain text
  const net::Http2Options options_{.ping_after = 10s, .ping_timeout = 3s, .pings_without_streams = true};
  std::unordered_map<uint64_t, std::unique_ptr<net::Greeting>> greetings_;  // of connections that said nothing yet
  uint64_t next_greeting_ = 1;
  std::unique_ptr<http::Endpoint> http1_;  // null once it has ended
  Connections connections_;
  std::unordered_map<net::Http2Connection*, std::shared_ptr<ConnectionAnswers>> answers_;
  std::chrono::steady_clock::time_point refusals_since_;
  uint64_t refusals_ = 0;  // since then
  bool is_draining_ = false;
  bool is_ended_ = false;
};

class Server::Core final : public ServerCalls, public std::enable_shared_from_this<Server::Core> {
 public:
  Core(Router router, const ServerOptions& options)
      : router_(std::move(router)),
        http_(options.http ? options.http : no_http()),
        answer_compression_(options.answer_compression),
        receive_budget_(options.receive_bytes_max) {
    serve_health(router_, health_);
  }
  ~Core() override = default;

  void start(const ServerOptions& options, const std::vector<int>& sockets);
  int port() const { return port_; }
  HealthState& health() { return *health_; }
  bool stop(Duration grace);
  std::string what_is_left();

  // Of all threads:
  const Router& router() const override { return router_; }
  const http::Router& http() const override { return *http_; }
  std::atomic<size_t>& plain_requests() override { return plain_requests_; }
  ReceiveBudget& receive_budget() override { return receive_budget_; }
  const AnswerCompression& answer_compression() const override { return answer_compression_; }
  void on_call_begun(const std::shared_ptr<ServerCall>& call, const Router::Route* route) override;
  void on_call_ended(ServerCall* call, const Router::Route* route) override;

 private:
  void end(Duration grace);
  // Runs it on each loop and waits until it has.
  void on_each_loop(const std::function<void(size_t)>& what);

  Router router_;
  const std::shared_ptr<const http::Router> http_;
  const AnswerCompression answer_compression_;
  std::atomic<size_t> plain_requests_{0};
  ReceiveBudget receive_budget_;
  std::shared_ptr<HealthState> health_ = std::make_shared<HealthState>();
  int port_ = 0;
  std::vector<std::shared_ptr<net::Loop>> loops_;
  size_t lent_loops_ = 0;                                  // the first of them, which others end
  std::vector<std::shared_ptr<LoopServer>> servers_;       // one a loop
  std::vector<std::unique_ptr<net::Acceptor>> acceptors_;  // on the first loop's thread
  size_t next_loop_ = 0;                                   // for the next connection; on the first loop's thread

  Mutex mutex_;
  CondVar all_ended_;
  bool is_stopping_ CAIRN_GUARDED_BY(mutex_) = false;
  bool has_ended_ CAIRN_GUARDED_BY(mutex_) = false;                                          // nothing of it runs
  size_t live_ CAIRN_GUARDED_BY(mutex_) = 0;                                                 // calls that are not over
  std::unordered_map<const Router::Route*, size_t> live_by_route_ CAIRN_GUARDED_BY(mutex_);  // likewise
  // Of kind kStream.
  std::unordered_map<ServerCall*, std::weak_ptr<ServerCall>> streams_ CAIRN_GUARDED_BY(mutex_);
};

void Server::Core::on_call_begun(const std::shared_ptr<ServerCall>& call, const Router::Route* route) {
  MutexLock lock(mutex_);
  ++live_;
  ++live_by_route_[route];
  if (route != nullptr && route->kind == Router::Kind::kStream) streams_.emplace(call.get(), call);
}

void Server::Core::on_call_ended(ServerCall* call, const Router::Route* route) {
  MutexLock lock(mutex_);
  streams_.erase(call);
  --live_by_route_[route];
  --live_;
  if (live_ == 0) all_ended_.notify_all();
}

void Server::Core::start(const ServerOptions& options, const std::vector<int>& sockets) {
  port_ = net::port_of(sockets.front());
  if (options.loop) loops_.push_back(options.loop);
  lent_loops_ = loops_.size();
  size_t threads = static_cast<size_t>(std::max(0, options.threads));
  if (threads == 0) threads = options.loop ? 1 : std::max(1U, std::thread::hardware_concurrency() / 4);
  for (size_t i = loops_.size(); i < threads; ++i) {
    loops_.push_back(std::make_shared<net::Loop>("network-" + std::to_string(i)));
  }
  const size_t max = options.message_bytes_max < 0 ? kMessageMax : static_cast<size_t>(options.message_bytes_max);
  const auto count = std::make_shared<ConnectionCount>(options.connections_max);
  for (const auto& loop : loops_) {
    servers_.push_back(std::make_shared<LoopServer>(shared_from_this(), loop, max, count, options.tls, http_));
  }
  loops_.front()->post([self = shared_from_this(), sockets] {
    for (const int socket : sockets) {
      // The acceptor dies before the core does: the core ends it.
      self->acceptors_.push_back(
          std::make_unique<net::Acceptor>(*self->loops_.front(), socket, [core = self.get()](int fd, std::string peer) {
            const auto& server = core->servers_[core->next_loop_++ % core->servers_.size()];
            if (server->loop().is_current()) return server->adopt(fd, std::move(peer));
            server->loop().post([server, fd, peer = std::move(peer)]() mutable { server->adopt(fd, std::move(peer)); });
          }));
    }
  });
  health_->set(HealthState::kServing);
}

void Server::Core::on_each_loop(const std::function<void(size_t)>& what) {
  for (size_t i = 0; i < loops_.size(); ++i) {
    std::promise<void> done;
    const auto is_done = done.get_future();
    // The promise goes with the job: if the loop has ended and drops it, nobody waits.
    loops_[i]->post([&what, i, done = std::move(done)]() mutable {
      what(i);
      done.set_value();
    });
    is_done.wait();
  }
}

// Blocks for as long as a handler does.
void Server::Core::end(Duration grace) {
  const auto until = std::chrono::steady_clock::now() + grace;
  on_each_loop([this](size_t i) {
    if (i == 0) acceptors_.clear();
    servers_[i]->drain();
  });
  std::vector<std::shared_ptr<ServerCall>> told;
  {
    MutexLock lock(mutex_);
    for (auto& [_, weak] : streams_) {
      if (auto call = weak.lock()) told.push_back(std::move(call));
    }
  }
  for (auto& call : told) call->tell_stopping();
  told.clear();
  {
    MutexLock lock(mutex_);
    while (live_ > 0 && std::chrono::steady_clock::now() < until) all_ended_.wait_until(mutex_, until);
  }
  on_each_loop([this](size_t i) { servers_[i]->end(); });
  {
    MutexLock lock(mutex_);
    CHECK(live_ == 0, "{} calls outlived their connections", live_);
  }
  for (size_t i = lent_loops_; i < loops_.size(); ++i) loops_[i]->stop();
}

bool Server::Core::stop(Duration grace) {
  {
    MutexLock lock(mutex_);
    if (is_stopping_) return has_ended_;
    is_stopping_ = true;
  }
  health_->set(HealthState::kNotServing);
  std::thread ending([self = shared_from_this(), grace] {
    self->end(grace);
    MutexLock lock(self->mutex_);
    self->has_ended_ = true;
    self->all_ended_.notify_all();
  });
  bool is_ended = false;
  {
    MutexLock lock(mutex_);
    is_ended = all_ended_.wait_for(mutex_, grace + kStopMargin, [this]() CAIRN_REQUIRES(mutex_) { return has_ended_; });
  }
  if (is_ended) {
    ending.join();
  } else {
    ending.detach();
  }
  return is_ended;
}

std::string Server::Core::what_is_left() {
  MutexLock lock(mutex_);
  if (has_ended_) return "";
  std::string calls;
  for (const auto& [method, route] : router_.routes()) {
    const size_t count = live_by_route_[&route];
    if (count > 0) calls += (calls.empty() ? "" : ", ") + std::to_string(count) + " of " + method;
  }
  return calls.empty() ? "its threads" : "calls that do not end: " + calls;
}

Server::Server(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Server::~Server() { stop(Duration(0)); }

Result<std::unique_ptr<Server>, std::string> Server::start(ServerOptions options, Router router) {
  CHECK(!options.addresses.empty(), "a server without an address");
  auto sockets = net::listen_on_all(options.addresses);
  if (!sockets.ok()) return Err(std::move(sockets).error());
  auto core = std::make_shared<Core>(std::move(router), options);
  core->start(options, *sockets);
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

int Server::port() const { return core_->port(); }

void Server::set_serving(bool serving) {
  core_->health().set(serving ? HealthState::kServing : HealthState::kNotServing);
}

bool Server::stop(Duration grace) { return core_->stop(grace); }

std::string Server::what_is_left() const { return core_->what_is_left(); }

}  // namespace cairn::rpc
