#include "rpc/channel.h"

#include <algorithm>
#include <utility>

#include "base/host_port.h"

namespace cairn::rpc {

namespace {

using std::chrono::steady_clock;

constexpr Duration kBackOffFirst = 50ms;
constexpr Duration kBackOffMax = 1s;
constexpr Duration kConnectPatience = 3s;

net::Http2Options client_options() { return {.ping_after = 10s, .ping_timeout = 3s}; }

}  // namespace

ConnectionTo::ConnectionTo(std::shared_ptr<net::Loop> loop, std::string address, std::shared_ptr<net::Tls> tls,
                           bool must_be_tls)
    : loop_(std::move(loop)),
      address_(std::move(address)),
      tls_(std::move(tls)),
      must_be_tls_(must_be_tls),
      deadlines_(*loop_, [this](net::Deadlines::TimePoint now) { return look_at_deadlines(now); }),
      back_off_(kBackOffFirst) {}

ConnectionTo::~ConnectionTo() = default;

void ConnectionTo::start(std::shared_ptr<ClientCall> call) {
  if (call->is_over()) return;
  if (is_stopped_) return call->fail({api::Code::kCancelled, "the client has stopped"});
  if (must_be_tls_ && !tls_) {
    return call->fail({api::Code::kUnavailable, "https://" + address_ + ": TLS is not configured here"});
  }
  call->set_way(weak_from_this());
  if (connection_ && call->start(*connection_)) return;
  if (connection_) {
    going_away_.push_back(std::exchange(connection_, nullptr));
    going_away_.back()->drain();
  }
  if (!connecting_ && steady_clock::now() < may_connect_) {
    return call->fail({api::Code::kUnavailable, "failed to connect to " + address_ + ": " + why_not_});
  }
  if (call->head().deadline != net::Deadlines::kNone) deadlines_.add(call->head().deadline);
  waiting_.push_back(std::move(call));
  if (!connecting_) connect();
}

void ConnectionTo::start_soon(std::shared_ptr<ClientCall> call) {
  loop_->post([self = shared_from_this(), call = std::move(call)]() mutable { self->start(std::move(call)); });
}

void ConnectionTo::reconnect_now() {
  may_connect_ = {};
  back_off_ = kBackOffFirst;
}

void ConnectionTo::connect() {
  connecting_ = net::connect(loop_, address_, kConnectPatience, [weak = weak_from_this()](auto socket) {
    if (const auto self = weak.lock()) self->on_connected(std::move(socket));
  });
}

void ConnectionTo::on_connected(Result<int, std::string> socket) {
  const auto ended = std::exchange(connecting_, nullptr);
  if (!socket.ok()) return on_failed(socket.error());
  auto transport =
      tls_ ? tls_->dial(*socket, address_, parse_host_port(address_)->host) : net::plain_transport(*socket, address_);
  connection_ = net::Http2Connection::open(net::Http2Connection::Role::kClient, *loop_, std::move(transport),
                                           client_options(), this);
  for (auto& call : std::exchange(waiting_, {})) start(std::move(call));
}

void ConnectionTo::on_failed(const std::string& why) {
  why_not_ = why;
  may_connect_ = steady_clock::now() + back_off_;
  back_off_ = std::min(back_off_ * 2, kBackOffMax);
  for (auto& call : std::exchange(waiting_, {})) {
    call->fail({api::Code::kUnavailable, "failed to connect to " + address_ + ": " + why});
  }
}

net::Deadlines::TimePoint ConnectionTo::look_at_deadlines(net::Deadlines::TimePoint now) {
  auto earliest = net::Deadlines::kNone;
  for (auto& call : std::exchange(waiting_, {})) {
    if (call->head().deadline <= now) {
      call->fail({api::Code::kDeadlineExceeded, "the deadline has passed while connecting to " + address_});
    } else if (!call->is_over()) {
      earliest = std::min(earliest, call->head().deadline);
      waiting_.push_back(std::move(call));
    }
  }
  return earliest;
}

void ConnectionTo::on_going_away(net::Http2Connection& connection) {
  if (connection_.get() != &connection) return;
  going_away_.push_back(std::exchange(connection_, nullptr));
  connection.drain();
}

void ConnectionTo::on_connection_closed(net::Http2Connection& connection, const std::string& why) {
  std::erase_if(going_away_, [&](const auto& one) { return one.get() == &connection; });
  // Whoever takes connections and ends them at once is as good as not there.
  if (connection.has_hello()) back_off_ = kBackOffFirst;
  if (connection_.get() != &connection) return;
  connection_ = nullptr;
  if (!connection.has_hello()) return on_failed(why);
  why_not_ = why;
}

void ConnectionTo::stop() {
  is_stopped_ = true;
  connecting_ = nullptr;
  deadlines_.clear();  // from here on this may die on any thread
  for (auto& call : std::exchange(waiting_, {})) call->fail({api::Code::kCancelled, "the client has stopped"});
  for (const auto& connection : std::exchange(going_away_, {}))
    connection->end("the client has stopped", net::Http2Error::kCancel);
  if (const auto connection = std::exchange(connection_, nullptr))
    connection->end("the client has stopped", net::Http2Error::kCancel);
}

}  // namespace cairn::rpc
