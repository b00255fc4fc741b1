// The contract of the ordered store: four column families of byte keys, atomic batches, consistent snapshots,
// iterators, files of sorted pairs for snapshots of regions. rocks/ implements it over RocksDB, memory/ in memory for
// the simulator; kv_contract_test.cc runs the same suite on both.
//
// Durability. There is no write-ahead log below this contract: the Raft log is the only one. What write() put in
// survives a crash only once a flush has covered it, and flushes are atomic over all column families: after a crash
// the engine is exactly what it was after some batch, at or after the last completed flush. Every write() returns a
// sequence number that grows; flushed_sequence() says up to which one a crash loses nothing. The store cuts no Raft log
// that is not covered (INV-LOG-NOT-AHEAD).
//
// Keys here are data keys ('z' + engine key) or store-local keys (0x01...); the engine does not care.
//
// Threads: all methods of KvEngine are thread-safe. Batches, iterators and writers belong to one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "engine/error.h"
#include "engine/read_work.h"

namespace cairn::engine {

enum class Cf : uint8_t { kDefault = 0, kLock = 1, kWrite = 2, kRaft = 3 };
inline constexpr int kCfCount = 4;
inline constexpr Cf kDataCfs[] = {Cf::kDefault, Cf::kLock, Cf::kWrite};  // those that hold users' data
const char* cf_name(Cf cf);                                              // "default", "lock", "write", "raft"
std::optional<Cf> cf_from_name(ByteView name);                           // empty means default

// How far down a read may go. Threads that must not wait for a disk read from the cache alone, and leave what is
// answered with kNotCached to a thread that may.
enum class ReadTier : uint8_t {
  kCache,  // what is in memory; else kNotCached
  kDisk,
};

// Bounds of an iterator. `lower` is included, `upper` excluded; an empty upper is no bound.
struct IterOptions {
  Bytes lower;
  Bytes upper;
  bool fill_cache = true;
  // All keys visited share the prefix (the key without its 8-byte timestamp) of the key sought: lets prefix blooms skip
  // files. Only for point lookups of versions in the write and default column families.
  bool prefix_same_as_start = false;
  bool key_only = false;  // values will not be read; a hint
  // kCache: a move that would read the disk leaves the iterator invalid, with status kNotCached.
  ReadTier tier = ReadTier::kDisk;
};

// Walks one column family of a snapshot. Starts invalid. Views stay good until the next move. After an error
// valid() is false and status() says so: a scan that ends must look.
class Iterator {
 public:
  virtual ~Iterator() = default;
  virtual void seek(ByteView target) = 0;           // first key >= target
  virtual void seek_for_prev(ByteView target) = 0;  // last key <= target
  virtual void seek_to_first() = 0;                 // within the bounds
  virtual void seek_to_last() = 0;
  virtual void next() = 0;  // precondition: valid()
  virtual void prev() = 0;
  virtual bool valid() const = 0;
  virtual ByteView key() const = 0;
  virtual ByteView value() const = 0;
  virtual Result<void> status() const = 0;
};

// Something to read from: the engine's state at one moment. Nothing that is written, deleted, cleared or ingested later
// changes it, nor an iterator of it; only what a compaction's filter drops may go (see CompactionFilter).
class Snapshot {
 public:
  virtual ~Snapshot() = default;
  virtual Result<std::optional<Bytes>> get(Cf cf, ByteView key, ReadTier tier) const = 0;
  Result<std::optional<Bytes>> get(Cf cf, ByteView key) const { return get(cf, key, ReadTier::kDisk); }
  // The iterator must not outlive the snapshot.
  virtual std::unique_ptr<Iterator> iterator(Cf cf, IterOptions options) const = 0;
  // What the engine's reads on this thread have cost so far, of this snapshot and of others. Only grows.
  virtual ReadWork work_of_thread() const { return {}; }
};

// Changes to be made together. Made by the engine that will take it.
class WriteBatch {
 public:
  virtual ~WriteBatch() = default;
  virtual void put(Cf cf, ByteView key, ByteView value) = 0;
  virtual void del(Cf cf, ByteView key) = 0;
  virtual void delete_range(Cf cf, ByteView begin, ByteView end) = 0;  // [begin, end)
  // Remember this point; rollback_to_save_point() undoes what came after the last one; pop forgets it.
  virtual void set_save_point() = 0;
  virtual void rollback_to_save_point() = 0;
  virtual void pop_save_point() = 0;
  virtual bool empty() const = 0;
  virtual size_t count() const = 0;
  virtual size_t bytes() const = 0;
  virtual void clear() = 0;
};

// Sorted pairs of one column family in one file, as snapshots and imports carry them.
struct SstFile {
  std::string path;  // in the engine's file space (FileStore)
  uint64_t bytes = 0;
  uint64_t entries = 0;
};

// Writes one SST; keys strictly ascending.
class SstWriter {
 public:
  virtual ~SstWriter() = default;
  virtual Result<void> put(ByteView key, ByteView value) = 0;
  virtual uint64_t bytes() const = 0;  // written so far, about
  // Ends and fsyncs the file. A writer that is dropped before removes it.
  virtual Result<SstFile> finish() = 0;
};

// Plain files beside the engine's data: snapshots on their way. Paths are relative, '/'-separated; no "..".
class FileStore {
 public:
  virtual ~FileStore() = default;
  class Writer {
   public:
    virtual ~Writer() = default;
    virtual Result<void> append(ByteView bytes) = 0;
    // On return the file survives a crash, with the folders that it lies in.
    virtual Result<void> sync_and_close() = 0;
  };
  virtual Result<std::unique_ptr<Writer>> create(const std::string& path) = 0;  // makes folders; truncates
  virtual Result<uint64_t> size(const std::string& path) const = 0;
  // Up to `n` bytes from `offset`; fewer only at the end.
  virtual Result<Bytes> read(const std::string& path, uint64_t offset, size_t n) const = 0;
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  // A crash may bring back what was removed. Absent is fine.
  virtual Result<void> remove(const std::string& path) = 0;
  virtual Result<void> remove_tree(const std::string& path) = 0;  // a folder with all in it; likewise
  virtual Result<std::vector<std::string>> list(const std::string& folder) const = 0;  // names; absent is empty
};

// Looks at the pairs of one column family as a compaction passes them, in key order, and says which may go. A pass sees
// what the files that it merges hold, and no more: neither what lies in memory or in files of other levels, nor whether
// something newer stands over a pair. What it drops stays shadowed or goes as if deleted at that moment, but snapshots
// taken before do not keep it. One thread at a time; its end is the end of the pass.
class CompactionFilter {
 public:
  virtual ~CompactionFilter() = default;
  enum class Verdict : uint8_t { kKeep, kDrop };
  virtual Verdict judge(ByteView key, ByteView value) = 0;
};

// Makes the filter of each pass. Called on the engine's threads.
class CompactionFilterFactory {
 public:
  virtual ~CompactionFilterFactory() = default;
  virtual std::unique_ptr<CompactionFilter> begin(Cf cf) = 0;  // null: this pass drops nothing
};

// What one file of a column family holds. The last three are counted in the write column family only.
struct TableStats {
  Bytes smallest, largest;  // keys, both included
  uint64_t bytes = 0;
  uint64_t entries = 0;     // deletions included
  uint64_t tombstones = 0;  // of single keys
  uint64_t versions = 0;    // pairs
  uint64_t rows = 0;        // keys that differ in more than their timestamp
  uint64_t deletes = 0;     // pairs that are write records of deletions
};

// Whether the value of a pair of the write column family is the record of a deletion (mvcc/write.h has its form).
inline bool is_deletion_record(ByteView value) { return value.starts_with('D'); }

class KvEngine {
 public:
  virtual ~KvEngine() = default;

