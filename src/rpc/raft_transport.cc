#include "rpc/raft_transport.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/mutex.h"
#include "rpc/metrics.h"
#include "tikvpb.pb.h"

namespace cairn::rpc {
namespace {

struct Link;

// The bytes a message takes in a batch, nearly.
size_t weight_of(const raft_serverpb::RaftMessage& message) { return message.ByteSizeLong() + 8; }

}  // namespace

class RaftTransport::Core : public std::enable_shared_from_this<RaftTransport::Core> {
 public:
  Core(RaftTransportOptions options_in, ClientLoop& loop_in, api::Pd& pd_in,
       std::shared_ptr<runtime::Executor> timers_in, std::shared_ptr<runtime::Executor> files_in)
      : options(std::move(options_in)),
        loop(loop_in),
        pd(pd_in),
        timers(std::move(timers_in)),
        files(std::move(files_in)) {}

  std::shared_ptr<Link> link_to(StoreId store);
  // `done(address)` on any thread; nothing if PD does not know, or says that it is gone.
  void resolve(StoreId store, std::function<void(std::optional<std::string>)> done);
  void unreachable(StoreId store) {
    if (!is_stopped && on_unreachable) on_unreachable(store);
  }
  Metadata metadata() const { return {{"source_store_id", std::to_string(source.load())}}; }

  const RaftTransportOptions options;
  ClientLoop& loop;
  api::Pd& pd;
  const std::shared_ptr<runtime::Executor> timers;
  const std::shared_ptr<runtime::Executor> files;
  std::function<void(StoreId)> on_unreachable;
  std::atomic<uint64_t> source{0};
  std::atomic<bool> is_stopped{false};

  Mutex mutex;
  std::map<StoreId, std::shared_ptr<Link>> links CAIRN_GUARDED_BY(mutex);
};

namespace {

using Core = RaftTransport::Core;

// The stream to one peer store, and what waits for it.
struct Link : ClientStreamEvents, std::enable_shared_from_this<Link> {
  Link(std::shared_ptr<Core> core_in, StoreId store_in)
      : core(std::move(core_in)),
        store(store_in),
        failures(metrics::counter("tikv_server_report_failure_msg_total", "Failures to reach other stores",
                                  {{"type", "unreachable"}, {"store_id", std::to_string(store.value)}})) {}

  void send(raft_serverpb::RaftMessage message) {
    {
      MutexLock lock(mutex);
      if (core->is_stopped) return;
      if (queue.size() < core->options.queue_messages_max) {
        if (queue.empty()) waits_since = measured_now();
        queue.push_back(std::move(message));
        if (state == State::kIdle) {
          state = State::kConnecting;
          connect();
        } else {
          advance_soon();
        }
        return;
      }
    }
    static auto& dropped = metrics::counter("cairn_raft_transport_dropped_total", "Raft messages that found no room");
    dropped.add();
    note_lost(message, "full");
    tell_unreachable();
  }

  void on_writable() override {
    MutexLock lock(mutex);
    is_writable = true;
    backoff = {};
    advance();
  }
  void on_message(Payload) override {}  // Done, which says nothing
  void on_closed(api::Status status) override {
    {
      MutexLock lock(mutex);
      if (status.message != last_error) LOG_WARN("the Raft stream to store {} ended: {}", store, status.message);
      last_error = status.message;
      stream.reset();
      is_writable = false;
      fail();
    }
    tell_unreachable();
  }

  void retry_now() {
    MutexLock lock(mutex);
    if (state != State::kBackingOff || core->is_stopped) return;
    if (channel) channel->reconnect_now();
    backoff = {};
    end_back_off();
  }

  void stop() {
    MutexLock lock(mutex);
    queue.clear();
    if (stream) stream->cancel();
  }

 private:
  enum class State { kIdle, kConnecting, kOpen, kBackingOff };

  // Raft says again what is lost, but for what is of the store itself.
  static void note_lost(const raft_serverpb::RaftMessage& message, const char* reason) {
    if (!message.has_extra_msg()) return;
    metrics::counter("tikv_raftstore_extra_message_send_failure_total", "Messages beside Raft's own that were lost",
                     {{"type", raft_serverpb::ExtraMessageType_Name(message.extra_msg().type())}, {"reason", reason}})
        .add();
  }

  // As often as a message finds no room: the metric is not looked up by name.
  void tell_unreachable() {
    failures.add();
    core->unreachable(store);
  }

