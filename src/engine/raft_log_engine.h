// The contract of the Raft log store: the one write-ahead log of the node, of all its regions together. One fsync ends
// all batches since the last.
//
// For each region: the hard state with the last index (`raft_state`: opaque bytes, raft_serverpb.RaftLocalState),
// entries at consecutive indices (opaque bytes: eraftpb.Entry), and a few small named values (`meta`). A batch is
// atomic. After a crash the store is what it was after some batch at or after the last synced one. A torn tail is cut
// off; it may begin anywhere behind the last synced batch. Damage before that is Corruption. What an open finds is
// durable, also what a process that died had written and not synced: it is acknowledged and applied at once.
//
// Threads: read methods are thread-safe; write() is called by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "engine/error.h"

namespace cairn::engine {

class RaftLogBatch {
 public:
  virtual ~RaftLogBatch() = default;
  virtual void put_state(RegionId region, ByteView raft_state) = 0;
  // Writes an entry at `index`. Entries of later indices that an earlier batch left must be cut by cut_suffix().
  virtual void put_entry(RegionId region, LogIndex index, ByteView entry) = 0;
  // Removes the entries at `from` and behind.
  virtual void cut_suffix(RegionId region, LogIndex from, LogIndex last) = 0;
  // Removes the entries in [from, to): log compaction.
  virtual void cut_prefix(RegionId region, LogIndex from, LogIndex to) = 0;
  // Removes all of the region: its state, its meta values and its entries in [first, last].
  virtual void remove_region(RegionId region, LogIndex first, LogIndex last) = 0;
  // A small value beside the state, e.g. the snapshot that is being applied. `slot` 0 to 255; empty value removes it.
  virtual void put_meta(RegionId region, uint8_t slot, ByteView value) = 0;
  virtual bool empty() const = 0;
  virtual size_t bytes() const = 0;
  virtual void clear() = 0;
};

enum class Sync : bool { kNo = false, kYes = true };

class RaftLogEngine {
 public:
  virtual ~RaftLogEngine() = default;
  virtual std::unique_ptr<RaftLogBatch> new_batch() const = 0;
  // With Sync::kYes all batches up to and including this one are on disk on return.
  virtual Result<void> write(RaftLogBatch& batch, Sync sync) = 0;

  // Regions with a state.
  virtual Result<std::vector<RegionId>> regions() const = 0;
  virtual Result<std::optional<Bytes>> state(RegionId region) const = 0;
  virtual Result<std::optional<Bytes>> meta(RegionId region, uint8_t slot) const = 0;
  virtual Result<std::optional<Bytes>> entry(RegionId region, LogIndex index) const = 0;
  // Appends to `out` the entries of [from, to) in order, stopping once their bytes would pass `max_bytes`, but at least
  // one. Stops at the first gap. Returns how many.
  virtual Result<size_t> entries(RegionId region, LogIndex from, LogIndex to, size_t max_bytes,
                                 std::vector<Bytes>& out) const = 0;
  // Bytes used on disk, about.
  virtual uint64_t used_bytes() const = 0;
};

}  // namespace cairn::engine
