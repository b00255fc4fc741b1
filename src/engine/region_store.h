// The contract of the replicated store, on which transactions (txn/) and the raw API (rawkv/) rest: a consistent view
// of one region to read from, and a list of changes to replicate. store/ implements it over Raft; tests implement it
// over a plain engine (memory/local_region_store.h).
//
// Keys here are engine keys: without the store's 'z', as they are proposed in Raft.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "engine/kv_engine.h"
#include "engine/region_request.h"
#include "runtime/task.h"

namespace cairn::engine {

// What a write rests on. Changes that follow from what was read must follow from the state of the leader that proposes
// them, once it has applied an entry of its own term: before that it may lack what an earlier leader has committed
// (INV-WRITE-BASIS). So only a view of such a leader gives a basis, and the write is proposed in that very term.
class WriteBasis {
 public:
  // The changes follow from nothing that was read.
  static WriteBasis nothing() { return {}; }
  // The leader of `term` gave the view, with `applied` applied.
  WriteBasis(Term term, LogIndex applied) : term_(term), applied_(applied) {}

  bool is_view() const { return term_.is_set(); }
  Term term() const { return term_; }
  LogIndex applied() const { return applied_; }

 private:
  WriteBasis() = default;
  Term term_;
  LogIndex applied_;
};

// One region at one applied index: what may be read was checked when it was made. Reading outside the region's bounds
// is a bug of the caller. Immutable and thread-safe.
class RegionSnapshot {
 public:
  virtual ~RegionSnapshot() = default;
  virtual Result<std::optional<Bytes>> get(Cf cf, ByteView engine_key, ReadTier tier) const = 0;
  Result<std::optional<Bytes>> get(Cf cf, ByteView engine_key) const { return get(cf, engine_key, ReadTier::kDisk); }
  // Bounds of `options` are engine keys; they are clipped to the region's.
  virtual std::unique_ptr<Iterator> iterator(Cf cf, IterOptions options) const = 0;

  // As that of engine::Snapshot.
  virtual ReadWork work_of_thread() const { return {}; }

  virtual RegionId region_id() const = 0;
  // Term of the peer that gave this view.
  virtual Term term() const = 0;
  // What a write that follows from this view is proposed with. StaleCommand: the view is for reading only.
  virtual cairn::Result<WriteBasis, RegionError> write_basis() const = 0;
  virtual LogIndex applied_index() const = 0;  // the region's data version
  // Whether max_ts has been raised by a fresh timestamp since this leader was elected. Until then no commit timestamp
  // may be chosen here (async commit, 1PC): a former leader's readers are not known yet.
  virtual bool is_max_ts_synced() const { return true; }
  // That timestamp. Whatever a former leader's writes were stamped with lies below it.
  virtual Timestamp max_ts_synced_at() const { return {}; }
  virtual ByteView start_key() const = 0;  // engine key; empty: no bound
  virtual ByteView end_key() const = 0;
};

// One change to a column family.
struct Modify {
  enum class Op : uint8_t { kPut, kDelete, kDeleteRange };
  Op op = Op::kPut;
  Cf cf = Cf::kDefault;
  Bytes key;                 // engine key; begin of the range
  Bytes value;               // end of the range for kDeleteRange
  bool notify_only = false;  // kDeleteRange: replicate, delete nothing

  static Modify put(Cf cf, Bytes key, Bytes value) { return {Op::kPut, cf, std::move(key), std::move(value), false}; }
  static Modify del(Cf cf, Bytes key) { return {Op::kDelete, cf, std::move(key), {}, false}; }
  static Modify delete_range(Cf cf, Bytes begin, Bytes end, bool notify_only = false) {
    return {Op::kDeleteRange, cf, std::move(begin), std::move(end), notify_only};
  }
};

// When a write came to its stages, by the clock of the store that it was given to. Unset: it never did.
struct WriteTimes {
  Instant proposed;     // to Raft
  Instant sent;         // its entry, to this store's disk and to the followers: the round that does it begins
  Instant queued;       // it has left to both
  Instant write_begun;  // to this store's disk
  Instant written;      // and synced there
  Instant persisted;    // its shard has heard so
  Instant committed;    // a majority has it, as this store learnt
  Instant apply_begun;  // the batch of entries in which it is applied
  Instant applied;
};

// A write to replicate: all of it becomes visible together.
struct WriteData {
  std::vector<Modify> changes;
  bool one_pc = false;                          // tells observers that the changes are a whole transaction
  std::shared_ptr<WriteTimes> times = nullptr;  // filled in before the write is answered; null: nobody wants to know
};

using RegionSnapshotPtr = std::shared_ptr<const RegionSnapshot>;

// One shard's regions. Used on the shard's executor only; tasks resume there.
class RegionStore {
 public:
  virtual ~RegionStore() = default;
  // A view of the region that holds all that was acknowledged before the call (by lease, or read index). Checks the
  // request against the region as errorpb prescribes: store, existence, leadership, peer, term, epoch.
  virtual runtime::Task<cairn::Result<RegionSnapshotPtr, RegionError>> snapshot(RegionRequest request) = 0;
  // Replicates and applies the changes; returns once they are applied here. `basis` is that of the snapshot that they
  // follow from: if the leader changed since, StaleCommand or NotLeader and nothing happens. Keys outside the region
  // are refused. Returns the log index.
  virtual runtime::Task<cairn::Result<LogIndex, RegionError>> write(RegionRequest request, WriteBasis basis,
                                                                    WriteData data) = 0;
  // Cheap: may be called for each command. The region's writes are slower than they come in: answer ServerIsBusy.
  virtual bool is_busy(RegionId region) const = 0;
  virtual runtime::Executor& executor() = 0;
  // Where reads of the shard's commands may wait for the disk.
  virtual runtime::Executor& read_executor() { return executor(); }
};

}  // namespace cairn::engine