  // Asks PD for the address and opens the stream.
  void connect() CAIRN_REQUIRES(mutex) {
    connecting_since = measured_now();
    core->timers->post([self = shared_from_this()] {
      self->core->resolve(self->store, [self](std::optional<std::string> address) { self->on_address(address); });
    });
  }
  void on_address(const std::optional<std::string>& address) {
    if (core->is_stopped) return;
    if (!address) {
      {
        MutexLock lock(mutex);
        fail();
      }
      tell_unreachable();
      return;
    }
    // Without the lock: a loop that has stopped closes the stream at once.
    auto found = core->loop.channel(*address);
    auto opened = found->open("/tikvpb.Tikv/BatchRaft", shared_from_this(), {.metadata = core->metadata()});
    MutexLock lock(mutex);
    channel = std::move(found);
    if (state != State::kConnecting) return opened->cancel();
    state = State::kOpen;
    stream = std::move(opened);
    metrics::histogram("tikv_server_raft_client_wait_ready_duration",
                       "From the wish to speak to a store until its stream is opened", metrics::kJobTimes,
                       {{"to", std::to_string(store.value)}})
        .observe(measured_now() - connecting_since);
    advance();
  }
  // Drops what waits (Raft says it again) and connects anew later.
  void fail() CAIRN_REQUIRES(mutex) {
    for (const auto& message : queue) note_lost(message, "disconnected");
    queue.clear();
    state = State::kBackingOff;
    if (core->is_stopped) return;
    backoff = std::clamp(backoff * 2, core->options.backoff_min, core->options.backoff_max);
    core->timers->after(backoff, [self = shared_from_this()] {
      MutexLock lock(self->mutex);
      if (self->state == State::kBackingOff) self->end_back_off();
    });
  }
  void end_back_off() CAIRN_REQUIRES(mutex) {
    state = State::kIdle;
    if (queue.empty() || core->is_stopped) return;
    state = State::kConnecting;
    connect();
  }
  // As advance(), but what is sent on the gathering executor waits for what the jobs behind it send.
  void advance_soon() CAIRN_REQUIRES(mutex) {
    const auto& gather = core->options.gather;
    if (!gather || !gather->is_current()) return advance();
    if (std::exchange(is_gathering, true)) return;
    gather->post([self = shared_from_this()] {
      MutexLock lock(self->mutex);
      self->is_gathering = false;
      self->advance();
    });
  }
  // Sends what waits, if nothing is being sent.
  void advance() CAIRN_REQUIRES(mutex) {
    if (!stream || !is_writable || queue.empty()) return;
    tikvpb::BatchRaftMessage batch;
    size_t bytes = 0;
    while (!queue.empty() && static_cast<size_t>(batch.msgs_size()) < core->options.batch_messages_max) {
      bytes += weight_of(queue.front());
      if (batch.msgs_size() > 0 && bytes > core->options.batch_bytes_max) break;
      *batch.add_msgs() = std::move(queue.front());
      queue.pop_front();
    }
    is_writable = false;
    const auto& metrics = NetworkMetrics::get();
    const Instant now = measured_now();
    metrics.raft_messages_a_batch.observe(static_cast<uint64_t>(batch.msgs_size()));
    metrics.raft_send_wait.observe(now - waits_since);
    (queue.empty() ? metrics.raft_flushes_all : metrics.raft_flushes_full).add();
    waits_since = now;  // of what is left, at the latest
    stream->write(Payload::serialize(batch));
  }

  const std::shared_ptr<Core> core;
  const StoreId store;
  metrics::Counter& failures;  // to reach it
  Mutex mutex;
  State state CAIRN_GUARDED_BY(mutex) = State::kIdle;
  std::deque<raft_serverpb::RaftMessage> queue CAIRN_GUARDED_BY(mutex);
  std::shared_ptr<Channel> channel CAIRN_GUARDED_BY(mutex);  // the last that was used
  std::shared_ptr<ClientStream> stream CAIRN_GUARDED_BY(mutex);
  bool is_writable CAIRN_GUARDED_BY(mutex) = false;
  Instant waits_since CAIRN_GUARDED_BY(mutex);  // the first in the queue
  Instant connecting_since CAIRN_GUARDED_BY(mutex);
  bool is_gathering CAIRN_GUARDED_BY(mutex) = false;  // a job that will advance is under way
  Duration backoff CAIRN_GUARDED_BY(mutex){};
  std::string last_error CAIRN_GUARDED_BY(mutex);
};

// One snapshot on its way: chunks are read on the file executor, one outstanding write.
class SnapshotSend final : public ClientStreamEvents, public std::enable_shared_from_this<SnapshotSend> {
 public:
  SnapshotSend(std::shared_ptr<Core> core, raft_serverpb::RaftMessage message, store::SnapshotSource source,
               absl::AnyInvocable<void(bool)> done)
      : core_(std::move(core)), source_(std::move(source)), done_(std::move(done)) {
    *first_.mutable_message() = std::move(message);
  }

