// LogGc: how far the log may be compacted, and how far it may be cut from the disk.
//
// Two steps, because the kv engine has no log of its own. The leader proposes CompactLog up to what all followers have
// (or further if the log grows too large: those get a snapshot). When it is applied, the region no longer reads that
// part; but the entries stay on disk until the engine has flushed the batch that says so, since after a crash the
// region goes on from the flushed applied index (INV-LOG-NOT-AHEAD).
//
// A log that is too long overtakes the dead and those that stand still, not who is being helped: making, sending and
// installing a snapshot takes as long as the disks need, and one whose log is cut meanwhile is in vain, and so is the
// next. The store's whole log bounds that.
//
// Owned by the region's Replica, on its shard. Tests: log_gc_test.cc.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "base/result.h"
#include "raft/raw_node.h"

namespace cairn::replica {

struct LogGcLimits {
  uint64_t threshold = 50;         // fewer entries are left alone
  uint64_t count_max = 192 << 10;  // more are cut even if a follower needs them
  uint64_t bytes_max = 192 << 20;

  // The store's log is beyond its bound: nobody is waited for.
  bool is_tight = false;

  // With the store's whole log beyond `store_bytes_max`, no region's may have more than its share of that.
  LogGcLimits within(uint64_t store_bytes, uint64_t store_bytes_max, uint64_t regions) const;
};

class LogGc {
 public:
  struct View {
    LogIndex truncated, applied, last;
    uint64_t log_bytes = 0;
    // Where a snapshot begins that is being made, or made and not sent yet.
    std::optional<LogIndex> snapshot = std::nullopt;
  };
  // The index up to which the leader should compact now, if any. Remembers how far followers were, to tell those that
  // come along from those that stand still.
  std::optional<LogIndex> compact_to(const View& view, const std::vector<raft::PeerProgress>& progress,
                                     const LogGcLimits& limits);

  // The batch with engine sequence `sequence` said that the log is truncated at `truncated`.
  void on_truncated(uint64_t sequence, LogIndex truncated, uint64_t bytes = 0);
  // How far the disk's log may be cut, given what the engine has flushed; forgets what it returns.
  std::optional<LogIndex> take_cuttable(uint64_t flushed_sequence);
  // Bytes that a flush of the engine would let go of, about.
  uint64_t waiting_bytes() const { return waiting_bytes_; }
  // Whether a log of `used` bytes, of which `waiting` could go after a flush, is worth one: not if others than the
  // engine hold it.
  static bool is_worth_a_flush(uint64_t used, uint64_t waiting, uint64_t flush_bytes) {
    return used > flush_bytes && waiting >= flush_bytes / 4;
  }

 private:
  // From where on living followers, which a log that is too long would otherwise overtake, read the log.
  LogIndex needed_from(const View& view, const std::vector<raft::PeerProgress>& progress);

  struct Pending {
    uint64_t sequence;
    LogIndex truncated;
    uint64_t bytes;
  };
  std::deque<Pending> pending_;  // sequences and indices ascend
  uint64_t waiting_bytes_ = 0;
  std::map<PeerId, LogIndex> matched_;  // at the last look at a log that was too long
};

}  // namespace cairn::replica
