// Streams of api/stream.h on the wire: the server's end is asked for the next message when the last has gone out. Used
// for etcd's Watch and the other watches. Tests: services_test.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "api/stream.h"
#include "rpc/server_stream.h"

namespace cairn::rpc {

// What it means that the client sends no more.
enum class HalfClose { kEndsStream, kIsUsual };

template <class Req, class Resp>
class RoomStream final : public StreamEvents, public std::enable_shared_from_this<RoomStream<Req, Resp>> {
 public:
  using Open = std::function<std::unique_ptr<api::StreamEnd<Req>>(api::StreamSink<Resp>)>;

  RoomStream(std::shared_ptr<ServerStream> stream, HalfClose half_close)
      : stream_(std::move(stream)), half_close_(half_close) {}

  void open(const Open& open) {
    inner_ = open({.respond = [stream = stream_](const Resp& response) { respond(*stream, response); },
                   .close = [stream = stream_](api::Status status) { stream->finish(std::move(status)); }});
    stream_->read();
  }

  void on_message(Payload message) override {
    Req request;
    if (!message.parse_into(request)) {
      stream_->finish({api::Code::kInternal, "the message could not be parsed"});
      return;
    }
    inner_->on_request(std::move(request));
    stream_->read();
  }
  void on_read_end() override {
    if (half_close_ == HalfClose::kEndsStream) stream_->finish({});
  }
  void on_write_done() override { inner_->on_room(); }
  void on_server_stopping() override { stream_->finish({api::Code::kUnavailable, "the server is stopping"}); }
  void on_closed() override { inner_.reset(); }

 private:
  static void respond(ServerStream& stream, const Resp& response) {
    if (Payload::fits(response)) {
      stream.write(Payload::serialize(response));
    } else {
      stream.finish({api::Code::kResourceExhausted, "the answer is too large for one message"});
    }
  }

  const std::shared_ptr<ServerStream> stream_;
  const HalfClose half_close_;
  std::unique_ptr<api::StreamEnd<Req>> inner_;  // on the transport's thread
};

// Registers the method of such a stream.
template <class Req, class Resp>
void add_room_stream(Router& router, std::string method, HalfClose half_close,
                     typename RoomStream<Req, Resp>::Open open) {
  router.add(std::move(method), Router::Kind::kStream,
             [half_close, open = std::move(open)](std::shared_ptr<ServerStream> stream) {
               auto events = std::make_shared<RoomStream<Req, Resp>>(stream, half_close);
               stream->attach(events);
               events->open(open);
             });
}

}  // namespace cairn::rpc
