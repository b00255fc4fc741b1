// The engines in memory, for simulated worlds and for tests: the same contracts as rocks/, over a `MemoryDisk` that
// outlives them. The disk knows what is durable; a crash drops what is not, by dice, and nothing else.
//
//   auto disk = std::make_shared<MemoryDisk>();
//   auto kv = open_memory_kv(disk);
//   auto log = open_memory_raft_log(disk);
//   ... disk->crash(dice); the old engines are dead from now on: destroy them, open new ones over the same disk.
//
// An engine that is destroyed without a crash was closed in order: whoever opens the disk next finds all of it.
// Everything is deterministic: the same calls and the same dice give the same state. Thread-safe as the contracts say.
// Tests: kv_contract_test.cc, raft_log_contract_test.cc, memory/memory_disk_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/kv_engine.h"
#include "engine/raft_log_engine.h"
#include "runtime/random.h"

namespace cairn::engine {

namespace memory {
struct DiskState;
}

struct MemoryDiskOptions {
  // A background flush of the ordered store begins when this much is unflushed ...
  uint64_t flush_bytes = uint64_t{1} << 20;
  // ... and is done after so many further events (writes, and looks at flushed_sequence(): waiting ends).
  int flush_lag = 8;
  uint64_t capacity_bytes = uint64_t{1} << 40;
};

// What of a node goes down.
enum class CrashKind {
  kProcess,  // unflushed data of the ordered store is lost; what was handed to the operating system is not
  kMachine,  // unsynced log batches and files are lost too
};

// A kind of access to the disk, for the hook and the pace.
enum class DiskAccess {
  kKvWrite,
  kKvFlush,
  kKvIngest,
  kKvCompact,
  kLogWrite,
  kLogSync,
  kFileWrite,
  kFileSync,
  kFileRead,
  kKvRead,  // a look into a snapshot that may go to the disk; for the pace only
};

// The disk of one node. Thread-safe. Made by make_shared; engines hold a reference to it.
class MemoryDisk {
 public:
  explicit MemoryDisk(MemoryDiskOptions options = {});
  ~MemoryDisk();
  MemoryDisk(const MemoryDisk&) = delete;
  MemoryDisk& operator=(const MemoryDisk&) = delete;

  // The node goes down: engines open now answer every write with kIo from here on (reads keep their old view). The
  // ordered store falls back to a batch at or after its last completed flush, the log to a batch at or after its last
  // sync, a file that was not synced to a prefix of itself or to nothing.
  void crash(runtime::Random& dice, CrashKind kind = CrashKind::kMachine);

  enum class Health {
    kGood,
    kFull,     // whatever needs space fails with kNoSpace; reads and removals work
    kFailing,  // every access fails with kIo
  };
  void set_health(Health health);
  // The disk grows, or shrinks (others fill it).
  void set_capacity(uint64_t bytes);
  uint64_t used() const;
  // Called before each access with its bytes; an error from it becomes the access's own. Counts, or fails what it
  // wants. It must not call back into the disk.
  using Hook = std::function<std::optional<Error>(DiskAccess access, uint64_t bytes)>;
  void set_hook(Hook hook);

  // Called before each access, outside of all locks: takes its time there. What the Raft log's sync waits for is
  // written but not durable meanwhile. To be set before engines are opened.
  using Pace = std::function<void(DiskAccess access, uint64_t bytes)>;
  void set_pace(Pace pace);

  // Asked at each read of the cache alone (ReadTier::kCache): true, and it ends with kNotCached. None: all is cached.
  // To be set before engines are opened; any thread.
  using Cold = std::function<bool()>;
  void set_cold(Cold cold);

  // What is_write_stalled() of the ordered store answers.
  void set_write_stalled(bool stalled);

  // Lets a flush that was asked for or is under way complete now.
  void complete_flush();

  struct Stats {
    uint64_t kv_writes = 0, kv_flushes = 0, kv_unflushed_batches = 0, kv_unflushed_bytes = 0;
    uint64_t log_writes = 0, log_syncs = 0, log_unsynced_batches = 0;
    uint64_t files = 0, file_bytes = 0;
  };
  Stats stats() const;
  // A hash of all that is on the disk, durable or not.
  uint64_t digest() const;

  memory::DiskState& state() { return *state_; }  // for the engines of this folder, and for watchers

 private:
  std::unique_ptr<memory::DiskState> state_;
};

// The ordered store on the disk. One at a time a disk: opening a second one while the first lives is a bug of the
// caller, unless the disk crashed in between.
std::unique_ptr<KvEngine> open_memory_kv(std::shared_ptr<MemoryDisk> disk);

// The Raft log store on the disk; likewise.
std::unique_ptr<RaftLogEngine> open_memory_raft_log(std::shared_ptr<MemoryDisk> disk);

}  // namespace cairn::engine
