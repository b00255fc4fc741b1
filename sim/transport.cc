#include "sim/transport.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "store/store.h"

namespace cairn::sim {

namespace {

constexpr size_t kChunkBytes = 4096;  // small, so that small snapshots take several letters

// Who waits for a snapshot's end: told once.
struct Waiter {
  absl::AnyInvocable<void(bool)> done;
  void tell(bool ok) {
    if (done) std::exchange(done, nullptr)(ok);
  }
};

// One snapshot on its way. Shared by the letters under way; dies with the last of them.
struct Transfer : std::enable_shared_from_this<Transfer> {
  Network& network;
  Directory& directory;
  Endpoint from;
  NodeId to;
  raft_serverpb::RaftMessage message;
  store::SnapshotSource source;
  std::shared_ptr<Waiter> waiter = std::make_shared<Waiter>();
  std::optional<Endpoint> receiver_life;
  std::unique_ptr<store::SnapshotReceiver> receiver;
  uint64_t bytes = 0;
  uint64_t sent = 0;

  Transfer(Network& n, Directory& d, Endpoint f, NodeId t) : network(n), directory(d), from(f), to(t) {}

  void end(bool ok) {
    source = store::SnapshotSource();
    waiter->tell(ok);
  }
  // On the sender's inbox: the next chunk.
  void step() {
    if (!waiter->done) return;
    Bytes chunk;
    const uint64_t left = bytes - sent;
    if (left > 0) {
      auto read = source.read(sent, std::min<uint64_t>(left, kChunkBytes));
      if (!read.ok()) return end(false);
      chunk = std::move(read).value();
      sent += chunk.size();
    }
    auto self = shared_from_this();
    network.send({.from = from.node,
                  .to = to,
                  .to_incarnation = receiver_life ? std::optional(receiver_life->incarnation) : std::nullopt,
                  .deliver = [self, chunk = std::move(chunk)] { self->receive(chunk); },
                  .notify = from,
                  .lost = [self] { self->end(false); }});
  }
  // On the receiver's inbox.
  void receive(const Bytes& chunk) {
    enum class Next { kGoOn, kDone, kFailed };
    const Next next = [&] {
      if (!receiver_life) {
        receiver_life = network.here(to);
        store::Store* store = directory.store_at(to);
        if (store == nullptr) return Next::kFailed;
        auto begun = store->begin_snapshot(message);
        if (!begun.ok()) return Next::kFailed;
        receiver = std::move(begun).value();
      }
      if (!chunk.empty() && !receiver->append(chunk).ok()) return Next::kFailed;
      if (sent < bytes) return Next::kGoOn;
      const bool is_good = receiver->finish().ok();
      receiver.reset();
      if (is_good && directory.on_snapshot_received) directory.on_snapshot_received(to);
      return is_good ? Next::kDone : Next::kFailed;
    }();
    auto self = shared_from_this();
    network.send({.from = to,
                  .to = from.node,
                  .to_incarnation = from.incarnation,
                  .deliver =
                      [self, next] {
                        if (next == Next::kGoOn) return self->step();
                        self->end(next == Next::kDone);
                      },
                  .notify = from,
                  .lost = [self] { self->end(false); }});
  }
};

// Both ends of one stream of waits. The sender's end and every letter under way share it.
struct DetectLink : std::enable_shared_from_this<DetectLink> {
  Network& network;
  Directory& directory;
  Endpoint from;
  NodeId to;
  api::DeadlockSink sink;
  Endpoint to_life;                                 // that accepted the stream
  std::unique_ptr<api::DeadlockStream> server_end;  // on the receiver's inbox
  Channel there, back;
  bool is_over = false;

  DetectLink(Network& n, Directory& d, Endpoint f, NodeId t, api::DeadlockSink s)
      : network(n), directory(d), from(f), to(t), sink(std::move(s)) {}

