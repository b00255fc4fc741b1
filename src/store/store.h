// Store: many regions on one machine. It identifies itself to PD (bootstrapping the cluster if it is the first), loads
// its regions, runs their Raft groups, heartbeats, carries out PD's commands, and offers the replicated store
// (engine::RegionStore) on which txn and rawkv rest.
//
//   any thread ─ on_shard(region) ─▶ Shard (raft, replicas, latches) ─▶ LogWriter (one fsync a round, all shards)
//                                       ▲        └────────────────────▶ Applier (one engine batch, many regions)
//                                       └── results ────────────────────────┘
//   any thread ─ try_lease_snapshot ─▶ published read view (no hop)
//
// A region is pinned to a shard; a child of a split stays with its parent. Tests: store_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/deadlock.h"
#include "api/pd.h"
#include "base/ids.h"
#include "engine/kv_engine.h"
#include "engine/raft_log_engine.h"
#include "engine/region_request.h"
#include "engine/region_store.h"
#include "raft_serverpb.pb.h"
#include "runtime/clock.h"
#include "runtime/executor.h"
#include "runtime/task.h"
#include "store/options.h"
#include "store/transport.h"

namespace cairn::txn {
class Scheduler;
class ConcurrencyManager;
}  // namespace cairn::txn

namespace cairn::store {

// Why a store did not start, or cannot go on.
struct StoreError {
  enum class Kind {
    kClusterMismatch,  // the data belongs to another cluster than PD serves
    kEngineNotEmpty,   // no identity, yet there is data
    kOtherApiVersion,  // the data is laid out in another API version
    kRefusedByPd,      // PD will not have this store (duplicate address, tombstone, version)
    kEngine,           // the disk failed
    kStopped,          // stop() came first
  };
  Kind kind = Kind::kEngine;
  std::string message;
};

// Capabilities and neighbours. All must outlive the store (until stop()'s callback).
struct StoreDeps {
  runtime::Clock& clock;
  runtime::Executors& executors;
  // Of the election timeouts, and of what tells this life of the store from earlier ones: drawn anew at each start.
  uint64_t seed;
  engine::KvEngine& kv;
  engine::RaftLogEngine& raft_log;
  api::Pd& pd;
  Transport& transport;
  // The disk failed, or PD declared the store a tombstone: the process must end (the simulator crashes the node). Any
  // thread, once or more; the store does nothing further with the disk.
  std::function<void(StoreError)> on_fatal;
  // Where the first shard runs; by default on a thread of its own.
  std::shared_ptr<runtime::Executor> shard_executor = nullptr;
};

// What a job on a shard may use. Valid during the store's life; used on `executor()` only.
class ShardHandle {
 public:
  virtual ~ShardHandle() = default;
  virtual engine::RegionStore& regions() = 0;
  virtual txn::Scheduler& scheduler() = 0;
  virtual runtime::Executor& executor() = 0;
};

// One snapshot that is being received from another store. One caller at a time, any thread. Dropping it unfinished
// removes what was written.
class SnapshotReceiver {
 public:
  virtual ~SnapshotReceiver() = default;
  // The next bytes of the files' concatenation.
  virtual engine::Result<void> append(ByteView bytes) = 0;
  // All bytes are there: checks sizes and checksums, then hands the message to its region.
  virtual engine::Result<void> finish() = 0;
};

// A moment's figures, for the status page and metrics. Thread-safe copies.
struct StoreStats {
  uint64_t regions = 0;
  uint64_t leaders = 0;
  uint64_t bytes_written = 0;
  uint64_t keys_written = 0;
  uint64_t bytes_read = 0;
  uint64_t keys_read = 0;
  uint64_t snapshots_sending = 0;
  uint64_t snapshots_receiving = 0;
  uint64_t snapshots_applying = 0;
  uint64_t messages_refused = 0;  // that no store can have sent
};

// What a debugging or status page shows of one region.
struct RegionStatus {
  engine::RegionDescription region;
  PeerId peer;
  PeerId leader;
  Term term;
  LogIndex applied, committed, last;
  bool is_leader = false;
};

class Store {
 public:
  Store(StoreOptions options, StoreDeps deps);
  ~Store();  // stop() must have finished, or start() never been called
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Identifies the store, bootstraps the cluster if need be, loads and starts the regions, begins heartbeats. Retries
  // while PD cannot be reached. `on_started` runs on a store thread: nothing, or why it cannot be.
  void start(absl::AnyInvocable<void(Result<void, StoreError>)> on_started);
  // Settings that have changed go to those who go by them. What holds for the store's whole life (threads, ticks, sizes
  // of pools, how keys are laid out) does not change. Once started. Any thread.
  void reconfigure(const StoreOptions& options);
  // Gives the leadership of all regions led here to stores that are up to date, pessimistic locks of memory with it,
  // and tells PD. Serves all the while: clients hear who leads now. `on_departed` runs on a store thread with how many
  // regions are still led here, because no other store can take them. It has no limit of its own, and may never run if
  // stop() comes first. Once, after the start.
  void depart(absl::AnyInvocable<void(uint64_t leaders_left)> on_departed);
  // Answers what waits, ends tasks and timers; `on_stopped` runs on a store thread when all is quiet. Does not flush.
  void stop(absl::AnyInvocable<void()> on_stopped);