  void start() {
    NetworkMetrics::get().snapshots_sent.add();
    const StoreId store(first_.message().to_peer().store_id());
    core_->resolve(store, [self = shared_from_this()](std::optional<std::string> address) {
      if (!address || self->core_->is_stopped) return self->end(false);
      self->open(*address);
    });
  }

  void on_writable() override {
    core_->files->post([self = shared_from_this()] { self->write_next(); });
  }
  void on_message(Payload) override { has_answer_ = true; }
  void on_closed(api::Status status) override {
    if (!status.ok()) {
      LOG_WARN("a snapshot of region {} did not arrive: {}", first_.message().region_id(), status.message);
    }
    NetworkMetrics::get().snapshot_time.observe(measured_now() - begun_);
    end(status.ok() && has_answer_);
  }

 private:
  void open(const std::string& address) {
    auto stream = core_->loop.channel(address, 1)
                      ->open("/tikvpb.Tikv/Snapshot", shared_from_this(), {.metadata = core_->metadata()});
    core_->timers->after(core_->options.snapshot_timeout, [weak = std::weak_ptr<ClientStream>(stream)] {
      if (auto late = weak.lock()) late->cancel();
    });
    MutexLock lock(mutex_);
    stream_ = std::move(stream);
    if (is_ready_early_) on_writable();
  }
  void write_next() {
    MutexLock lock(mutex_);
    if (!stream_) {  // open() has not returned yet
      is_ready_early_ = true;
      return;
    }
    if (core_->is_stopped) return stream_->cancel();
    if (!is_first_sent_) {
      is_first_sent_ = true;
      stream_->write(Payload::serialize(first_));
      return;
    }
    if (offset_ == source_.bytes()) return stream_->end_writes();
    auto bytes = source_.read(offset_, core_->options.snapshot_chunk_bytes);
    if (!bytes.ok() || bytes->empty()) {
      LOG_ERROR("a snapshot of region {} cannot be read", first_.message().region_id());
      return stream_->cancel();
    }
    offset_ += bytes->size();
    raft_serverpb::SnapshotChunk chunk;
    chunk.set_data(std::move(*bytes));
    stream_->write(Payload::serialize(chunk));
  }
  void end(bool ok) {
    auto done = std::exchange(done_, nullptr);
    if (done) done(ok);
    MutexLock lock(mutex_);
    stream_.reset();
    source_ = {};
  }

  const std::shared_ptr<Core> core_;
  raft_serverpb::SnapshotChunk first_;
  const Instant begun_ = measured_now();
  std::atomic<bool> has_answer_{false};
  Mutex mutex_;
  store::SnapshotSource source_ CAIRN_GUARDED_BY(mutex_);
  std::shared_ptr<ClientStream> stream_ CAIRN_GUARDED_BY(mutex_);
  uint64_t offset_ CAIRN_GUARDED_BY(mutex_) = 0;
  bool is_first_sent_ CAIRN_GUARDED_BY(mutex_) = false;
  bool is_ready_early_ CAIRN_GUARDED_BY(mutex_) = false;
  absl::AnyInvocable<void(bool)> done_;  // at the end only
};

// The client's side of a Detect stream; the handle below is the store's end of it.
class DetectLink final : public ClientStreamEvents, public std::enable_shared_from_this<DetectLink> {
 public:
  DetectLink(std::shared_ptr<Core> core, api::DeadlockSink sink) : core_(std::move(core)), sink_(std::move(sink)) {}

  void start(StoreId store) {
    core_->resolve(store, [self = shared_from_this()](std::optional<std::string> address) {
      if (!address || self->core_->is_stopped) {
        return self->on_closed({api::Code::kUnavailable, "the store has no address"});
      }
      auto opened = self->core_->loop.channel(*address)->open("/deadlock.Deadlock/Detect", self,
                                                              {.metadata = self->core_->metadata()});
      MutexLock lock(self->mutex_);
      if (self->is_over_) return opened->cancel();
      self->stream_ = std::move(opened);
      self->advance();
    });
  }
  void send(const deadlock::DeadlockRequest& request) {
    Payload payload = Payload::serialize(request);
    MutexLock lock(mutex_);
    if (is_over_) return;
    queue_.push_back(std::move(payload));
    if (queue_.size() > core_->options.detect_queue_max && stream_) return stream_->cancel();
    advance();
  }
  void end() {
    MutexLock lock(mutex_);
    is_over_ = true;
    queue_.clear();
    if (stream_) stream_->cancel();
  }

