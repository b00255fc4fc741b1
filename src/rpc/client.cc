#include "rpc/client.h"

#include <atomic>
#include <future>
#include <map>
#include <utility>

#include "base/check.h"
#include "base/mutex.h"
#include "rpc/channel.h"
#include "rpc/client_call.h"

namespace cairn::rpc {

namespace {

std::string without_scheme(const std::string& address) {
  const size_t scheme = address.find("://");
  std::string out = scheme == std::string::npos ? address : address.substr(scheme + 3);
  while (!out.empty() && out.back() == '/') out.pop_back();
  return out;
}

std::chrono::steady_clock::time_point deadline_after(Duration timeout) {
  constexpr Duration kForEver = std::chrono::hours(24 * 365);
  if (timeout >= kForEver) return net::Deadlines::kNone;
  return std::chrono::steady_clock::now() + timeout;
}

}  // namespace

class ClientLoop::Core : public std::enable_shared_from_this<ClientLoop::Core> {
 public:
  Core(std::shared_ptr<net::Loop> loop, bool owns_loop, std::shared_ptr<net::Tls> tls)
      : loop_(std::move(loop)), owns_loop_(owns_loop), tls_(std::move(tls)) {}

  net::Loop& loop() { return *loop_; }
  std::shared_ptr<Channel> channel(const std::string& address, int index);
  void stop();

  // Counts a call that begins; false once the loop has stopped: then nothing may be begun.
  bool enter() {
    MutexLock lock(mutex_);
    if (is_stopped_) return false;
    ++live_;
    return true;
  }
  void leave() {
    MutexLock lock(mutex_);
    if (--live_ == 0) all_ended_.notify_all();
  }

 private:
  struct Way {
    std::shared_ptr<Channel> channel;
    std::shared_ptr<ConnectionTo> connection;
  };

  const std::shared_ptr<net::Loop> loop_;
  const bool owns_loop_;
  const std::shared_ptr<net::Tls> tls_;  // nullptr: plain text
  Mutex mutex_;
  CondVar all_ended_;
  bool is_stopped_ CAIRN_GUARDED_BY(mutex_) = false;
  size_t live_ CAIRN_GUARDED_BY(mutex_) = 0;                                  // calls and streams under way
  std::map<std::pair<std::string, int>, Way> ways_ CAIRN_GUARDED_BY(mutex_);  // by address and index
};

namespace {

using Core = ClientLoop::Core;

class UnaryCall final : public ClientCall {
 public:
  UnaryCall(std::shared_ptr<Core> core, CallHead head, Payload request,
            absl::AnyInvocable<void(api::Status, Payload)> done)
      : ClientCall(std::move(head)), core_(std::move(core)), request_(std::move(request)), done_(std::move(done)) {}

 private:
  void on_started() override {
    send_message(request_);
    end();
  }
  bool may_start_again() const override { return true; }
  void on_headers(Metadata) override { request_ = Payload(); }
  void on_message(Payload message) override {
    if (has_answer_) return fail({api::Code::kInternal, "a unary call was answered twice"});
    has_answer_ = true;
    answer_ = std::move(message);
  }
  void on_over(api::Status status) override {
    if (status.ok() && !has_answer_) status = {api::Code::kInternal, "the answer has no message"};
    if (!status.ok()) answer_ = Payload();
    std::exchange(done_, nullptr)(std::move(status), std::move(answer_));
    core_->leave();
  }

  const std::shared_ptr<Core> core_;
  Payload request_;
  Payload answer_;
  bool has_answer_ = false;
  absl::AnyInvocable<void(api::Status, Payload)> done_;
};

class StreamingCall final : public ClientCall, public ClientStream {
 public:
  StreamingCall(std::shared_ptr<Core> core, CallHead head, std::shared_ptr<ClientStreamEvents> events)
      : ClientCall(std::move(head)), core_(std::move(core)), events_(std::move(events)) {}

  void write(Payload message) override {
    on_loop([this, message = std::move(message)] { write_now(message); });
  }
  void end_writes() override {
    on_loop([this] { end(); });
  }
  void cancel() override {
    // Later in any case: the caller may hold a lock that on_closed takes.
    core_->loop().post([self = self()] { self->fail({api::Code::kCancelled, "the stream was cancelled"}); });
  }

 private:
  std::shared_ptr<StreamingCall> self() { return std::static_pointer_cast<StreamingCall>(shared_from_this()); }
  // What another thread asked for earlier goes first.
  template <class What>
  void on_loop(What what) {
    if (core_->loop().is_current() && posted_ == 0) return what();
    ++posted_;
    core_->loop().post([self = self(), what = std::move(what)]() mutable {
      --self->posted_;
      what();
    });
  }
  void write_now(const Payload& message) {
    if (is_over() || !is_open()) return;
    CHECK(!is_writing_, "a write on {} while one is outstanding", head().method);
    is_writing_ = true;
    send_message(message);
  }

