// A call of the client's, unary or streaming, over one stream of HTTP/2. Confined to the loop's thread but for what
// says otherwise. Tests: server_test.cc.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "net/http2.h"
#include "rpc/client.h"
#include "rpc/message_frame.h"

namespace cairn::rpc {

// What a call needs to be sent, on whichever connection.
struct CallHead {
  std::string method;
  std::string_view scheme = "http";
  std::string authority;
  Metadata metadata;
  std::chrono::steady_clock::time_point deadline = net::Deadlines::kNone;
  Compression compression = Compression::kIdentity;  // of what is sent
};

class ConnectionTo;

// The part that unary calls and streams share: headers, messages, and one status at the end.
//
// A call that the server certainly has not looked at (it was refused, or the server goes away and says so, or it was
// never sent) is begun again by itself, as gRPC has it ("transparent retries"), if what it sends is still there.
class ClientCall : public net::Http2Stream {
 public:
  explicit ClientCall(CallHead head);

  const CallHead& head() const { return head_; }
  // Sends it. False if the connection takes no more: then it is as it was.
  bool start(net::Http2Connection& connection);
  // By which it is begun again.
  void set_way(std::weak_ptr<ConnectionTo> way) { way_ = std::move(way); }
  // It ends with this, unless it has ended.
  void fail(api::Status status);
  bool is_over() const { return is_over_; }

 protected:
  // The connection has it; writing may begin.
  virtual void on_started() = 0;
  virtual void on_headers(Metadata) {}  // of the answer; from then on it is not begun again
  virtual void on_message(Payload message) = 0;
  virtual void on_trailers(Metadata) {}
  // Whether on_started() would send it all once more.
  virtual bool may_start_again() const { return false; }
  // Once.
  virtual void on_over(api::Status status) = 0;

  void send_message(const Payload& message);

 private:
  void on_header(std::string_view name, std::string_view value) final;
  void on_headers_end() final;
  void on_data(net::Slice data) final;
  void on_end() final;
  void on_deadline() final;
  void on_closed(net::Http2Error error, std::string_view why) final;

  // Whether it will be.
  bool start_again();

  const CallHead head_;
  std::weak_ptr<ConnectionTo> way_;
  int starts_ = 0;
  MessageReader reader_;
  bool is_over_ = false;
  // Of the answer:
  std::string http_status_;
  std::string content_type_;
  std::string encoding_;
  Metadata metadata_;  // of the headers, then of the trailers
  bool has_headers_ = false;
  std::optional<api::Code> code_;
  std::string text_;
};

}  // namespace cairn::rpc
