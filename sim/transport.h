// store::Transport in the world: raft messages are datagrams; a snapshot is a stream of chunks, each acknowledged
// before the next is sent, and any lost letter fails it. One a life of a store. Tests: world_test.cc.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "base/ids.h"
#include "sim/network.h"
#include "store/transport.h"

namespace cairn::store {
class Store;
}

namespace cairn::sim {

// Who is where. A store appears once it has started for the first time.
struct Directory {
  std::map<StoreId, NodeId> nodes;
  // The started store of a node; null if it is down or starting.
  std::function<store::Store*(NodeId)> store_at;
  std::function<void(NodeId voter, NodeId candidate)> on_vote;  // a granted vote leaves; may be null
  std::function<void(NodeId)> on_snapshot_received;  // a store has one whole and is to install it; may be null

  std::optional<NodeId> find(StoreId store) const {
    auto it = nodes.find(store);
    if (it == nodes.end()) return std::nullopt;
    return it->second;
  }
};

class SimTransport final : public store::Transport {
 public:
  SimTransport(Network& network, Endpoint self, Directory& directory, runtime::Executor& inbox)
      : network_(network), self_(self), directory_(directory), inbox_(inbox) {}

  void send(raft_serverpb::RaftMessage message) override;
  void send_snapshot(raft_serverpb::RaftMessage message, store::SnapshotSource source,
                     absl::AnyInvocable<void(bool ok)> done) override;
  // A lost letter in either direction, or the other node's death, breaks the stream.
  std::unique_ptr<api::DeadlockStream> open_detect(StoreId to, api::DeadlockSink sink) override;

 private:
  void unreachable(StoreId store);

  Network& network_;
  Endpoint self_;
  Directory& directory_;
  runtime::Executor& inbox_;
};

}  // namespace cairn::sim
