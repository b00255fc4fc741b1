// Two-way streams with exactly one answer for each request, in the order of the requests (Tso, QueryRegion,
// LeaseKeepAlive). Each request is an api::Call; calls may finish in any order, on any thread. A call that fails ends
// the stream with its status once its turn has come. Reading pauses while too many calls are under way. Tests:
// services_test.cc.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "api/call.h"
#include "base/mutex.h"
#include "rpc/server_stream.h"

namespace cairn::rpc {

// The part that knows no messages: slots in order of the requests, filled in any order.
class OrderedStream : public StreamEvents, public std::enable_shared_from_this<OrderedStream> {
 public:
  // Starts the call of one request; its end calls answer(slot, ...). False if the bytes are no such request.
  using Dispatch = std::function<bool(std::shared_ptr<OrderedStream>, uint64_t slot, const Payload&)>;

  OrderedStream(std::shared_ptr<ServerStream> stream, std::shared_ptr<const Dispatch> dispatch)
      : stream_(std::move(stream)), dispatch_(std::move(dispatch)) {}

  // The answer of a slot, once. Any thread.
  void answer(uint64_t slot, api::Status status, Payload response);

  void on_message(Payload message) override;
  void on_read_end() override;
  void on_write_done() override;
  void on_server_stopping() override;

 private:
  struct Answer {
    api::Status status;
    Payload response;
  };
  static constexpr size_t kInFlightMax = 256;

  void advance() CAIRN_REQUIRES(mutex_);  // sends what is next, if nothing is being sent

  const std::shared_ptr<ServerStream> stream_;
  const std::shared_ptr<const Dispatch> dispatch_;
  Mutex mutex_;
  uint64_t first_slot_ CAIRN_GUARDED_BY(mutex_) = 0;  // of slots_.front()
  std::deque<std::optional<Answer>> slots_ CAIRN_GUARDED_BY(mutex_);
  bool is_writing_ CAIRN_GUARDED_BY(mutex_) = false;
  bool is_reading_ CAIRN_GUARDED_BY(mutex_) = true;  // a read is outstanding
  bool no_more_ CAIRN_GUARDED_BY(mutex_) = false;    // no request will come any more
  api::Status end_status_ CAIRN_GUARDED_BY(mutex_);  // when the last slot is answered
};

template <class Req, class Resp>
class OrderedCallState final : public api::CallState<Req, Resp> {
 public:
  OrderedCallState(std::shared_ptr<OrderedStream> stream, uint64_t slot) : stream_(std::move(stream)), slot_(slot) {}
  const Req& request() const override { return request_; }
  Req& mutable_request() override { return request_; }
  Resp& response() override { return response_; }
  void finish(api::Status status) override {
    if (status.ok() && !Payload::fits(response_)) {
      status = {api::Code::kResourceExhausted, "the answer is too large for one message"};
    }
    Payload payload = status.ok() ? Payload::serialize(response_) : Payload();
    stream_->answer(slot_, std::move(status), std::move(payload));
  }

 private:
  std::shared_ptr<OrderedStream> stream_;
  uint64_t slot_;
  Req request_;
  Resp response_;
};

// Registers the method of such a stream.
void add_ordered_bytes(Router& router, std::string method, OrderedStream::Dispatch dispatch);

template <class Req, class Resp, class Serve>
void add_ordered(Router& router, std::string method, Serve serve) {
  add_ordered_bytes(
      router, std::move(method),
      [serve = std::move(serve)](std::shared_ptr<OrderedStream> stream, uint64_t slot, const Payload& message) {
        auto state = std::make_unique<OrderedCallState<Req, Resp>>(std::move(stream), slot);
        if (!message.parse_into(state->mutable_request())) return false;
        serve(api::Call<Req, Resp>(std::move(state)));
        return true;
      });
}

}  // namespace cairn::rpc