  void on_started() override {
    // Later: whoever opens the stream does not have it yet.
    core_->loop().post([self = self()] {
      if (!self->is_over()) self->events_->on_writable();
    });
  }
  void on_sent() override {
    if (std::exchange(is_writing_, false) && !is_over()) events_->on_writable();
  }
  void on_headers(Metadata metadata) override { events_->on_headers(std::move(metadata)); }
  void on_message(Payload message) override { events_->on_message(std::move(message)); }
  void on_trailers(Metadata metadata) override { events_->on_trailers(std::move(metadata)); }
  void on_over(api::Status status) override {
    // Breaks the cycle with the owner of this stream.
    const auto events = std::exchange(events_, nullptr);
    events->on_closed(std::move(status));
    core_->leave();
  }

  const std::shared_ptr<Core> core_;
  std::shared_ptr<ClientStreamEvents> events_;  // nullptr once it is over
  std::atomic<int> posted_{0};                  // requests of other threads that wait for the loop
  bool is_writing_ = false;
};

// What a stream is when the loop has stopped: closed before it began.
class DeadStream final : public ClientStream {
 public:
  void write(Payload) override {}
  void end_writes() override {}
  void cancel() override {}
};

class LoopChannel final : public Channel {
 public:
  LoopChannel(std::shared_ptr<Core> core, std::shared_ptr<ConnectionTo> connection)
      : core_(std::move(core)), connection_(std::move(connection)) {}

  void call(const std::string& method, Payload request, Duration timeout,
            absl::AnyInvocable<void(api::Status, Payload)> done, const Metadata& metadata) override {
    if (!core_->enter()) return done({api::Code::kCancelled, "the client has stopped"}, {});
    begin(std::make_shared<UnaryCall>(core_, head(method, metadata, deadline_after(timeout)), std::move(request),
                                      std::move(done)));
  }

  std::shared_ptr<ClientStream> open(const std::string& method, std::shared_ptr<ClientStreamEvents> events,
                                     const StreamOptions& options) override {
    if (!core_->enter()) {
      events->on_closed({api::Code::kCancelled, "the client has stopped"});
      return std::make_shared<DeadStream>();
    }
    auto started = head(method, options.metadata, deadline_after(options.timeout));
    started.compression = options.compression;
    auto call = std::make_shared<StreamingCall>(core_, std::move(started), std::move(events));
    begin(call);
    return call;
  }

  void reconnect_now() override {
    core_->loop().post([connection = connection_] { connection->reconnect_now(); });
  }

  const std::string& address() const override { return connection_->address(); }

 private:
  CallHead head(const std::string& method, const Metadata& metadata,
                std::chrono::steady_clock::time_point deadline) const {
    return {.method = method,
            .scheme = connection_->scheme(),
            .authority = connection_->address(),
            .metadata = metadata,
            .deadline = deadline};
  }
  // Later in any case: the caller may hold a lock that the end of the call takes.
  void begin(std::shared_ptr<ClientCall> call) {
    core_->loop().post(
        [connection = connection_, call = std::move(call)]() mutable { connection->start(std::move(call)); });
  }

  const std::shared_ptr<Core> core_;
  const std::shared_ptr<ConnectionTo> connection_;
};

}  // namespace

std::shared_ptr<Channel> ClientLoop::Core::channel(const std::string& address, int index) {
  std::string target = without_scheme(address);
  MutexLock lock(mutex_);
  const bool must_be_tls = address.starts_with("https://");
  Way& way = ways_[{(must_be_tls && !tls_ ? "https://" : "") + target, index}];
  if (!way.channel) {
    way.connection = std::make_shared<ConnectionTo>(loop_, std::move(target), tls_, must_be_tls);
    way.channel = std::make_shared<LoopChannel>(shared_from_this(), way.connection);
  }
  return way.channel;
}

void ClientLoop::Core::stop() {
  std::map<std::pair<std::string, int>, Way> ways;
  {
    MutexLock lock(mutex_);
    if (is_stopped_) return;
    is_stopped_ = true;
    ways.swap(ways_);
  }
  CHECK(!loop_->is_current(), "a client loop stopped from its own thread");
  std::promise<void> stopped;
  const auto is_stopped = stopped.get_future();
  // The promise goes with the job: if the loop has ended and drops it, nobody waits.
  loop_->post([&ways, stopped = std::move(stopped)]() mutable {
    for (auto& [_, way] : ways) way.connection->stop();
    stopped.set_value();
  });
  is_stopped.wait();
  {
    MutexLock lock(mutex_);
    all_ended_.wait(mutex_, [this]() CAIRN_REQUIRES(mutex_) { return live_ == 0; });
  }
  // Jobs that were posted before hold connections; they go on the loop's thread, where those must die.
  ways.clear();
  if (owns_loop_) loop_->stop();
}

ClientLoop::ClientLoop(std::shared_ptr<net::Tls> tls)
    : core_(std::make_shared<Core>(std::make_shared<net::Loop>("rpc-client"), true, std::move(tls))) {}
ClientLoop::ClientLoop(std::shared_ptr<net::Loop> loop, std::shared_ptr<net::Tls> tls)
    : core_(std::make_shared<Core>(std::move(loop), false, std::move(tls))) {}
ClientLoop::~ClientLoop() { stop(); }

std::shared_ptr<Channel> ClientLoop::channel(const std::string& address, int index) {
  return core_->channel(address, index);
}

void ClientLoop::stop() { core_->stop(); }

}  // namespace cairn::rpc
