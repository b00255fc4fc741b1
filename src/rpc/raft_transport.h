// store::Transport over gRPC: one long BatchRaft stream to each peer store, one Snapshot stream for each snapshot, and
// a Detect stream for waits for locks.
//
//   send() ─▶ the peer's queue (bounded) ─ one outstanding write, as many messages as wait, at most 256 or 10 MiB ─▶
//   peer
//
// Order is kept per peer; Raft tolerates loss, so a full queue or a broken stream drops messages and reports the store
// unreachable. A broken stream is opened again after a back-off (100 ms to 1 s, or as soon as that store is heard of),
// its address asked of PD anew (peer_address, else address; a tombstone is not dialled). Thread-safe: each peer has a
// mutex, held for moments. The receiving end is serve_raft(). Tests: raft_transport_test.cc.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "api/pd.h"
#include "base/ids.h"
#include "rpc/client.h"
#include "rpc/server_stream.h"
#include "runtime/executor.h"
#include "store/store.h"
#include "store/transport.h"

namespace cairn::rpc {

struct RaftTransportOptions {
  ClusterId cluster;                  // for the header of GetStore; unset: left to the PD client
  size_t queue_messages_max = 16384;  // of one peer
  size_t batch_messages_max = 256;
  size_t batch_bytes_max = size_t{10} << 20;
  size_t snapshot_chunk_bytes = size_t{1} << 20;
  size_t detect_queue_max = 65536;  // waits for locks that wait for the network; beyond: the stream begins anew
  // What is sent on this executor leaves once the jobs that wait there have run; nullptr: at once.
  std::shared_ptr<runtime::Executor> gather = nullptr;
  Duration backoff_min = std::chrono::milliseconds(100);
  Duration backoff_max = std::chrono::seconds(1);
  Duration resolve_timeout = std::chrono::seconds(3);
  Duration snapshot_timeout = std::chrono::minutes(10);
};

class RaftTransport : public store::Transport {
 public:
  // `timers` runs back-offs, `files` reads snapshots (it may block). `loop` and `pd` must outlive the transport.
  RaftTransport(RaftTransportOptions options, ClientLoop& loop, api::Pd& pd, std::shared_ptr<runtime::Executor> timers,
                std::shared_ptr<runtime::Executor> files);
  ~RaftTransport() override;
  RaftTransport(const RaftTransport&) = delete;
  RaftTransport& operator=(const RaftTransport&) = delete;

  // Who is told that a store cannot be reached; on any thread. To be called once, before the first send().
  void on_unreachable(std::function<void(StoreId)> callback);
  // The id that goes into the streams' metadata (`source_store_id`); once it is known.
  void set_source(StoreId id);
  // The store has opened a stream to this one: if the way to it is broken, it is tried again now. A store that was
  // started again would otherwise ask for votes and hear no answer. Any thread.
  void on_heard(StoreId store);
  // Closes the streams; snapshots under way fail; nothing is reported any more. Idempotent.
  void stop();

  void send(raft_serverpb::RaftMessage message) override;
  void send_snapshot(raft_serverpb::RaftMessage message, store::SnapshotSource source,
                     absl::AnyInvocable<void(bool ok)> done) override;
  std::unique_ptr<api::DeadlockStream> open_detect(StoreId to, api::DeadlockSink sink) override;

  class Core;

 private:
  std::shared_ptr<Core> core_;
};

// What the receiving end does with what comes.
struct RaftReceiver {
  std::function<StoreId()> store_id;  // messages for another store end the stream; unset id: not checked
  std::function<void(raft_serverpb::RaftMessage)> on_message;
  std::function<void(StoreId)> on_stream;  // the first message of a new stream came, from that store; may be empty
  std::function<Result<std::unique_ptr<store::SnapshotReceiver>, std::string>(raft_serverpb::RaftMessage)>
      begin_snapshot;
  // A snapshot of which nothing comes for so long (up to twice) is given up: it keeps others from coming.
  Duration snapshot_idle_max = 60s;
};

// The methods Raft, BatchRaft and Snapshot of tikvpb.Tikv. `files` writes snapshots (it may block; one thread).
void serve_raft(Router& router, RaftReceiver receiver, std::shared_ptr<runtime::Executor> files);

}  // namespace cairn::rpc
