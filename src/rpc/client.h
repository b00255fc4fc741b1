// The client's side of gRPC as bytes: channels, unary calls and streams.
//
// A ClientLoop has one loop, its own or one that others use too; callbacks and events come on that thread and must not
// block. Methods may be called on any thread. stop() (or the destructor) cancels what is under way and waits until each
// callback has run. Tests: client_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <memory>
#include <string>
#include <utility>

#include "api/status.h"
#include "base/time.h"
#include "net/loop.h"
#include "net/tls.h"
#include "rpc/message_frame.h"
#include "rpc/metadata.h"
#include "rpc/payload.h"

namespace cairn::rpc {

// What happens on a client's stream. Messages are read as they come.
class ClientStreamEvents {
 public:
  virtual ~ClientStreamEvents() = default;
  // A write may be begun: once the stream has started, and after each write.
  virtual void on_writable() {}
  // What came with the answer's headers: before the first message, once; not if the server sent nothing but a status.
  virtual void on_headers(Metadata) {}
  virtual void on_message(Payload message) = 0;
  // What came with the server's status; on_closed follows.
  virtual void on_trailers(Metadata) {}
  // The stream is over; the last event, exactly one.
  virtual void on_closed(api::Status status) = 0;
};

class ClientStream {
 public:
  virtual ~ClientStream() = default;
  // Sends one message. Precondition: on_writable came since the last write. Does nothing once the stream is over.
  virtual void write(Payload message) = 0;
  // No more will be sent; the server may still answer. Precondition as for write().
  virtual void end_writes() = 0;
  // Ends it from our side; on_closed follows.
  virtual void cancel() = 0;
};

// Longer than a year is for ever.
constexpr Duration kNoTimeout = Duration::max();

struct StreamOptions {
  Metadata metadata;
  Duration timeout = kNoTimeout;
  Compression compression = Compression::kIdentity;  // of what is sent
};

// One server's address; connects when first used and reconnects by itself (50 ms to 1 s of back-off).
class Channel {
 public:
  virtual ~Channel() = default;
  // `done` runs once.
  virtual void call(const std::string& method, Payload request, Duration timeout,
                    absl::AnyInvocable<void(api::Status, Payload)> done, const Metadata& metadata = {}) = 0;
  virtual std::shared_ptr<ClientStream> open(const std::string& method, std::shared_ptr<ClientStreamEvents> events,
                                             const StreamOptions& options = {}) = 0;
  // The server is known to be there: a back-off that is under way ends now.
  virtual void reconnect_now() = 0;
  virtual const std::string& address() const = 0;
};

class ClientLoop {
 public:
  // With a thread of its own. With `tls` every channel speaks TLS, whatever the scheme of its address.
  explicit ClientLoop(std::shared_ptr<net::Tls> tls = nullptr);
  // On that loop, which outlives stop().
  explicit ClientLoop(std::shared_ptr<net::Loop> loop, std::shared_ptr<net::Tls> tls = nullptr);
  ~ClientLoop();
  ClientLoop(const ClientLoop&) = delete;
  ClientLoop& operator=(const ClientLoop&) = delete;

  // A channel to "host:port" or a URL; without TLS, calls to "https://" fail. `index` tells apart connections to the
  // same address.
  std::shared_ptr<Channel> channel(const std::string& address, int index = 0);
  // See above; later calls fail with CANCELLED.
  void stop();

  class Core;

 private:
  std::shared_ptr<Core> core_;
};

// `done(Reply<Resp>)` for a unary call of messages.
template <class Resp, class Done>
void call_unary(Channel& channel, const std::string& method, const google::protobuf::MessageLite& request,
                Duration timeout, Done done) {
  channel.call(method, Payload::serialize(request), timeout,
               [done = std::move(done)](api::Status status, Payload payload) mutable {
                 Resp response;
                 if (status.ok() && !payload.parse_into(response)) {
                   status = {api::Code::kInternal, "the response could not be parsed"};
                 }
                 if (status.ok()) {
                   done(api::Reply<Resp>(std::move(response)));
                 } else {
                   done(api::Reply<Resp>(Err(std::move(status))));
                 }
               });
}

}  // namespace cairn::rpc