  // Set once started.
  StoreId id() const;
  ClusterId cluster() const;
  const StoreOptions& options() const;

  // Runs `job` on the shard that owns (or would own) the region. Any thread.
  void on_shard(RegionId region, absl::AnyInvocable<void(ShardHandle&)> job);
  // Every shard, for stores that spread work over all (deadlock wake-ups, flush). Any thread.
  int shard_count() const;
  void on_shard_at(int index, absl::AnyInvocable<void(ShardHandle&)> job);

  // A view of the region under the leader's lease, without a hop; nothing if that needs the shard (no lease, not yet
  // applied in this term, follower read). An error only if the request is refused for sure. Any thread.
  std::optional<Result<engine::RegionSnapshotPtr, engine::RegionError>> try_lease_snapshot(
      const engine::RegionRequest& request);
  // As RegionStore::snapshot, from a task on any executor: by lease if possible, else by way of the shard. The task
  // goes on on `resume_on`.
  runtime::Task<Result<engine::RegionSnapshotPtr, engine::RegionError>> snapshot(engine::RegionRequest request,
                                                                                 runtime::Executor& resume_on);
  // Likewise by way of the shard, with the pessimistic locks of memory in the lock column family.
  runtime::Task<Result<engine::RegionSnapshotPtr, engine::RegionError>> snapshot_with_locks(
      engine::RegionRequest request, runtime::Executor& resume_on);
  runtime::Executor& read_pool();
  txn::ConcurrencyManager& concurrency();

  // A run of `count` timestamps from PD: the last of them, or why there is none. The task goes on on a store thread.
  runtime::Task<Result<Timestamp, std::string>> timestamps(uint32_t count);

  // Splits the region at the keys (engine keys without timestamp). The regions that result, from left to right. The
  // task goes on on `resume_on`.
  runtime::Task<Result<std::vector<engine::RegionDescription>, engine::RegionError>> split_region(
      engine::RegionRequest request, std::vector<Bytes> keys, runtime::Executor& resume_on);
  // The index up to which a replica must have applied for a linearizable read, as the leader knows it.
  runtime::Task<Result<LogIndex, engine::RegionError>> read_index(engine::RegionRequest request,
                                                                  runtime::Executor& resume_on);
  // Removes all data of [begin, end) (engine keys, neither empty) from this store alone, below Raft: for ranges that
  // nobody uses any more. Durable on return.
  runtime::Task<engine::Result<void>> destroy_range(Bytes begin, Bytes end, runtime::Executor& resume_on);
  // Hands leadership of the region to the peer; best effort. Any thread.
  void transfer_leader(RegionId region, PeerId to);

  // From the transport. Any thread.
  void on_raft_message(raft_serverpb::RaftMessage message);
  void on_unreachable(StoreId store);
  void on_unreachable(RegionId region, PeerId peer);
  // `message` is the first chunk's. An error if it cannot be taken now (too many, or not for this store).
  Result<std::unique_ptr<SnapshotReceiver>, std::string> begin_snapshot(raft_serverpb::RaftMessage message);

  // Another store's stream of waits, if this one detects deadlocks. Any thread.
  std::unique_ptr<api::DeadlockStream> open_detect(api::DeadlockSink sink);
  // Who waits for locks here now, or did last; `wait_time` in milliseconds. The task goes on on `resume_on`.
  enum class LockWaits { kNow, kEnded };
  runtime::Task<std::vector<deadlock::WaitForEntry>> lock_waits(LockWaits which, runtime::Executor& resume_on);

  StoreStats stats() const;
  // From 1, when the disk keeps up, to 100 (disk_health.h). Any thread.
  int slow_score() const;
  // All regions here, by id. Any thread; approximate.
  std::vector<RegionStatus> regions() const;

 private:
  class Core;  // core.h
  std::shared_ptr<Core> core_;
};

}  // namespace cairn::store
