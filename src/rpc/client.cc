#include "rpc/client.h"

#include <grpcpp/channel.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <set>
#include <thread>

#include "base/check.h"
#include "base/mutex.h"
#include "rpc/completion.h"
#include "rpc/grpc_log.h"

namespace cairn::rpc {
namespace {

class Cancellable {
 public:
  virtual ~Cancellable() = default;
  virtual void cancel_now() = 0;
};

api::Status from_grpc(const grpc::Status& status) {
  return {static_cast<api::Code>(status.error_code()), status.error_message()};
}

std::string without_scheme(const std::string& address) {
  const size_t scheme = address.find("://");
  std::string out = scheme == std::string::npos ? address : address.substr(scheme + 3);
  while (!out.empty() && out.back() == '/') out.pop_back();
  return out;
}

}  // namespace

struct ClientLoop::Core : std::enable_shared_from_this<ClientLoop::Core> {
  std::shared_ptr<Reactor> reactor;                  // or our own queue and thread:
  std::unique_ptr<grpc::CompletionQueue> own_queue;  // nullptr if there is a reactor
  std::thread poller;

  grpc::CompletionQueue* queue() {
    if (own_queue) return own_queue.get();
    return &reactor->queue();
  }

  Mutex mutex;
  CondVar all_ended;
  bool is_stopped CAIRN_GUARDED_BY(mutex) = false;
  std::set<Cancellable*> live CAIRN_GUARDED_BY(mutex);  // calls and streams under way
  std::map<std::pair<std::string, int>, std::shared_ptr<Channel>> channels CAIRN_GUARDED_BY(mutex);

  // False if the loop has stopped: then nothing may be begun.
  bool enter(Cancellable* who) {
    MutexLock lock(mutex);
    if (is_stopped) return false;
    live.insert(who);
    return true;
  }
  void leave(Cancellable* who) {
    MutexLock lock(mutex);
    live.erase(who);
    if (live.empty()) all_ended.notify_all();
  }
};

namespace {

using Loop = ClientLoop::Core;

class UnaryCall final : public Completion, public Cancellable {
 public:
  UnaryCall(std::shared_ptr<Loop> loop, absl::AnyInvocable<void(api::Status, Payload)> done)
      : loop_(std::move(loop)), done_(std::move(done)) {}

  void start(grpc::GenericStub& stub, const std::string& method, Payload request, Duration timeout,
             const Metadata& metadata) {
    for (const auto& [key, value] : metadata) context_.AddMetadata(key, value);
    context_.set_deadline(std::chrono::system_clock::now() +
                          std::chrono::duration_cast<std::chrono::microseconds>(timeout));
    if (!loop_->enter(this)) {
      done_({api::Code::kCancelled, "the client has stopped"}, {});
      delete this;
      return;
    }
    reader_ = stub.PrepareUnaryCall(&context_, method, request.buffer(), loop_->queue());
    reader_->StartCall();
    reader_->Finish(&response_.buffer(), &status_, this);
  }

  void proceed(bool) override {
    done_(from_grpc(status_), std::move(response_));
    loop_->leave(this);
    delete this;
  }
  void cancel_now() override { context_.TryCancel(); }

 private:
  const std::shared_ptr<Loop> loop_;
  absl::AnyInvocable<void(api::Status, Payload)> done_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncResponseReader<grpc::ByteBuffer>> reader_;
  Payload response_;
  grpc::Status status_;
};

class BidiStream final : public ClientStream, public Cancellable, public std::enable_shared_from_this<BidiStream> {
 public:
  BidiStream(std::shared_ptr<Loop> loop, std::shared_ptr<ClientStreamEvents> events)
      : loop_(std::move(loop)), events_(std::move(events)) {}

