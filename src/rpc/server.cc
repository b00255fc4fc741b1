#include "rpc/server.h"

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <optional>
#include <thread>
#include <unordered_map>

#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"
#include "rpc/completion.h"
#include "rpc/grpc_log.h"
#include "rpc/health_service.h"
#include "rpc/listen.h"

namespace cairn::rpc {

namespace {

class GrpcStream;

// Calls that wait to be matched with an incoming one, per poller.
constexpr int kAcceptsAhead = 32;
// Calls are cancelled at the end of their grace; they take a moment to go.
constexpr Duration kStopMargin = 2s;

grpc::Status to_grpc(const api::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  return {static_cast<grpc::StatusCode>(status.code), status.message};
}

}  // namespace

struct Server::Core : std::enable_shared_from_this<Server::Core> {
  Router router;
  std::shared_ptr<HealthState> health = std::make_shared<HealthState>();
  grpc::AsyncGenericService service;
  std::shared_ptr<Reactor> reactor;  // may be nullptr
  std::vector<std::unique_ptr<grpc::ServerCompletionQueue>> own_queues;
  std::vector<grpc::ServerCompletionQueue*> queues;  // our own, or the reactor's
  std::unique_ptr<grpc::Server> server;              // dies before the queues
  std::vector<std::thread> pollers;
  int port = 0;

  Mutex mutex;
  CondVar all_ended;
  bool is_stopping CAIRN_GUARDED_BY(mutex) = false;
  bool has_ended CAIRN_GUARDED_BY(mutex) = false;                                              // nothing of it runs
  size_t live CAIRN_GUARDED_BY(mutex) = 0;                                                     // accepted and not over
  std::unordered_map<const Router::Route*, size_t> live_by_route CAIRN_GUARDED_BY(mutex);      // likewise
  std::unordered_map<GrpcStream*, std::weak_ptr<GrpcStream>> streams CAIRN_GUARDED_BY(mutex);  // of kind kStream

  void accept_next(size_t queue);
  void poll(size_t queue);
  void on_accepted(const Router::Route* route);
  void on_ended(GrpcStream* stream, const Router::Route* route);
  void register_stream(const std::shared_ptr<GrpcStream>& stream);
  bool stop(Duration grace);
  void end(Duration grace);
  std::string what_is_left();
};

namespace {

class GrpcStream final : public ServerStream, public std::enable_shared_from_this<GrpcStream> {
 public:
  GrpcStream(std::shared_ptr<Server::Core> core, size_t queue) : core_(std::move(core)), queue_(queue) {
    call_ = std::make_unique<Rpc>();
    call_->context.AsyncNotifyWhenDone(&done_);
  }

  // Waits for an incoming call.
  void request() {
    accept_.owner = shared_from_this();
    auto& queue = *core_->queues[queue_];
    MutexLock lock(mutex_);
    core_->service.RequestCall(&call_->context, &call_->io, &queue, &queue, &accept_);
  }

  void attach(std::shared_ptr<StreamEvents> events) override {
    MutexLock lock(mutex_);
    events_ = std::move(events);
  }

  void read() override {
    MutexLock lock(mutex_);
    if (is_over_ || is_finishing_) return;
    CHECK(!read_.is_under_way, "a second read on {} while one is outstanding", method_);
    begin(read_);
    call_->io.Read(&incoming_.buffer(), &read_);
  }

  bool write(Payload message) override {
    MutexLock lock(mutex_);
    if (is_over_ || is_finishing_) return false;
    CHECK(!write_.is_under_way, "a second write on {} while one is outstanding", method_);
    begin(write_);
    call_->io.Write(message.buffer(), &write_);
    return true;
  }

  void finish(api::Status status) override {
    MutexLock lock(mutex_);
    if (is_over_ || is_finishing_) return;
    is_finishing_ = true;
    if (write_.is_under_way) {
      finish_after_write_ = std::move(status);
      return;
    }
    begin(finish_);
    call_->io.Finish(to_grpc(status), &finish_);
  }

