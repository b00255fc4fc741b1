#include "rpc/forward.h"

#include <deque>
#include <memory>
#include <optional>
#include <utility>

namespace cairn::rpc {
namespace {

constexpr const char* kForwardedHost = "pd-forwarded-host";
// Answers that wait for a client that does not take them.
constexpr size_t kWaitingMax = 1024;
constexpr size_t kWaitingBytesMax = size_t{16} << 20;  // but for a single one

// One call that is passed on. Both ends live on one loop.
class Forwarded : public std::enable_shared_from_this<Forwarded> {
 public:
  explicit Forwarded(std::shared_ptr<ServerStream> from) : from_(std::move(from)) {}

  void start(Channel& channel, const std::string& method) {
    from_->attach(std::make_shared<FromEvents>(shared_from_this()));
    to_ = channel.open(method, std::make_shared<ToEvents>(shared_from_this()));
    from_->read();
  }

 private:
  struct FromEvents final : StreamEvents {
    explicit FromEvents(std::shared_ptr<Forwarded> c) : call(std::move(c)) {}
    void on_message(Payload message) override {
      call->asked_ = std::move(message);
      call->pass_on();
    }
    void on_read_end() override {
      call->has_asked_all_ = true;
      call->pass_on();
    }
    void on_write_done() override {
      call->is_answering_ = false;
      call->answer();
    }
    void on_server_stopping() override { call->from_->finish({api::Code::kUnavailable, "the server is stopping"}); }
    void on_closed() override {
      call->is_over_ = true;
      if (call->to_) call->to_->cancel();
    }
    const std::shared_ptr<Forwarded> call;
  };
  struct ToEvents final : ClientStreamEvents {
    explicit ToEvents(std::shared_ptr<Forwarded> c) : call(std::move(c)) {}
    void on_writable() override {
      call->is_writable_ = true;
      call->pass_on();
    }
    void on_message(Payload message) override {
      if (!call->has_room_for(message)) {
        call->is_full_ = true;
        if (call->to_) call->to_->cancel();
        return;
      }
      call->waiting_bytes_ += message.size();
      call->answers_.push_back(std::move(message));
      call->answer();
    }
    void on_closed(api::Status status) override {
      if (call->is_full_) status = {api::Code::kResourceExhausted, "too many answers wait for the client"};
      call->end_ = std::move(status);
      call->answer();
    }
    const std::shared_ptr<Forwarded> call;
  };

  bool has_room_for(const Payload& message) const {
    const bool has_room =
        answers_.size() < kWaitingMax && (answers_.empty() || waiting_bytes_ + message.size() <= kWaitingBytesMax);
    return has_room && !is_full_;
  }
  void pass_on() {
    if (is_over_ || !to_ || !is_writable_) return;
    if (asked_) {
      is_writable_ = false;
      to_->write(std::move(*std::exchange(asked_, std::nullopt)));
      if (!has_asked_all_) from_->read();
    } else if (has_asked_all_ && !std::exchange(has_ended_writes_, true)) {
      to_->end_writes();
    }
  }
  void answer() {
    if (is_over_ || is_answering_) return;
    if (!answers_.empty()) {
      waiting_bytes_ -= answers_.front().size();
      is_answering_ = from_->write(std::move(answers_.front()));
      answers_.pop_front();
    } else if (end_) {
      from_->finish(std::move(*std::exchange(end_, std::nullopt)));
    }
  }

  const std::shared_ptr<ServerStream> from_;
  std::shared_ptr<ClientStream> to_;
  std::optional<Payload> asked_;  // waits to be passed on
  bool has_asked_all_ = false;
  bool has_ended_writes_ = false;
  bool is_writable_ = false;
  std::deque<Payload> answers_;
  size_t waiting_bytes_ = 0;
  bool is_full_ = false;  // the client took too little: the call ends
  bool is_answering_ = false;
  std::optional<api::Status> end_;
  bool is_over_ = false;
};

// Of a call that is refused at once.
class IgnoredEvents final : public StreamEvents {
 public:
  void on_message(Payload) override {}
};

}  // namespace

Router with_forwarding(const Router& router, ClientLoop& loop, std::function<ForwardTo(const std::string&)> judge) {
  Router out;
  for (const auto& [method, route] : router.routes()) {
    out.add(method, route.kind, [method, handler = route.handler, &loop, judge](std::shared_ptr<ServerStream> stream) {
      const std::string host = stream->metadata(kForwardedHost);
      const ForwardTo whose = host.empty() ? ForwardTo::kSelf : judge(host);
      if (whose == ForwardTo::kSelf) return handler(std::move(stream));
      if (whose == ForwardTo::kUnknown) {
        stream->attach(std::make_shared<IgnoredEvents>());
        return stream->finish({api::Code::kUnavailable, "no member of PD is at " + host});
      }
      std::make_shared<Forwarded>(std::move(stream))->start(*loop.channel(host), method);
    });
  }
  return out;
}

}  // namespace cairn::rpc