  virtual std::unique_ptr<WriteBatch> new_batch() const = 0;
  // Applies the batch atomically and leaves it as it was. Returns the engine's sequence after it. Blocks while the
  // engine stalls.
  virtual Result<uint64_t> write(WriteBatch& batch) = 0;
  // The newest value, outside any snapshot.
  virtual Result<std::optional<Bytes>> get(Cf cf, ByteView key) const = 0;
  virtual std::shared_ptr<const Snapshot> snapshot() const = 0;

  // A crash from now on loses nothing that had a sequence up to this. Grows.
  virtual uint64_t flushed_sequence() const = 0;
  // Flushes all that was written before the call; returns when it is on disk.
  virtual Result<void> flush() = 0;
  // Asks for a flush in the background.
  virtual void flush_soon() = 0;

  virtual FileStore& files() = 0;
  virtual Result<std::unique_ptr<SstWriter>> new_sst(Cf cf, const std::string& path) = 0;
  // Makes the files part of the column family at once; they are consumed (moved in). Durable on return. Files of one
  // call must not overlap one another.
  virtual Result<void> ingest(Cf cf, const std::vector<std::string>& paths) = 0;
  // Deletes [begin, end) of the data column families. If no snapshot of before is open, the space of whole files is
  // free at once; else compactions free it later. Durable on return; after a crash during the call any part of the
  // range may be gone. Flushes only if something that is not flushed lies in the range (or at its end): like an
  // ingested file, it overtakes all else that was written before. Whoever clears by a record that says so flushes the
  // record first.
  virtual Result<void> clear_range(ByteView begin, ByteView end) = 0;

  // From now on compactions of the default and write column families pass these filters; null: none. Passes that have
  // begun keep the filter that they have.
  virtual void set_compaction_filters(std::shared_ptr<CompactionFilterFactory> factory) = 0;
  // Merges what files hold of [begin, end) (empty: no bound) down to one level, through the filter; may flush first.
  // Returns when it is done, or soon after `canceled` became true. Several passes may be needed until the filter has
  // seen all there is of a key together.
  virtual Result<void> compact(Cf cf, ByteView begin, ByteView end, std::atomic<bool>& canceled) = 0;
  // The files that hold data now, in no order. Looks at each of them: for a look every minute or so.
  virtual Result<std::vector<TableStats>> tables(Cf cf) const = 0;

  // Bytes on disk and in memory of [begin, end) over the data column families, about.
  virtual uint64_t approximate_size(ByteView begin, ByteView end) const = 0;

  struct Space {
    uint64_t capacity = 0;   // of the disk
    uint64_t available = 0;  // of the disk
    uint64_t used = 0;       // by this engine
  };
  virtual Space space() const = 0;
  // Too much to do for the disk: writers should be told to come later.
  virtual bool is_write_stalled() const = 0;
};

}  // namespace cairn::engine