  void write_and_finish(Payload message) override {
    MutexLock lock(mutex_);
    if (is_over_ || is_finishing_) return;
    CHECK(!write_.is_under_way, "a last write on {} while one is outstanding", method_);
    is_finishing_ = true;
    begin(finish_);
    call_->io.WriteAndFinish(message.buffer(), grpc::WriteOptions(), grpc::Status::OK, &finish_);
  }

  std::string metadata(std::string_view key) const override {
    MutexLock lock(mutex_);
    if (!call_) return "";
    const auto& all = call_->context.client_metadata();
    const auto it = all.find(grpc::string_ref(key.data(), key.size()));
    return it == all.end() ? "" : std::string(it->second.data(), it->second.size());
  }

  std::string peer() const override {
    MutexLock lock(mutex_);
    return call_ ? call_->context.peer() : "";
  }

  void on_server_stopping() {
    if (auto events = current_events()) events->on_server_stopping();
  }

 private:
  struct Rpc {
    grpc::GenericServerContext context;
    grpc::GenericServerAsyncReaderWriter io{&context};
  };
  // An operation under way keeps its stream alive. gRPC gives the owner back on a thread that does not hold the mutex,
  // so the owner says nothing to others: is_under_way does, from begin() to the handler's end(), both under the mutex.
  struct Operation final : Completion {
    explicit Operation(void (GrpcStream::*handler)(bool)) : on_end(handler) {}
    void (GrpcStream::*on_end)(bool);
    std::shared_ptr<GrpcStream> owner;
    bool is_under_way = false;
    void proceed(bool ok) override {
      const auto self = std::move(owner);
      ((*self).*on_end)(ok);
    }
  };

  void begin(Operation& operation) CAIRN_REQUIRES(mutex_) {
    operation.owner = shared_from_this();
    operation.is_under_way = true;
    ++pending_;
  }
  void end(Operation& operation) CAIRN_REQUIRES(mutex_) {
    operation.is_under_way = false;
    --pending_;
  }

  std::shared_ptr<StreamEvents> current_events() CAIRN_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    return events_;
  }

  // Gives gRPC's part back once nothing can refer to it any more.
  std::unique_ptr<Rpc> take_if_idle() CAIRN_REQUIRES(mutex_) {
    return is_over_ && pending_ == 0 ? std::move(call_) : nullptr;
  }

  void on_accept(bool ok) {
    if (!ok) return;  // the server stops
    done_.owner = shared_from_this();
    {
      MutexLock lock(mutex_);
      method_ = call_->context.method();
    }
    route_ = core_->router.find(method_);
    core_->on_accepted(route_);
    core_->accept_next(queue_);
    if (route_ == nullptr) {
      finish({api::Code::kUnimplemented, "unknown method " + method_});
      return;
    }
    if (route_->kind == Router::Kind::kStream) core_->register_stream(shared_from_this());
    route_->handler(shared_from_this());
  }

  void on_read(bool ok) {
    Payload message = std::move(incoming_);
    std::unique_ptr<Rpc> dead;
    std::shared_ptr<StreamEvents> events;
    {
      MutexLock lock(mutex_);
      incoming_ = Payload();
      end(read_);
      dead = take_if_idle();
      events = events_;
    }
    if (!events) return;
    if (ok) {
      events->on_message(std::move(message));
    } else {
      events->on_read_end();
    }
  }

  void on_write(bool ok) {
    std::unique_ptr<Rpc> dead;
    std::shared_ptr<StreamEvents> events;
    {
      MutexLock lock(mutex_);
      end(write_);
      if (auto status = std::exchange(finish_after_write_, std::nullopt); status && !is_over_) {
        begin(finish_);
        call_->io.Finish(to_grpc(*status), &finish_);
        return;
      }
      dead = take_if_idle();
      events = events_;
    }
    if (events && ok) events->on_write_done();
  }

  void on_finish(bool) {
    std::unique_ptr<Rpc> dead;
    MutexLock lock(mutex_);
    end(finish_);
    dead = take_if_idle();
  }