  void on_writable() override {
    MutexLock lock(mutex_);
    is_writable_ = true;
    advance();
  }
  void on_message(Payload message) override {
    deadlock::DeadlockResponse response;
    if (message.parse_into(response)) sink_.on_response(std::move(response));
  }
  void on_closed(api::Status status) override {
    {
      MutexLock lock(mutex_);
      is_over_ = true;
      stream_.reset();
      queue_.clear();
    }
    sink_.on_closed(std::move(status));
  }

 private:
  void advance() CAIRN_REQUIRES(mutex_) {
    if (!stream_ || !is_writable_ || queue_.empty()) return;
    is_writable_ = false;
    stream_->write(std::move(queue_.front()));
    queue_.pop_front();
  }

  const std::shared_ptr<Core> core_;
  const api::DeadlockSink sink_;
  Mutex mutex_;
  std::shared_ptr<ClientStream> stream_ CAIRN_GUARDED_BY(mutex_);
  std::deque<Payload> queue_ CAIRN_GUARDED_BY(mutex_);
  bool is_writable_ CAIRN_GUARDED_BY(mutex_) = false;
  bool is_over_ CAIRN_GUARDED_BY(mutex_) = false;
};

class DetectStream final : public api::DeadlockStream {
 public:
  explicit DetectStream(std::shared_ptr<DetectLink> link) : link_(std::move(link)) {}
  ~DetectStream() override { link_->end(); }
  void send(deadlock::DeadlockRequest request) override { link_->send(request); }

 private:
  const std::shared_ptr<DetectLink> link_;
};

}  // namespace

std::unique_ptr<api::DeadlockStream> RaftTransport::open_detect(StoreId to, api::DeadlockSink sink) {
  auto link = std::make_shared<DetectLink>(core_, std::move(sink));
  link->start(to);
  return std::make_unique<DetectStream>(std::move(link));
}

std::shared_ptr<Link> RaftTransport::Core::link_to(StoreId store) {
  MutexLock lock(mutex);
  auto& link = links[store];
  if (!link) link = std::make_shared<Link>(shared_from_this(), store);
  return link;
}

void RaftTransport::Core::resolve(StoreId store, std::function<void(std::optional<std::string>)> done) {
  pdpb::GetStoreRequest request;
  request.mutable_header()->set_cluster_id(options.cluster.value);
  request.set_store_id(store.value);
  pd.get_store(api::make_call<pdpb::GetStoreRequest, pdpb::GetStoreResponse>(
      std::move(request),
      [store, done = std::move(done), since = measured_now()](api::Reply<pdpb::GetStoreResponse> reply) {
        NetworkMetrics::get().resolve_time.observe(measured_now() - since);
        if (!reply.ok()) {
          LOG_WARN("PD does not tell the address of store {}: {}", store, reply.error().message);
          return done(std::nullopt);
        }
        const auto& found = reply->store();
        const std::string& address = found.peer_address().empty() ? found.address() : found.peer_address();
        if (reply->header().has_error() || found.state() == metapb::StoreState::Tombstone || address.empty()) {
          LOG_WARN("store {} has no address: {}", store, reply->header().error().message());
          return done(std::nullopt);
        }
        done(address);
      }));
}

RaftTransport::RaftTransport(RaftTransportOptions options, ClientLoop& loop, api::Pd& pd,
                             std::shared_ptr<runtime::Executor> timers, std::shared_ptr<runtime::Executor> files)
    : core_(std::make_shared<Core>(std::move(options), loop, pd, std::move(timers), std::move(files))) {}

RaftTransport::~RaftTransport() { stop(); }

void RaftTransport::on_unreachable(std::function<void(StoreId)> callback) {
  core_->on_unreachable = std::move(callback);
}

void RaftTransport::set_source(StoreId id) { core_->source = id.value; }

void RaftTransport::on_heard(StoreId store) {
  std::shared_ptr<Link> link;
  {
    MutexLock lock(core_->mutex);
    auto found = core_->links.find(store);
    if (found != core_->links.end()) link = found->second;
  }
  if (link) link->retry_now();
}

void RaftTransport::stop() {
  if (core_->is_stopped.exchange(true)) return;
  std::map<StoreId, std::shared_ptr<Link>> links;
  {
    MutexLock lock(core_->mutex);
    links.swap(core_->links);
  }
  for (auto& [_, link] : links) link->stop();
}

void RaftTransport::send(raft_serverpb::RaftMessage message) {
  if (core_->is_stopped) return;
  core_->link_to(StoreId(message.to_peer().store_id()))->send(std::move(message));
}

void RaftTransport::send_snapshot(raft_serverpb::RaftMessage message, store::SnapshotSource source,
                                  absl::AnyInvocable<void(bool ok)> done) {
  if (core_->is_stopped) return done(false);
  std::make_shared<SnapshotSend>(core_, std::move(message), std::move(source), std::move(done))->start();
}

}  // namespace cairn::rpc
