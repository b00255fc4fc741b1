#include "sim/transport.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "store/store.h"

namespace cairn::sim {

namespace {

constexpr size_t kChunkBytes = 4096;  // small, so that small snapshots take several letters

// One snapshot on its way. Shared by the letters under way; dies with the last of them.
struct Transfer : std::enable_shared_from_this<Transfer> {
  Network& network;
  Directory& directory;
  Endpoint from;
  NodeId to;
  raft_serverpb::RaftMessage message;
  store::SnapshotSource source;
  absl::AnyInvocable<void(bool)> done;
  std::optional<Endpoint> receiver_life;
  std::unique_ptr<store::SnapshotReceiver> receiver;
  uint64_t sent = 0;

  Transfer(Network& n, Directory& d, Endpoint f, NodeId t) : network(n), directory(d), from(f), to(t) {}

  void end(bool ok) {
    if (done) std::exchange(done, nullptr)(ok);
  }
  // On the sender's inbox: the next chunk.
  void step() {
    Bytes chunk;
    const uint64_t left = source.bytes() - sent;
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
      if (sent < source.bytes()) return Next::kGoOn;
      const bool is_good = receiver->finish().ok();
      receiver.reset();
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

}  // namespace

void SimTransport::send(raft_serverpb::RaftMessage message) {
  const StoreId to_store(message.to_peer().store_id());
  auto to = directory_.find(to_store);
  if (!to) return unreachable(to_store);
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
  transfer->source = std::move(source);
  transfer->done = std::move(done);
  inbox_.post([transfer] { transfer->step(); });
}

}  // namespace cairn::sim