  void on_done(bool) {
    std::unique_ptr<Rpc> dead;
    std::shared_ptr<StreamEvents> events;
    {
      MutexLock lock(mutex_);
      is_over_ = true;
      events = std::move(events_);
      dead = take_if_idle();
    }
    if (events) events->on_closed();
    core_->on_ended(this, route_);
  }

  const std::shared_ptr<Server::Core> core_;
  const size_t queue_;
  std::string method_;                    // set once, at the accept
  const Router::Route* route_ = nullptr;  // likewise; nullptr: nobody serves it
  Payload incoming_;                      // of the outstanding read
  Operation accept_{&GrpcStream::on_accept};
  Operation done_{&GrpcStream::on_done};

  mutable Mutex mutex_;                                 // held while an operation is begun
  std::unique_ptr<Rpc> call_ CAIRN_GUARDED_BY(mutex_);  // nullptr once the RPC is over and idle
  // Let go at the end, which breaks the cycle with the handler.
  std::shared_ptr<StreamEvents> events_ CAIRN_GUARDED_BY(mutex_);
  Operation read_ CAIRN_GUARDED_BY(mutex_){&GrpcStream::on_read};
  Operation write_ CAIRN_GUARDED_BY(mutex_){&GrpcStream::on_write};
  Operation finish_ CAIRN_GUARDED_BY(mutex_){&GrpcStream::on_finish};
  int pending_ CAIRN_GUARDED_BY(mutex_) = 0;                                // reads, writes and finishes under way
  bool is_finishing_ CAIRN_GUARDED_BY(mutex_) = false;                      // finish() was called
  bool is_over_ CAIRN_GUARDED_BY(mutex_) = false;                           // gRPC said so: no operation may begin
  std::optional<api::Status> finish_after_write_ CAIRN_GUARDED_BY(mutex_);  // finish() came while a write was under way
};

// Why the address cannot be had, as the operating system puts it; gRPC only logs it.
std::string bind_error(const std::string& address) {
  const auto socket = listen_on(address);
  if (!socket.ok()) return socket.error();
  close(*socket);
  return "the address cannot be bound";
}

}  // namespace

void Server::Core::accept_next(size_t queue) {
  {
    MutexLock lock(mutex);
    if (is_stopping) return;
    std::make_shared<GrpcStream>(shared_from_this(), queue)->request();
  }
}

void Server::Core::on_accepted(const Router::Route* route) {
  MutexLock lock(mutex);
  ++live;
  ++live_by_route[route];
}

void Server::Core::register_stream(const std::shared_ptr<GrpcStream>& stream) {
  MutexLock lock(mutex);
  streams.emplace(stream.get(), stream);
}

void Server::Core::on_ended(GrpcStream* stream, const Router::Route* route) {
  MutexLock lock(mutex);
  streams.erase(stream);
  --live_by_route[route];
  --live;
  if (live == 0) all_ended.notify_all();
}

void Server::Core::poll(size_t queue) {
  void* tag = nullptr;
  bool ok = false;
  while (queues[queue]->Next(&tag, &ok)) static_cast<Completion*>(tag)->proceed(ok);
}

// Blocks for as long as a handler or gRPC itself does.
void Server::Core::end(Duration grace) {
  std::vector<std::shared_ptr<GrpcStream>> told;
  {
    MutexLock lock(mutex);
    for (auto& [_, weak] : streams) {
      if (auto stream = weak.lock()) told.push_back(std::move(stream));
    }
  }
  for (auto& stream : told) stream->on_server_stopping();
  told.clear();
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::duration_cast<std::chrono::microseconds>(grace));
  {
    // Every call's end has to be seen before the queues close: a handler on another thread may be answering just now.
    MutexLock lock(mutex);
    all_ended.wait(mutex, [this]() CAIRN_REQUIRES(mutex) { return live == 0; });
  }
  for (auto& queue : own_queues) queue->Shutdown();
  for (auto& poller : pollers) poller.join();
  pollers.clear();
}

