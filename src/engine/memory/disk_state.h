// What a MemoryDisk holds: the ordered store, the Raft log and the files, each with what is durable apart from what is
// not. The engines of this folder are views on it, and the simulator's watchers look at it from outside. All of it is
// read and written with DiskState::mutex held.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "engine/memory/memory_engine.h"
#include "engine/memory/persistent_map.h"

namespace cairn::engine::memory {

// One change of a batch of the ordered store. A deletion carries its key in `entry->key`; a range deletion its end in
// `entry->value`.
struct KvOp {
  enum class Kind : uint8_t { kPut, kDelete, kDeleteRange };
  Kind kind = Kind::kPut;
  Cf cf = Cf::kDefault;
  EntryPtr entry;
};
using KvOps = std::vector<KvOp>;

// The four column families at one moment; copies are snapshots.
struct KvImage {
  std::array<PersistentMap, kCfCount> families;

  PersistentMap& of(Cf cf) { return families[static_cast<size_t>(cf)]; }
  const PersistentMap& of(Cf cf) const { return families[static_cast<size_t>(cf)]; }
  void apply(const KvOps& ops);
  uint64_t bytes() const;
};

// The ordered store. `durable` plus the batches of `unflushed` is `current`.
struct KvState {
  struct Batch {
    uint64_t sequence = 0;  // after it
    uint64_t bytes = 0;
    std::shared_ptr<const KvOps> ops;
  };
  // A flush under way: it becomes durable as a whole when `lag` has run down.
  struct Flush {
    KvImage image;
    uint64_t sequence = 0;
    int lag = 0;
  };

  KvImage durable;
  uint64_t durable_sequence = 0;
  KvImage current;
  uint64_t sequence = 0;
  std::deque<Batch> unflushed;
  uint64_t unflushed_bytes = 0;
  std::optional<Flush> flush;
  // Snapshots that may still be read: what a compaction collects goes from them, too. Iterators that are open keep it.
  std::vector<std::weak_ptr<KvImage>> snapshots;
  bool open = false;
  bool dead = false;  // the node crashed under the engine that holds this

  std::shared_ptr<KvImage> take_snapshot();
  void begin_flush(int lag);
  // All up to the flush under way is durable.
  void end_flush();
  // All that was written is durable.
  void flush_all();
};

struct RaftLogOp {
  enum class Kind : uint8_t { kState, kEntry, kCut, kRemove, kMeta };
  Kind kind = Kind::kState;
  RegionId region;
  uint64_t first = 0;  // index of an entry; bounds of a cut, both included; slot of a meta value
  uint64_t last = 0;
  std::shared_ptr<const Bytes> bytes;
};
using RaftLogOps = std::vector<RaftLogOp>;

struct RegionLog {
  uint64_t changed_at = 0;  // RaftLogImage::changes after its last change
  std::shared_ptr<const Bytes> state;
  std::map<uint8_t, std::shared_ptr<const Bytes>> meta;
  std::map<uint64_t, std::shared_ptr<const Bytes>> entries;
};

struct RaftLogImage {
  std::map<RegionId, RegionLog> regions;
  uint64_t bytes = 0;    // of entries, states and meta values
  uint64_t changes = 0;  // so far; of a disk's durable image it never goes back

  void apply(const RaftLogOps& ops);
};

// The Raft log. `durable` plus the batches of `unsynced` is `current`.
struct RaftLogState {
  RaftLogImage durable;
  RaftLogImage current;
  std::deque<std::shared_ptr<const RaftLogOps>> unsynced;
  bool open = false;
  bool dead = false;

  void sync();
};

struct File {
  Bytes bytes;
  size_t synced = 0;  // so many of them survive a crash
};

struct DiskState {
  mutable Mutex mutex;
  MemoryDiskOptions options CAIRN_GUARDED_BY(mutex);
  MemoryDisk::Health health CAIRN_GUARDED_BY(mutex) = MemoryDisk::Health::kGood;
  bool stalled CAIRN_GUARDED_BY(mutex) = false;
  MemoryDisk::Hook hook CAIRN_GUARDED_BY(mutex);
  MemoryDisk::Pace pace;                               // under no lock: set before use
  MemoryDisk::Cold cold;                               // likewise
  MemoryDisk::Stats counters CAIRN_GUARDED_BY(mutex);  // only what is counted; the rest is looked up
  std::shared_ptr<KvState> kv CAIRN_GUARDED_BY(mutex) = std::make_shared<KvState>();
  std::shared_ptr<RaftLogState> log CAIRN_GUARDED_BY(mutex) = std::make_shared<RaftLogState>();
  std::map<std::string, std::shared_ptr<File>> files CAIRN_GUARDED_BY(mutex);
  // Synced files that were removed of late: the loss of power may bring them back, as removals are not synced.
  std::map<std::string, std::shared_ptr<File>> removed CAIRN_GUARDED_BY(mutex);

  // Takes the time of an access.
  void wait(DiskAccess kind, uint64_t bytes) const CAIRN_EXCLUDES(mutex) {
    if (pace) pace(kind, bytes);
  }
  // Whether what is to be read lies on the disk alone.
  bool is_cold() const { return cold && cold(); }
  void remove_file(const std::string& path) CAIRN_REQUIRES(mutex);
  // Asks the hook and the disk's health whether an access may happen. Counts it.
  Result<void> access(DiskAccess kind, uint64_t bytes) CAIRN_REQUIRES(mutex);
  uint64_t used() const CAIRN_REQUIRES(mutex);
  // One event passed: a flush under way comes nearer to its end.
  void tick_flush() CAIRN_REQUIRES(mutex);
};

}  // namespace cairn::engine::memory
