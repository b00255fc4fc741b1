// Wire: a connection as a stream of bytes that come when they are wanted and go when the socket takes them. It knows
// when a transport waits for the opposite of what it was asked for, and what it holds back. Confined to the loop's
// thread. Tests: greeting_test.cc.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/loop.h"
#include "net/out_queue.h"
#include "net/slice.h"
#include "net/transport.h"

namespace cairn::net {

class Wire final : private Loop::Ready, public std::enable_shared_from_this<Wire> {
 public:
  // Who has the wire. It may let go of the wire in each event, which is then the last one.
  class User {
   public:
    virtual ~User() = default;
    virtual void on_bytes(Slice bytes) = 0;
    // The other side sends no more.
    virtual void on_end() = 0;
    // The connection is broken.
    virtual void on_broken(const std::string& why) = 0;
    // Some of what waited has been taken, or all.
    virtual void on_taken() {}
  };

  // The user must outlive its last event.
  Wire(Loop& loop, std::unique_ptr<Transport> transport, std::weak_ptr<User> user);

  // Whether on_bytes is wanted from now on; at first it is not.
  void want_bytes(bool on);
  void send(std::string_view bytes);  // a copy
  void send(Slice slice);
  // Writes as far as the socket takes it; the rest follows by itself, and on_taken tells of it.
  void flush();
  size_t unsent() const { return out_.size(); }
  // What waits to be sent, for who fills it by itself.
  OutQueue& out() { return out_; }
  // Whether the socket takes nothing for now; and whether that is because TLS wants to hear something first.
  bool is_blocked() const { return is_write_blocked_; }
  bool is_crossed() const { return is_write_crossed_; }

  // Ends the events; what was not sent is dropped.
  std::unique_ptr<Transport> release();
  // The transport is known to hold input, from before it came here.
  void expect_more() { has_more_ = true; }
  // Whether the transport holds input of which no readiness tells.
  bool has_more() const { return has_more_; }
  const Transport& transport() const { return *transport_; }

 private:
  void on_readable() override;
  void on_writable() override;
  void read();
  void read_held();
  void broken();
  void watch_for();

  Loop& loop_;
  std::unique_ptr<Transport> transport_;
  const std::weak_ptr<User> user_;
  std::unique_ptr<Loop::Watch> watch_;  // null once it is released
  OutQueue out_;
  bool wants_bytes_ = false;
  bool is_at_end_ = false;
  bool is_write_blocked_ = false;
  bool is_write_crossed_ = false;  // then it is until the socket is readable
  bool is_read_crossed_ = false;   // reading goes on once the socket is writable
  bool has_more_ = false;
  bool is_read_posted_ = false;
};

}  // namespace cairn::net
