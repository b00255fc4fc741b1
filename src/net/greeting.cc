#include "net/greeting.h"

#include <utility>

#include "net/linger.h"
#include "net/wire.h"

namespace cairn::net {

namespace {

class Waiting final : public Wire::User, public std::enable_shared_from_this<Waiting> {
 public:
  Waiting(Loop& loop, OnGreeted done) : loop_(loop), done_(std::move(done)) {}

  void start(std::unique_ptr<Transport> transport, Duration patience) {
    wire_ = std::make_shared<Wire>(loop_, std::move(transport), weak_from_this());
    wire_->want_bytes(true);
    timer_ = loop_.after(patience, [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->fail("it did not say in time what it speaks");
    });
  }
  // No more events, and `done` is not called.
  void drop() {
    loop_.cancel(timer_);
    wire_ = nullptr;
    done_ = nullptr;
  }

  void on_bytes(Slice bytes) override {
    if (first_.size > 0) {
      const auto joined = std::make_shared<std::string>(std::string(first_.view()) + std::string(bytes.view()));
      bytes = {joined, joined->data(), joined->size()};
    }
    first_ = std::move(bytes);
    const Dialect dialect = dialect_of(first_.view());
    if (dialect == Dialect::kUndecided) {
      // What was read into is used again.
      const auto kept = std::make_shared<std::string>(first_.view());
      first_ = {kept, kept->data(), kept->size()};
      return;
    }
    if (dialect == Dialect::kTls) return refuse("this port does not speak TLS", "TLS on a port that does not speak it");
    const Transport& transport = wire_->transport();
    if (transport.is_secure() && dialect == Dialect::kHttp2 && transport.protocol() != "h2") {
      return fail("it does not offer ALPN h2, without which there is no gRPC over TLS");
    }
    if (transport.is_secure() && dialect == Dialect::kHttp1 && transport.protocol() == "h2") {
      return refuse("HTTP/2 was agreed on", "HTTP/1 where HTTP/2 was agreed on");
    }
    const bool has_more = wire_->has_more();
    finish(Greeted{wire_->release(), dialect, std::move(first_), has_more});
  }
  void on_end() override { fail(first_.size == 0 ? "" : "it ended before it said what it speaks"); }
  void on_broken(const std::string& why) override {
    linger(loop_, wire_->release());  // it may have been told why
    fail(why);
  }

 private:
  void refuse(std::string_view words, std::string why) {
    wire_->send(refusal_in_http1(words));
    wire_->flush();
    if (!done_) return;  // it broke by that
    linger(loop_, wire_->release());
    fail(std::move(why));
  }
  void fail(std::string why) { finish(Err(std::move(why))); }
  void finish(Result<Greeted, std::string> result) {
    loop_.cancel(timer_);
    wire_ = nullptr;
    if (auto done = std::exchange(done_, nullptr)) done(std::move(result));
  }

  Loop& loop_;
  OnGreeted done_;
  std::shared_ptr<Wire> wire_;
  Slice first_;
  runtime::TimerId timer_;
};

class Handle final : public Greeting {
 public:
  explicit Handle(std::shared_ptr<Waiting> waiting) : waiting_(std::move(waiting)) {}
  ~Handle() override { waiting_->drop(); }

 private:
  const std::shared_ptr<Waiting> waiting_;
};

}  // namespace

std::unique_ptr<Greeting> await_greeting(Loop& loop, std::unique_ptr<Transport> transport, Duration patience,
                                         OnGreeted done) {
  auto waiting = std::make_shared<Waiting>(loop, std::move(done));
  waiting->start(std::move(transport), patience);
  return std::make_unique<Handle>(std::move(waiting));
}

}  // namespace cairn::net