  bool start(grpc::GenericStub& stub, const std::string& method, const Metadata& metadata) {
    if (!loop_->enter(this)) return false;
    MutexLock lock(mutex_);
    for (const auto& [key, value] : metadata) context_.AddMetadata(key, value);
    io_ = stub.PrepareCall(&context_, method, loop_->queue());
    begin(start_);
    io_->StartCall(&start_);
    return true;
  }

  void write(Payload message) override {
    MutexLock lock(mutex_);
    if (is_over_) return;
    CHECK(is_started_ && !write_.owner, "a write on a client's stream that is not ready");
    begin(write_);
    io_->Write(message.buffer(), &write_);
  }
  void end_writes() override {
    MutexLock lock(mutex_);
    if (is_over_ || has_ended_writes_) return;
    CHECK(is_started_ && !write_.owner, "an end of writes on a client's stream that is not ready");
    has_ended_writes_ = true;
    begin(write_);
    io_->WritesDone(&write_);
  }
  void cancel() override { context_.TryCancel(); }
  void cancel_now() override { context_.TryCancel(); }

 private:
  struct Operation final : Completion {
    explicit Operation(void (BidiStream::*handler)(bool)) : on_end(handler) {}
    void (BidiStream::*on_end)(bool);
    std::shared_ptr<BidiStream> owner;
    void proceed(bool ok) override {
      const auto self = std::move(owner);
      ((*self).*on_end)(ok);
    }
  };

  void begin(Operation& operation) CAIRN_REQUIRES(mutex_) {
    operation.owner = shared_from_this();
    ++pending_;
  }

  void on_started(bool ok) {
    {
      MutexLock lock(mutex_);
      --pending_;
      if (!ok) return begin_finish();
      is_started_ = true;
      begin_read();
    }
    events_->on_writable();
  }
  void on_read(bool ok) {
    Payload message;
    {
      MutexLock lock(mutex_);
      --pending_;
      if (!ok) return begin_finish();
      message = std::exchange(incoming_, Payload());
    }
    events_->on_message(std::move(message));
    MutexLock lock(mutex_);
    begin_read();
  }
  void on_write(bool ok) {
    bool is_ended = false;
    {
      MutexLock lock(mutex_);
      --pending_;
      is_ended = has_ended_writes_;
    }
    if (ok && !is_ended) events_->on_writable();
    close_if_idle();
  }
  void on_finish(bool) {
    {
      MutexLock lock(mutex_);
      --pending_;
      is_finished_ = true;
    }
    close_if_idle();
  }

  void begin_read() CAIRN_REQUIRES(mutex_) {
    begin(read_);
    io_->Read(&incoming_.buffer(), &read_);
  }
  // No more writes from now on; one that is outstanding comes back by itself.
  void begin_finish() CAIRN_REQUIRES(mutex_) {
    is_over_ = true;
    begin(finish_);
    io_->Finish(&status_, &finish_);
  }
  // The last event, once nothing is outstanding any more.
  void close_if_idle() {
    {
      MutexLock lock(mutex_);
      if (!is_finished_ || pending_ != 0) return;
    }
    events_->on_closed(from_grpc(status_));
    events_.reset();  // breaks the cycle with the owner of this stream
    loop_->leave(this);
  }

  const std::shared_ptr<Loop> loop_;
  std::shared_ptr<ClientStreamEvents> events_;  // used on the loop's thread only
  grpc::ClientContext context_;
  Payload incoming_;     // of the outstanding read
  grpc::Status status_;  // of the outstanding finish

