// What a store asks of the network to other stores: best-effort messages, streams of snapshots and of waits for locks.
// rpc/ implements it over gRPC, sim/ in the simulated world. Addresses are the transport's matter: it resolves store
// ids by PD.
//
// The other direction: the transport calls Store::on_raft_message, Store::begin_snapshot, Store::open_detect and
// Store::on_unreachable.
#pragma once

#include <absl/functional/any_invocable.h>

#include <memory>
#include <string>
#include <vector>

#include "api/deadlock.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "engine/kv_engine.h"
#include "raft_serverpb.pb.h"
#include "runtime/revocable.h"

namespace cairn::store {

// The bytes of a snapshot: its column family files one behind the other, in the order of the meta. Thread-safe. The
// files live as long as a copy of the source and the store do; a source that outlives the store answers an error.
class SnapshotSource {
 public:
  struct File {
    std::string path;
    uint64_t bytes = 0;
  };
  SnapshotSource() = default;
  // `keep_alive` releases the files when the last copy dies.
  using Files = runtime::Revocable<engine::FileStore>;
  SnapshotSource(std::shared_ptr<Files> files, std::vector<File> parts, std::shared_ptr<void> keep_alive);

  uint64_t bytes() const { return bytes_; }
  // Up to `n` bytes from `offset` of the concatenation; fewer only at the end.
  engine::Result<Bytes> read(uint64_t offset, size_t n) const;

 private:
  std::shared_ptr<Files> files_;
  std::vector<File> parts_;
  uint64_t bytes_ = 0;
  std::shared_ptr<void> keep_alive_;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Best effort; `to_peer.store_id` says where to. Any thread; never blocks. If it cannot be delivered, the transport
  // tells Store::on_unreachable.
  virtual void send(raft_serverpb::RaftMessage message) = 0;
  // Streams a snapshot: first a chunk with `message` (a MsgSnapshot), then chunks of 1 MiB with the bytes of `source`.
  // `done(ok)` runs once, on any thread; ok: the receiver has it whole and answered.
  virtual void send_snapshot(raft_serverpb::RaftMessage message, SnapshotSource source,
                             absl::AnyInvocable<void(bool ok)> done) = 0;
  // Opens the stream Deadlock.Detect to the store. If it cannot be had, nullptr, or the sink is closed soon. Any
  // thread; never blocks.
  virtual std::unique_ptr<api::DeadlockStream> open_detect(StoreId to, api::DeadlockSink sink) = 0;
};

}  // namespace cairn::store
