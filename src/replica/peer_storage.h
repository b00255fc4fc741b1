// PeerStorage: the log of one region as Raft sees it, over the Raft log engine, with recent entries in memory.
//
//      truncated          applied                    last
//   ───────┼─────────────────┼─────────────────────────┼──▶ index
//   (cut   │ on disk         │ on disk or on its way   │
//   later) │        ┌────────┴── entry cache ──────────┤
//
// Entries that may not be on disk yet are always in the cache. Applied ones stay while the cache is within its bound,
// others while it is within a greater one: where applying stalls, they are read back from the disk. The truncated part
// is cut from the disk only when the kv engine no longer needs it after a crash (log_gc.h). Owned by the region's
// Replica, on its shard. Tests: peer_storage_test.cc.
#pragma once

#include <deque>
#include <optional>

#include "engine/raft_log_engine.h"
#include "raft/raw_node.h"
#include "replica/wire.h"

namespace cairn::replica {

// The slot of the log engine's meta values that holds the snapshot being installed.
inline constexpr uint8_t kPendingSnapshotSlot = 0;

class PeerStorage final : public raft::LogStorage {
 public:
  struct Options {
    RegionId region;
    size_t cache_bytes_max = 1 << 20;             // with applied entries in it
    size_t unapplied_cache_bytes_max = 16 << 20;  // with others that are on disk
  };
  // `raft_state` and `apply_state` as loaded; a region without data yet has zeros.
  PeerStorage(Options options, const engine::RaftLogEngine& log, RaftState raft_state, ApplyState apply_state,
              raft::ConfState conf);

  // raft::LogStorage.
  InitialState initial_state() const override;
  Result<std::vector<raft::Entry>, Unavailable> entries(LogIndex low, LogIndex high, size_t max_bytes) const override;
  Result<Term, Unavailable> term(LogIndex index) const override;
  LogIndex first_index() const override { return truncated_.next(); }
  LogIndex last_index() const override { return raft_state_.last_index; }
  std::optional<raft::RaftSnapshot> snapshot(LogIndex min_index, PeerId to) override;

  // Takes over what the Ready wants stored and writes it into the batch. A snapshot comes with the bytes to remember
  // until it is installed.
  void store(const raft::Ready& ready, engine::RaftLogBatch& batch);

  // The commit index advanced: written with the next batch that has another reason.
  void note_hard_state(const raft::HardState& hard) { raft_state_.hard = hard; }
  void on_applied(LogIndex index);
  // The entries up to `index` are on disk as they stand in the log now.
  void on_persisted(LogIndex index);
  LogIndex applied() const { return applied_; }
  // The log up to `index` will not be asked for again. Forgets nothing on disk.
  void compact(LogIndex index, Term term);
  // Removes the entries up to `index` from the disk, as far as that has not been done.
  void cut(LogIndex index, engine::RaftLogBatch& batch);
  void remove_all(engine::RaftLogBatch& batch) const;

  const RaftState& raft_state() const { return raft_state_; }
  LogIndex truncated() const { return truncated_; }
  // Bytes of the entries behind the truncated index that were written since the region was loaded; about.
  uint64_t log_bytes() const { return log_bytes_; }
  size_t cached_bytes() const { return cache_bytes_; }
  // Whether entries should leave it that wait to be applied; on_persisted() says which may.
  bool is_cache_full() const { return cache_bytes_ > options_.unapplied_cache_bytes_max; }

  // A follower needs a snapshot that is not made yet: asked once, until offered or failed.
  bool take_snapshot_request();
  void offer_snapshot(raft::RaftSnapshot snapshot);
  void on_snapshot_failed() { snapshot_state_ = SnapshotState::kNone; }
  // The snapshot that is being made, or was made and not taken, is of this index or a later one.
  std::optional<LogIndex> snapshot_begin() const;

 private:
  enum class SnapshotState { kNone, kWanted, kMaking, kOffered };

  void evict();
  void drop_front();  // of the cache

  const Options options_;
  const engine::RaftLogEngine& log_;
  RaftState raft_state_;
  const raft::ConfState conf_;  // at start
  LogIndex truncated_;
  Term truncated_term_;
  LogIndex cut_;  // the disk holds nothing up to here, as far as is known
  LogIndex applied_;
  LogIndex persisted_;
  std::deque<raft::Entry> cache_;  // Invariant: consecutive, ends at last_index; holds all that is not persisted
  size_t cache_bytes_ = 0;
  uint64_t log_bytes_ = 0;
  SnapshotState snapshot_state_ = SnapshotState::kNone;
  LogIndex making_from_;  // applied when it was asked for
  raft::RaftSnapshot offered_;
};

}  // namespace cairn::replica