bool Server::Core::stop(Duration grace) {
  {
    MutexLock lock(mutex);
    if (is_stopping) return has_ended;
    is_stopping = true;
  }
  health->set(HealthState::kNotServing);
  std::thread ending([self = shared_from_this(), grace] {
    self->end(grace);
    MutexLock lock(self->mutex);
    self->has_ended = true;
    self->all_ended.notify_all();
  });
  {
    MutexLock lock(mutex);
    if (!all_ended.wait_for(mutex, grace + kStopMargin, [this]() CAIRN_REQUIRES(mutex) { return has_ended; })) {
      ending.detach();
      return false;
    }
  }
  ending.join();
  return true;
}

std::string Server::Core::what_is_left() {
  MutexLock lock(mutex);
  if (has_ended) return "";
  std::string calls;
  for (const auto& [method, route] : router.routes()) {
    const size_t count = live_by_route[&route];
    if (count > 0) calls += (calls.empty() ? "" : ", ") + std::to_string(count) + " of " + method;
  }
  return calls.empty() ? "its threads" : "calls that do not end: " + calls;
}

Server::Server(std::shared_ptr<Core> core) : core_(std::move(core)) {}

Server::~Server() { stop(Duration(0)); }

Result<std::unique_ptr<Server>, std::string> Server::start(ServerOptions options, Router router) {
  CHECK(!options.addresses.empty(), "a server without an address");
  adopt_grpc_log();
  auto core = std::make_shared<Core>();
  core->router = std::move(router);
  serve_health(core->router, core->health);

  core->reactor = options.reactor;
  grpc::ServerBuilder own_builder;
  grpc::ServerBuilder& builder = core->reactor ? core->reactor->builder() : own_builder;
  builder.RegisterAsyncGenericService(&core->service);
  builder.SetMaxReceiveMessageSize(options.message_bytes_max);
  builder.SetMaxSendMessageSize(-1);
  // Two servers on one port would share its connections at random.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // Clients ping idle connections every 10 s; that is no offence.
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 5000);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 0);
  // First window of a stream; it grows with the measured bandwidth.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 2 << 20);
  std::vector<int> ports(options.addresses.size(), 0);
  for (size_t i = 0; i < options.addresses.size(); ++i) {
    builder.AddListeningPort(options.addresses[i], grpc::InsecureServerCredentials(), &ports[i]);
  }
  if (core->reactor) {
    core->queues.push_back(&core->reactor->queue());
  } else {
    int pollers = options.pollers;
    if (pollers <= 0) pollers = std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 4);
    for (int i = 0; i < pollers; ++i) core->own_queues.push_back(builder.AddCompletionQueue());
    for (auto& queue : core->own_queues) core->queues.push_back(queue.get());
  }
  core->server = builder.BuildAndStart();
  if (!core->server) {
    for (auto& queue : core->own_queues) {
      queue->Shutdown();
      void* tag = nullptr;
      bool ok = false;
      while (queue->Next(&tag, &ok)) continue;
    }
    for (size_t i = 0; i < ports.size(); ++i) {
      if (ports[i] == 0) {
        return Err("cannot listen on " + options.addresses[i] + ": " + bind_error(options.addresses[i]));
      }
    }
    return Err("cannot listen on " + options.addresses[0]);
  }
  core->port = ports[0];
  for (size_t queue = 0; queue < core->queues.size(); ++queue) {
    for (int i = 0; i < kAcceptsAhead; ++i) core->accept_next(queue);
  }
  for (size_t queue = 0; queue < core->own_queues.size(); ++queue) {
    core->pollers.emplace_back([core = core.get(), queue] {
      pthread_setname_np(pthread_self(), ("grpc-" + std::to_string(queue)).c_str());
      core->poll(queue);
    });
  }
  core->health->set(HealthState::kServing);
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

int Server::port() const { return core_->port; }

void Server::set_serving(bool serving) {
  core_->health->set(serving ? HealthState::kServing : HealthState::kNotServing);
}

bool Server::stop(Duration grace) { return core_->stop(grace); }

std::string Server::what_is_left() const { return core_->what_is_left(); }

}  // namespace cairn::rpc