  // On the sender's inbox.
  void break_here(const std::string& why) {
    if (!std::exchange(is_over, true)) sink.on_closed({api::Code::kUnavailable, why});
  }
  void send_there(std::function<void(DetectLink&)> job) {
    auto self = shared_from_this();
    network.send({.from = from.node,
                  .to = to,
                  .to_incarnation = {},
                  .deliver = [self, job = std::move(job)] { job(*self); },
                  .notify = from,
                  .lost = [self] { self->break_here("a wait was lost"); },
                  .channel = &there});
  }
  void send_back(std::function<void(DetectLink&)> job) {
    if (!network.is_alive(to_life)) return;
    auto self = shared_from_this();
    network.send({.from = to,
                  .to = from.node,
                  .to_incarnation = from.incarnation,
                  .deliver = [self, job = std::move(job)] { job(*self); },
                  .notify = from,
                  .lost = [self] { self->break_here("an answer to a wait was lost"); },
                  .channel = &back});
  }
  // On the receiver's inbox.
  void open() {
    to_life = network.here(to);
    store::Store* store = directory.store_at(to);
    if (store == nullptr) return send_back([](DetectLink& link) { link.break_here("the store starts up"); });
    std::weak_ptr<DetectLink> weak = weak_from_this();
    server_end =
        store->open_detect({.on_response =
                                [weak](const deadlock::DeadlockResponse& response) {
                                  auto self = weak.lock();
                                  if (!self) return;
                                  self->send_back([response](DetectLink& link) {
                                    if (!link.is_over) link.sink.on_response(response);
                                  });
                                },
                            .on_closed =
                                [weak](const api::Status& status) {
                                  auto self = weak.lock();
                                  if (!self) return;
                                  self->send_back([status](DetectLink& link) { link.break_here(status.message); });
                                }});
    network.watch(to_life, from, [self = shared_from_this()] { self->break_here("the store went down"); });
  }
};

class DetectEnd final : public api::DeadlockStream {
 public:
  explicit DetectEnd(std::shared_ptr<DetectLink> link) : link_(std::move(link)) {}
  ~DetectEnd() override {
    link_->is_over = true;
    if (!link_->network.is_alive(link_->from)) return;
    link_->send_there([](DetectLink& link) { link.server_end.reset(); });
  }
  void send(deadlock::DeadlockRequest request) override {
    if (link_->is_over) return;
    link_->send_there([request = std::move(request)](DetectLink& link) {
      // A life of the store that did not open the stream knows nothing of it.
      if (link.server_end && link.network.is_alive(link.to_life)) link.server_end->send(request);
    });
  }

 private:
  std::shared_ptr<DetectLink> link_;
};

}  // namespace

std::unique_ptr<api::DeadlockStream> SimTransport::open_detect(StoreId to, api::DeadlockSink sink) {
  const auto node = directory_.find(to);
  if (!node) return nullptr;
  auto link = std::make_shared<DetectLink>(network_, directory_, self_, *node, std::move(sink));
  link->send_there([](DetectLink& opened) { opened.open(); });
  return std::make_unique<DetectEnd>(std::move(link));
}

void SimTransport::send(raft_serverpb::RaftMessage message) {
  const StoreId to_store(message.to_peer().store_id());
  auto to = directory_.find(to_store);
  if (!to) return unreachable(to_store);
  const bool is_vote = message.message().msg_type() == eraftpb::MsgRequestVoteResponse && !message.message().reject();
  if (is_vote && directory_.on_vote) directory_.on_vote(self_.node, *to);
  auto shared = std::make_shared<const raft_serverpb::RaftMessage>(std::move(message));
  network_.send_datagram(
      self_, *to,
      [directory = &directory_, node = *to, shared] {
        if (store::Store* store = directory->store_at(node)) store->on_raft_message(*shared);
      },
      [directory = &directory_, self = self_.node, to_store] {
        if (store::Store* store = directory->store_at(self)) store->on_unreachable(to_store);
      });
}

void SimTransport::unreachable(StoreId to_store) {
  inbox_.post([directory = &directory_, self = self_.node, to_store] {
    if (store::Store* store = directory->store_at(self)) store->on_unreachable(to_store);
  });
}

void SimTransport::send_snapshot(raft_serverpb::RaftMessage message, store::SnapshotSource source,
                                 absl::AnyInvocable<void(bool ok)> done) {
  auto to = directory_.find(StoreId(message.to_peer().store_id()));
  if (!to) {
    inbox_.post([d = std::move(done)]() mutable { d(false); });
    return;
  }
  auto transfer = std::make_shared<Transfer>(network_, directory_, self_, *to);
  transfer->message = std::move(message);
  transfer->bytes = source.bytes();
  transfer->source = std::move(source);
  transfer->waiter->done = std::move(done);
  inbox_.post([transfer] { transfer->step(); });
  // A receiver that dies with a chunk in its hands breaks the stream.
  network_.watch(network_.here(*to), self_, [waiter = transfer->waiter] { waiter->tell(false); });
}

}  // namespace cairn::sim
