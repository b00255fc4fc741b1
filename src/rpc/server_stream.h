// One RPC on the server, as bytes in and bytes out: the seam between what we serve and the HTTP/2 library beneath. All
// kinds of RPC look alike here: messages come, messages go, and one status ends it (gRPC's generic service).
//
// A handler is called once per RPC with its ServerStream and attaches StreamEvents. Back-pressure is explicit: one
// read() brings one message; one write() may be outstanding. Events of one stream come one after the other, on the
// transport's thread; they must not block. ServerStream's methods may be called on any thread, and do nothing once the
// RPC has ended. Tests: server_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "api/status.h"
#include "rpc/message_frame.h"
#include "rpc/metadata.h"
#include "rpc/payload.h"

namespace cairn::rpc {

// How a server compresses its answers by itself, where clients take that: messages of so many bytes or more.
struct AnswerCompression {
  Compression compression = Compression::kIdentity;
  size_t message_bytes_min = 4096;
};

// What happens on a stream; implemented by each kind of handler.
class StreamEvents {
 public:
  virtual ~StreamEvents() = default;
  // The message that read() asked for.
  virtual void on_message(Payload message) = 0;
  // Instead of a message: the client sends no more (or is gone; then on_closed follows).
  virtual void on_read_end() {}
  // The outstanding write went out; the next may be begun.
  virtual void on_write_done() {}
  // The server stops: finish what is under way soon. Only streams are told; unary calls are just waited for.
  // The one event that comes on another thread.
  virtual void on_server_stopping() {}
  // The RPC is over: finished, cancelled or broken. The last event, exactly one.
  virtual void on_closed() {}
};

class ServerStream {
 public:
  virtual ~ServerStream() = default;
  // To be called by the handler before it returns.
  virtual void attach(std::shared_ptr<StreamEvents> events) = 0;
  // Asks for one message.
  virtual void read() = 0;
  // Sends one message. Precondition: no write is outstanding. False if the RPC is over already.
  virtual bool write(Payload message) = 0;
  // Ends the RPC; a write that is outstanding goes out first. Only the first call counts.
  virtual void finish(api::Status status) = 0;
  // The same with a last message and an OK status, in one packet. Precondition: no write is outstanding.
  virtual void write_and_finish(Payload message) = 0;
  // Sends the answer's headers with this metadata; without it they go with the first message. Only the first call
  // counts, and only before a write.
  virtual void send_headers(Metadata metadata) = 0;
  // Goes with the status, whichever that is.
  virtual void set_trailers(Metadata metadata) = 0;
  // Calls `begin` once the connection has room for an answer of so many values (answer_room.h): now or later, or not at
  // all if the RPC ends before. Once, on the transport's thread, by a handler that answers with one message.
  virtual void begin_with_room(uint32_t values, absl::AnyInvocable<void()> begin) = 0;
  // Compresses all messages of the answer, if the client takes that. To be called before the answer's headers are sent.
  virtual void compress(Compression compression) = 0;
  // The client's metadata under that (lower-case) key; empty if absent. Valid until the handler returns.
  virtual std::string metadata(std::string_view key) const = 0;
  // The client's address.
  virtual std::string peer() const = 0;
  // A number that all streams of a connection share, and hardly any others.
  uint64_t connection() const { return std::hash<std::string>()(peer()); }
  // Whether it has ended, whoever ended it, or is about to: nothing is sent any more.
  virtual bool is_over() const = 0;
};

// Which handler serves which full method name ("/tikvpb.Tikv/KvGet"). Filled before the server starts.
class Router {
 public:
  enum class Kind { kUnary, kStream };
  using Handler = std::function<void(std::shared_ptr<ServerStream>)>;
  struct Route {
    Kind kind = Kind::kUnary;
    Handler handler;
  };

  // Each name once.
  void add(std::string method, Kind kind, Handler handler);
  // nullptr if unknown.
  const Route* find(const std::string& method) const;
  const std::map<std::string, Route>& routes() const { return routes_; }

 private:
  std::map<std::string, Route> routes_;
};

}  // namespace cairn::rpc
