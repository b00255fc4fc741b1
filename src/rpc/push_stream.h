// True two-way streams: what the client sends goes in as it comes, and what the server has to say goes out as it comes.
// Used for PD's RegionHeartbeat and the stores' Detect. Tests: services_test.cc, deadlock_service_test.cc.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "base/mutex.h"
#include "rpc/server_stream.h"

namespace cairn::rpc {

// `Inner` is the server's end that takes the requests: it has send(Req), and closes the stream when it dies.
template <class Req, class Resp, class Inner>
class PushStream final : public StreamEvents, public std::enable_shared_from_this<PushStream<Req, Resp, Inner>> {
 public:
  struct Sink {
    std::function<void(Resp)> on_response;
    std::function<void(api::Status)> on_closed;
  };
  using Open = std::function<std::unique_ptr<Inner>(Sink)>;

  explicit PushStream(std::shared_ptr<ServerStream> stream) : stream_(std::move(stream)) {}

  void open(const Open& open) {
    auto weak = this->weak_from_this();
    inner_ = open({.on_response =
                       [weak](Resp response) {
                         if (auto self = weak.lock()) self->send(response);
                       },
                   .on_closed =
                       [weak](api::Status status) {
                         if (auto self = weak.lock()) self->stream_->finish(std::move(status));
                       }});
    stream_->read();
  }

  void on_message(Payload message) override {
    Req request;
    if (!message.parse_into(request)) {
      stream_->finish({api::Code::kInternal, "the message could not be parsed"});
      return;
    }
    inner_->send(std::move(request));
    stream_->read();
  }
  void on_read_end() override { stream_->finish({}); }
  void on_write_done() override {
    MutexLock lock(mutex_);
    is_writing_ = false;
    advance();
  }
  void on_server_stopping() override { stream_->finish({api::Code::kUnavailable, "the server is stopping"}); }
  void on_closed() override { inner_.reset(); }

 private:
  // What waits for the network; beyond it the oldest is dropped: what still matters is said again.
  static constexpr size_t kWaitingMax = 4096;

  void send(const Resp& response) {
    Payload payload = Payload::serialize(response);
    MutexLock lock(mutex_);
    if (waiting_.size() >= kWaitingMax) waiting_.pop_front();
    waiting_.push_back(std::move(payload));
    advance();
  }
  void advance() CAIRN_REQUIRES(mutex_) {
    if (is_writing_ || waiting_.empty()) return;
    is_writing_ = stream_->write(std::move(waiting_.front()));
    waiting_.pop_front();
    if (!is_writing_) waiting_.clear();
  }

  const std::shared_ptr<ServerStream> stream_;
  std::unique_ptr<Inner> inner_;  // on the transport's thread
  Mutex mutex_;
  std::deque<Payload> waiting_ CAIRN_GUARDED_BY(mutex_);
  bool is_writing_ CAIRN_GUARDED_BY(mutex_) = false;
};

// Registers the method of such a stream.
template <class Stream>
void add_push(Router& router, std::string method, typename Stream::Open open) {
  router.add(std::move(method), Router::Kind::kStream, [open = std::move(open)](std::shared_ptr<ServerStream> stream) {
    auto events = std::make_shared<Stream>(stream);
    stream->attach(events);
    events->open(open);
  });
}

}  // namespace cairn::rpc
