#include "http/connection.h"

#include <algorithm>
#include <utility>

#include "net/linger.h"

namespace cairn::http {

namespace {

using std::chrono::steady_clock;

// What may wait behind a request that a handler has.
constexpr size_t kPipelinedMax = size_t{16} << 10;

}  // namespace

std::shared_ptr<Connection> Connection::open(std::shared_ptr<net::Loop> loop, net::Greeted greeted,
                                             std::shared_ptr<const Router> router, const Limits& limits, Owner* owner) {
  auto connection = std::make_shared<Connection>(std::move(loop), std::move(router), limits, owner);
  connection->start(std::move(greeted));
  return connection;
}

Connection::Connection(std::shared_ptr<net::Loop> loop, std::shared_ptr<const Router> router, const Limits& limits,
                       Owner* owner)
    : loop_(std::move(loop)),
      router_(std::move(router)),
      limits_(limits),
      owner_(owner),
      deadlines_(*loop_, [this](net::Deadlines::TimePoint now) { return look_at_deadline(now); }),
      active_at_(steady_clock::now()) {}

void Connection::start(net::Greeted greeted) {
  peer_ = greeted.transport->peer();
  in_ = greeted.first.view();
  wire_ = std::make_shared<net::Wire>(*loop_, std::move(greeted.transport), weak_from_this());
  set_deadline(limits_.header_max);
  // Later, so that the owner knows the connection before it hears of it.
  loop_->post([weak = weak_from_this(), has_more = greeted.has_more] {
    const auto self = weak.lock();
    if (!self || !self->wire_) return;
    if (has_more) self->wire_->expect_more();
    self->advance();
  });
}

void Connection::on_bytes(net::Slice bytes) {
  active_at_ = steady_clock::now();
  in_ += bytes.view();
  advance();
}

void Connection::on_end() {
  is_at_end_ = true;
  advance();
}

void Connection::on_broken(const std::string&) { close(); }

void Connection::on_taken() {
  active_at_ = steady_clock::now();
  if (wire_->unsent() > 0) set_deadline(std::min(limits_.stall_max, answer_by_ - active_at_));
  advance();
}

void Connection::advance() {
  if (std::exchange(is_advancing_, true)) return;
  const auto self = shared_from_this();
  while (wire_ && !is_handled_ && wire_->unsent() == 0 && !is_ending_ && parse_next()) {
  }
  is_advancing_ = false;
  if (!wire_) return;
  if (wire_->unsent() == 0 && !is_handled_ && (is_ending_ || is_at_end_ || (is_draining_ && !has_begun_))) {
    return say_goodbye();
  }
  // While it is parsed, a message needs all that comes; it has bounds of its own.
  const bool is_parsing = !is_handled_ && wire_->unsent() == 0;
  wire_->want_bytes(!is_at_end_ && !is_ending_ && (is_parsing || in_.size() < kPipelinedMax));
}

bool Connection::parse_next() {
  if (in_.empty()) return false;
  if (!std::exchange(has_begun_, true)) {
    parser_.emplace(limits_);
    set_deadline(limits_.header_max);
  }
  const auto fed = parser_->feed(in_);
  in_.erase(0, fed.taken);
  if (fed.outcome == RequestParser::Outcome::kMistaken) {
    refuse(parser_->status());
    return false;
  }
  if (parser_->has_headers() && !std::exchange(is_in_body_, true)) set_deadline(limits_.body_max);
  if (fed.outcome == RequestParser::Outcome::kMore) {
    if (parser_->take_expectation()) {
      wire_->send("HTTP/1.1 100 Continue\r\n\r\n");
      wire_->flush();
    }
    return false;
  }
  has_begun_ = is_in_body_ = false;
  deadline_ = net::Deadlines::kNone;
  is_handled_ = true;
  Request request = std::move(parser_->request());
  is_head_ = request.method == "HEAD";
  keeps_alive_ = parser_->keeps_alive() && !is_draining_;
  says_keep_ = keeps_alive_ && parser_->is_old();
  parser_.reset();
  request.peer = peer_;
  serve(std::move(request));
  return true;
}

void Connection::serve(Request request) {
  router_->serve(std::move(request), Responder([weak = weak_from_this(), loop = loop_](Response response) {
                   if (loop->is_current()) {
                     if (const auto self = weak.lock()) self->on_answer(std::move(response));
                     return;
                   }
                   loop->post([weak, response = std::move(response)]() mutable {
                     if (const auto self = weak.lock()) self->on_answer(std::move(response));
                   });
                 }));
}

void Connection::on_answer(Response response) {
  if (!wire_ || !is_handled_) return;
  is_handled_ = false;
  put(response);
  advance();
}

void Connection::refuse(int status) {
  is_head_ = keeps_alive_ = says_keep_ = false;
  in_.clear();
  put({.status = status, .body = std::string(reason_of(status)) + "\n", .headers = {}});
}

void Connection::put(const Response& response) {
  if (is_draining_) keeps_alive_ = false;
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " " + reason_of(response.status) + "\r\n";
  const auto add = [&head](std::string_view name, std::string_view value) {
    (((head += name) += ": ") += value) += "\r\n";
  };
  const bool has_body = response.status != 204 && response.status != 304;
  if (has_body) {
    add("Content-Type", response.content_type);
    add("Content-Length", std::to_string(response.body.size()));
  }
  for (const auto& [name, value] : response.headers) add(name, value);
  if (!keeps_alive_) add("Connection", "close");
  if (says_keep_) add("Connection", "keep-alive");
  wire_->send(head + "\r\n");
  if (has_body && !is_head_) {
    const auto body = std::make_shared<const std::string>(response.body);
    wire_->send(net::Slice{body, body->data(), body->size()});
  }
  is_ending_ = !keeps_alive_;
  answer_by_ = steady_clock::now() + limits_.stall_max +
               std::chrono::milliseconds(wire_->unsent() * 1000 / limits_.answer_rate_min);
  set_deadline(limits_.stall_max);
  wire_->flush();
  // Unless the next request has begun meanwhile, which has a deadline of its own.
  if (wire_ && wire_->unsent() == 0 && !has_begun_ && !is_handled_) set_deadline(limits_.idle_max);
}

void Connection::drain() {
  is_draining_ = true;
  if (wire_) advance();
}

void Connection::say_goodbye() {
  net::linger(*loop_, wire_->release());
  close();
}

void Connection::close() {
  if (!wire_) return;
  const auto self = shared_from_this();
  wire_ = nullptr;
  deadline_ = net::Deadlines::kNone;
  deadlines_.clear();
  if (auto* owner = std::exchange(owner_, nullptr)) owner->on_connection_closed(*this);
}

void Connection::set_deadline(Duration from_now) {
  deadline_ = steady_clock::now() + from_now;
  deadlines_.add(deadline_);
}

net::Deadlines::TimePoint Connection::look_at_deadline(net::Deadlines::TimePoint now) {
  if (now < deadline_) return deadline_;
  const auto self = shared_from_this();
  deadline_ = net::Deadlines::kNone;
  on_deadline();
  return deadline_;
}

void Connection::on_deadline() {
  if (!wire_ || is_handled_) return;
  if (wire_->unsent() > 0) return close();
  if (!has_begun_) return say_goodbye();
  refuse(408);
  advance();
}

}  // namespace cairn::http
