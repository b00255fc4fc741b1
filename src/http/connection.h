// A server's side of one connection of HTTP/1: requests one after the other, each answered before the next one is
// looked at, however many were sent at once. What comes in meanwhile is bounded: then it is not read. Confined to its
// loop's thread. Tests: server_test.cc.
//
//   Wire ─ bytes ─▶ in_ ─▶ RequestParser ─▶ Router ─▶ a handler, now or later ─▶ answer ─▶ Wire
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "http/message.h"
#include "http/request_parser.h"
#include "http/router.h"
#include "net/deadlines.h"
#include "net/greeting.h"
#include "net/loop.h"
#include "net/wire.h"

namespace cairn::http {

class Connection final : public net::Wire::User, public std::enable_shared_from_this<Connection> {
 public:
  // The connection's owner; must outlive it or let go of it.
  class Owner {
   public:
    virtual ~Owner() = default;
    // It is over. The last event.
    virtual void on_connection_closed(Connection& connection) = 0;
  };

  static std::shared_ptr<Connection> open(std::shared_ptr<net::Loop> loop, net::Greeted greeted,
                                          std::shared_ptr<const Router> router, const Limits& limits, Owner* owner);
  Connection(std::shared_ptr<net::Loop> loop, std::shared_ptr<const Router> router, const Limits& limits, Owner* owner);

  // Ends once what is under way is answered.
  void drain();
  // Ends now. The owner hears of it before this returns.
  void close();
  // No handler has a request of it.
  bool is_idle() const { return !is_handled_; }
  net::Deadlines::TimePoint active_at() const { return active_at_; }

 private:
  enum class Ending { kNo, kAfterAnswer };

  void start(net::Greeted greeted);
  void on_bytes(net::Slice bytes) override;
  void on_end() override;
  void on_broken(const std::string& why) override;
  void on_taken() override;

  // Goes on as far as it can: parses, has it served, reads more.
  void advance();
  // False: there is nothing to do for now.
  bool parse_next();
  void serve(Request request);
  void on_answer(Response response);
  void put(const Response& response);
  // For what is no request that a handler could see.
  void refuse(int status);
  void say_goodbye();
  void set_deadline(Duration from_now);
  net::Deadlines::TimePoint look_at_deadline(net::Deadlines::TimePoint now);
  void on_deadline();

  const std::shared_ptr<net::Loop> loop_;
  const std::shared_ptr<const Router> router_;
  const Limits limits_;
  Owner* owner_;
  std::shared_ptr<net::Wire> wire_;  // null once it is over
  std::string peer_;
  std::string in_;  // not parsed yet
  std::optional<RequestParser> parser_;
  net::Deadlines deadlines_;
  net::Deadlines::TimePoint deadline_ = net::Deadlines::kNone;
  net::Deadlines::TimePoint answer_by_;  // the answer that waits must be taken
  net::Deadlines::TimePoint active_at_;
  bool has_begun_ = false;   // bytes of the next request are here
  bool is_in_body_ = false;  // its headers are complete
  bool is_handled_ = false;  // a handler has it
  bool is_head_ = false;     // then: the answer has no body
  bool keeps_alive_ = true;  // then: another may follow
  bool says_keep_ = false;   // then: and that is to be said, to a client of HTTP/1.0
  bool is_at_end_ = false;   // the client sends no more
  bool is_ending_ = false;   // once what waits is sent
  bool is_draining_ = false;
  bool is_advancing_ = false;
};

}  // namespace cairn::http
