// Call<Req, Resp>: one request under way, from the one who asked to the one who serves. The server reads request(),
// fills response() and calls finish() once, on any thread. Request and response belong to the call: in rpc/ they live
// in an arena or inside a BatchCommands message, in the simulator on the heap; a handler cannot tell.
//
// A call that is dropped unfinished finishes itself with UNAVAILABLE: no caller waits for ever because a server
// stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "api/status.h"
#include "runtime/async.h"

namespace cairn::api {

// What carries a call: implemented by each transport.
template <class Req, class Resp>
class CallState {
 public:
  virtual ~CallState() = default;
  // Req is const where several calls may share it.
  virtual const Req& request() const = 0;
  virtual Req& mutable_request() = 0;
  virtual Resp& response() = 0;
  // Nobody waits for the answer any more: its deadline has passed, it was cancelled, or who asked is gone. Any thread.
  virtual bool is_abandoned() const { return false; }
  // Who asks: the same number for all calls of a connection. 0: not known.
  virtual uint64_t client() const { return 0; }
  // The answer is ready (or `status` says why not). Called once, on any thread; the state dies after it.
  virtual void finish(Status status) = 0;
};

template <class Req, class Resp>
class [[nodiscard]] Call {
 public:
  using Request = Req;
  using Response = Resp;

  Call() = default;
  explicit Call(std::unique_ptr<CallState<Req, Resp>> state) : state_(std::move(state)) {}
  Call(Call&&) noexcept = default;
  Call& operator=(Call&& other) noexcept {
    if (this != &other) {
      drop();
      state_ = std::move(other.state_);
    }
    return *this;
  }
  ~Call() { drop(); }

  const Req& request() const { return state_->request(); }
  // For the server that wants to move values out of the request.
  Req& mutable_request() { return state_->mutable_request(); }
  Resp& response() { return state_->response(); }
  bool is_abandoned() const { return state_->is_abandoned(); }
  uint64_t client() const { return state_->client(); }
  void finish(Status status = {}) {
    auto state = std::move(state_);
    state->finish(std::move(status));
  }
  bool is_pending() const { return state_ != nullptr; }

 private:
  void drop() {
    if (state_) finish({Code::kUnavailable, "the server stopped before it answered"});
  }
  std::unique_ptr<CallState<Req, Resp>> state_;
};

// A call on the heap whose end runs `done(Reply<Resp>)` on the finisher's thread.
template <class Req, class Resp>
Call<Req, Resp> make_call(Req request, absl::AnyInvocable<void(Reply<Resp>)> done) {
  struct Heap : CallState<Req, Resp> {
    Req req;
    Resp resp;
    absl::AnyInvocable<void(Reply<Resp>)> done;
    const Req& request() const override { return req; }
    Req& mutable_request() override { return req; }
    Resp& response() override { return resp; }
    void finish(Status status) override {
      auto run = std::move(done);
      if (status.ok()) {
        run(std::move(resp));
      } else {
        run(Err(std::move(status)));
      }
    }
  };
  auto state = std::make_unique<Heap>();
  state->req = std::move(request);
  state->done = std::move(done);
  return Call<Req, Resp>(std::move(state));
}

// co_await ask(executor, timeout, request, send): makes a call, hands it to `send(Call)`, and waits for the reply on
// `executor`, which outlives it. DEADLINE_EXCEEDED after `timeout`.   NOLINTBEGIN(*-coroutine-parameters)
template <class Req, class Resp, class Send>
runtime::Task<Reply<Resp>> ask(runtime::Executor& executor, Duration timeout, Req request, Send send) {
  auto [promise, future] = runtime::one_shot<Reply<Resp>>();
  send(make_call<Req, Resp>(std::move(request),
                            [p = std::move(promise)](Reply<Resp> reply) mutable { p.set(std::move(reply)); }));
  auto reply = co_await future.wait_for(executor, timeout);
  if (!reply) co_return Err(Status{Code::kDeadlineExceeded, "no answer in time"});
  co_return std::move(*reply);
}
// NOLINTEND(*-coroutine-parameters)
}  // namespace cairn::api
