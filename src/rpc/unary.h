// Unary methods: one request, parsed into an arena, becomes an api::Call; its end sends the response. Tests:
// services_test.cc.
#pragma once

#include <google/protobuf/arena.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "api/call.h"
#include "rpc/answer_room.h"
#include "rpc/metrics.h"
#include "rpc/server_stream.h"

namespace cairn::rpc {

// Registers `method`; `dispatch` gets stream and message once the message is there.
void add_unary_bytes(Router& router, std::string method,
                     std::function<void(std::shared_ptr<ServerStream>, Payload)> dispatch);

// Request and response of one unary call, in one arena.
template <class Req, class Resp>
class UnaryCallState final : public api::CallState<Req, Resp> {
 public:
  UnaryCallState(std::shared_ptr<ServerStream> stream, const MethodMetrics& metrics)
      : stream_(std::move(stream)),
        metrics_(metrics),
        request_(google::protobuf::Arena::CreateMessage<Req>(&arena_)),
        response_(google::protobuf::Arena::CreateMessage<Resp>(&arena_)) {}

  const Req& request() const override { return *request_; }
  Req& mutable_request() override { return *request_; }
  Resp& response() override { return *response_; }
  bool is_abandoned() const override { return stream_->is_over(); }
  uint64_t client() const override { return stream_->connection(); }
  void finish(api::Status status) override {
    metrics_.note(status, begun_);
    if (status.ok() && !Payload::fits(*response_)) {
      stream_->finish({api::Code::kResourceExhausted, "the answer is too large for one message"});
    } else if (status.ok()) {
      stream_->write_and_finish(Payload::serialize(*response_));
    } else {
      stream_->finish(std::move(status));
    }
  }

 private:
  google::protobuf::Arena arena_;
  std::shared_ptr<ServerStream> stream_;
  const MethodMetrics& metrics_;
  const Instant begun_ = measured_now();
  Req* request_;
  Resp* response_;
};

// Registers `method`; `serve(Call)` gets each call, on the transport's thread.
template <class Req, class Resp, class Serve>
void add_unary(Router& router, std::string method, Serve serve) {
  const MethodMetrics& metrics = MethodMetrics::of(method);
  add_unary_bytes(router, std::move(method),
                  [&metrics, serve = std::move(serve)](std::shared_ptr<ServerStream> stream, Payload message) {
                    metrics.note_received();
                    auto state = std::make_unique<UnaryCallState<Req, Resp>>(stream, metrics);
                    if (!message.parse_into(state->mutable_request())) {
                      stream->finish({api::Code::kInternal, "the request could not be parsed"});
                      return;
                    }
                    const uint32_t values = values_asked(std::as_const(*state).request());
                    api::Call<Req, Resp> call(std::move(state));
                    if (values == 0) return serve(std::move(call));
                    stream->begin_with_room(values,
                                            [serve, call = std::move(call)]() mutable { serve(std::move(call)); });
                  });
}

}  // namespace cairn::rpc
