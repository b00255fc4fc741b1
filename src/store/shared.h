// What the parts of one store share: capabilities, settings, and the few objects that stand above the shards. Set up
// before the shards begin, immutable after, except as each object says.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "pdpb.pb.h"
#include "runtime/random.h"
#include "runtime/revocable.h"
#include "store/births.h"
#include "store/directory.h"
#include "store/disk_room.h"
#include "store/log_writer.h"
#include "store/options.h"
#include "store/pending_votes.h"
#include "store/refusals.h"
#include "store/store.h"
#include "store/transport.h"
#include "store/unflushed_splits.h"
#include "txn/concurrency_manager.h"

namespace cairn::store {

class Shard;
class Deadlocks;

// Where snapshots lie in the engine's file space.
inline constexpr const char* kMadeSnapshots = "snap/made";
inline constexpr const char* kReceivedSnapshots = "snap/received";

struct Counters {
  std::atomic<uint64_t> bytes_written{0}, keys_written{0};
  std::atomic<uint64_t> leaders{0};
  std::atomic<uint64_t> snapshots_making{0}, snapshots_sending{0}, snapshots_receiving{0}, snapshots_applying{0};
};

// The bytes of one write, from its proposal until it is applied or refused.
class WaitingWrite {
 public:
  WaitingWrite(std::atomic<uint64_t>& sum, uint64_t bytes) : sum_(sum), bytes_(bytes) { sum_ += bytes_; }
  ~WaitingWrite() { sum_ -= bytes_; }
  WaitingWrite(const WaitingWrite&) = delete;
  WaitingWrite& operator=(const WaitingWrite&) = delete;

 private:
  std::atomic<uint64_t>& sum_;
  const uint64_t bytes_;
};

struct Shared {
  Shared(StoreOptions o, StoreDeps d) : options(std::move(o)), deps(std::move(d)), concurrency(Timestamp(0)) {}

  const StoreOptions options;  // of the start; what changes later goes to its owners, see Store::reconfigure()
  StoreDeps deps;
  StoreId store;      // set before the shards begin
  ClusterId cluster;  // likewise
  RegionDirectory directory;
  PendingVotes pending_votes;
  Births births;
  txn::ConcurrencyManager concurrency;
  std::shared_ptr<Deadlocks> deadlocks;
  std::unique_ptr<LogWriter> log_writer;
  std::shared_ptr<runtime::Executor> snapshot_pool;
  std::shared_ptr<runtime::Executor> command_reads;  // a pool: reads of commands that are not cached
  std::shared_ptr<runtime::Executor> disk_looks;     // asks for room and sizes, in order
  Counters counters;
  Refusals refusals;
  std::atomic<uint64_t> next_incarnation{1};
  std::atomic<uint64_t> next_folder{1};
  std::atomic<bool> departing{false};  // leaders are being given away: stopping comes next
  std::atomic<bool> stopping{false};
  std::atomic<DiskUsage> own_disk_usage{disk_usage::Normal};  // of this store; written by the first shard
  std::atomic<uint64_t> waiting_write_bytes{0};               // of all shards
  // At a time; looked at by shards and by the network, changed by Store::reconfigure().
  std::atomic<uint64_t> snapshots_sending_max = static_cast<uint64_t>(std::max(1, options.snapshots_sending_max));
  std::atomic<uint64_t> snapshots_receiving_max = static_cast<uint64_t>(std::max(1, options.snapshots_receiving_max));
  UnflushedSplits unflushed_splits;

  // What the network holds of a store, snapshots under way above all, may outlive it, and its engines: it reaches them
  // by these, which are taken back when the store ends.
  std::shared_ptr<runtime::Revocable<Shared>> self = std::make_shared<runtime::Revocable<Shared>>(*this);
  std::shared_ptr<runtime::Revocable<engine::FileStore>> files =
      std::make_shared<runtime::Revocable<engine::FileStore>>(deps.kv.files());

  // To PD and to other shards; set by the store. Any thread.
  std::function<void(pdpb::RegionHeartbeatRequest)> heartbeat;
  // Fetches a timestamp, raises max_ts by it, then runs `done` with it (on any thread); retries until it has one.
  using OnTimestamp = absl::AnyInvocable<void(Timestamp)>;
  std::function<void(OnTimestamp done)> sync_max_ts;
  std::function<void(RegionId)> report_missing_leader;
  std::function<void(StoreId)> look_for_store;  // that PD has not named yet
  std::function<int()> slow_score;              // see disk_health.h
  // `done` runs with whether it came about, on any thread; not if the store stops before.
  std::function<void(engine::RegionRequest, std::vector<Bytes> keys, std::function<void(bool)> done)> split;
  // See gc_worker.h.
  std::function<void(Bytes begin, Bytes end, std::function<void(engine::Result<void>)> done)> clear_remains;
  // Runs the job on the shard of that index.
  std::function<void(int shard, absl::AnyInvocable<void(Shard&)>)> post_to_shard;

  // Waits for those who are inside. Before the store or its engines go.
  void revoke() {
    self->revoke();
    files->revoke();
  }
  void fail(const engine::Error& error) {
    stopping = true;
    deps.on_fatal({StoreError::Kind::kEngine, error.message});
  }
};

}  // namespace cairn::store