  Mutex mutex_;  // held while an operation is begun
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> io_ CAIRN_GUARDED_BY(mutex_);
  Operation start_ CAIRN_GUARDED_BY(mutex_){&BidiStream::on_started};
  Operation read_ CAIRN_GUARDED_BY(mutex_){&BidiStream::on_read};
  Operation write_ CAIRN_GUARDED_BY(mutex_){&BidiStream::on_write};
  Operation finish_ CAIRN_GUARDED_BY(mutex_){&BidiStream::on_finish};
  int pending_ CAIRN_GUARDED_BY(mutex_) = 0;
  bool is_started_ CAIRN_GUARDED_BY(mutex_) = false;
  bool has_ended_writes_ CAIRN_GUARDED_BY(mutex_) = false;
  bool is_over_ CAIRN_GUARDED_BY(mutex_) = false;      // nothing may be written any more
  bool is_finished_ CAIRN_GUARDED_BY(mutex_) = false;  // the status is here
};

// What a stream is when the loop has stopped: closed before it began.
class DeadStream final : public ClientStream {
 public:
  void write(Payload) override {}
  void end_writes() override {}
  void cancel() override {}
};

class GrpcChannel final : public Channel {
 public:
  GrpcChannel(std::shared_ptr<Loop> loop, std::string address, int index)
      : loop_(std::move(loop)), address_(std::move(address)) {
    grpc::ChannelArguments args;
    args.SetMaxReceiveMessageSize(-1);
    args.SetMaxSendMessageSize(-1);
    args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 50);
    args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 3000);  // the time a connection may take to come about
    args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
    args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 10000);
    args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 3000);
    args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    args.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 2 << 20);
    args.SetInt("cairn.connection", index);  // channels that differ here do not share a connection
    channel_ = grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), args);
    stub_ = std::make_unique<grpc::GenericStub>(channel_);
  }

  void call(const std::string& method, Payload request, Duration timeout,
            absl::AnyInvocable<void(api::Status, Payload)> done, const Metadata& metadata) override {
    (new UnaryCall(loop_, std::move(done)))->start(*stub_, method, std::move(request), timeout, metadata);
  }

  std::shared_ptr<ClientStream> open(const std::string& method, std::shared_ptr<ClientStreamEvents> events,
                                     const Metadata& metadata) override {
    auto stream = std::make_shared<BidiStream>(loop_, events);
    if (stream->start(*stub_, method, metadata)) return stream;
    events->on_closed({api::Code::kCancelled, "the client has stopped"});
    return std::make_shared<DeadStream>();
  }

  void reconnect_now() override { grpc::experimental::ChannelResetConnectionBackoff(channel_.get()); }

  const std::string& address() const override { return address_; }

 private:
  const std::shared_ptr<Loop> loop_;
  const std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
};

}  // namespace

ClientLoop::ClientLoop(std::shared_ptr<Reactor> reactor) : core_(std::make_shared<Core>()) {
  core_->reactor = std::move(reactor);
}

ClientLoop::ClientLoop() : core_(std::make_shared<Core>()) {
  adopt_grpc_log();
  core_->own_queue = std::make_unique<grpc::CompletionQueue>();
  core_->poller = std::thread([core = core_.get()] {
    pthread_setname_np(pthread_self(), "grpc-client");
    void* tag = nullptr;
    bool ok = false;
    while (core->own_queue->Next(&tag, &ok)) static_cast<Completion*>(tag)->proceed(ok);
  });
}

ClientLoop::~ClientLoop() { stop(); }

std::shared_ptr<Channel> ClientLoop::channel(const std::string& address, int index) {
  std::string target = without_scheme(address);
  MutexLock lock(core_->mutex);
  auto& slot = core_->channels[{target, index}];
  if (!slot) slot = std::make_shared<GrpcChannel>(core_, std::move(target), index);
  return slot;
}

void ClientLoop::stop() {
  {
    MutexLock lock(core_->mutex);
    if (core_->is_stopped) return;
    core_->is_stopped = true;
    for (auto* one : core_->live) one->cancel_now();
    core_->all_ended.wait(core_->mutex, [this]() CAIRN_REQUIRES(core_->mutex) { return core_->live.empty(); });
    core_->channels.clear();
  }
  if (!core_->own_queue) return;
  core_->own_queue->Shutdown();
  core_->poller.join();
}

}  // namespace cairn::rpc
