// The reading RPCs of transactions, over one region's snapshot: they take no latch and may run on any thread. Those
// that may take long are tasks in slices (runtime/slices.h): who awaits them owns what it passes by reference, and
// looks first whether the slices were given up, as they are not answered then.
//
// The way of a read (the order matters, INV-READ-MAX-TS):
//   1. concurrency.update_max_ts(ts)    unless ts is the maximum or the read is stale; later async commits go above ts
//   2. concurrency.find(...)             locks that are published but not yet applied
//   3. RegionStore::snapshot(...)
//   4. get / batch_get / scan / scan_lock over it
// before_read() does 1 and 2.
//
// Keys are user keys. A key outside the snapshot's region is answered with KeyNotInRegion.
// Tests: snapshot_isolation_test.cc, commands_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "engine/region_store.h"
#include "mvcc/key_error.h"
#include "mvcc/read_options.h"
#include "mvcc/write_cursor.h"
#include "runtime/slices.h"
#include "runtime/task.h"
#include "txn/concurrency_manager.h"
#include "txn/failure.h"

namespace cairn::txn {

using mvcc::IsolationLevel;
using mvcc::KeyError;
using mvcc::LockInfo;
using mvcc::ReadFigures;
using mvcc::ReadOptions;  // {read_ts, isolation, resolved_locks, committed_locks, is_replica_read, need_commit_ts}

// A range of user keys, end excluded; an empty end is no bound.
struct KeyRange {
  Bytes start;
  Bytes end;
};

// Raises max_ts and looks for memory locks that hide versions from this read. To be called before the snapshot is
// taken. Nothing: go on. `stale_read` raises nothing.
std::optional<KeyError> before_read(ConcurrencyManager& concurrency, const ReadOptions& options,
                                    const std::vector<Bytes>& keys, bool stale_read = false);
std::optional<KeyError> before_range_read(ConcurrencyManager& concurrency, const ReadOptions& options,
                                          const KeyRange& range, bool stale_read = false);

// KvGet.
struct GetResult {
  std::optional<KeyError> error;
  std::optional<Bytes> value;  // none: not_found
  Timestamp commit_ts;         // if options.need_commit_ts
  ReadFigures figures;
};
Answer<GetResult> get(const engine::RegionSnapshot& snapshot, const ReadOptions& options, ByteView key);

// A pair of KvBatchGet, KvScan and KvBufferBatchGet: a value or the error of this key.
struct KvPair {
  Bytes key;
  Bytes value;
  std::optional<KeyError> error;
  Timestamp commit_ts;  // if options.need_commit_ts
};
// What they answer. A part of what was asked for is never passed off as all of it: an answer that would be too large is
// an error of the whole request.
struct FoundPairs {
  std::vector<KvPair> pairs;
  std::optional<KeyError> error;  // of the whole: there are no pairs then
  ReadFigures figures;
};
// Bytes of keys and values, and a little for each pair, that one answer may hold.
inline constexpr size_t kAnswerBytesMax = size_t{1} << 30;

// KvBatchGet: pairs of the keys that exist or fail, in the order asked.
runtime::Task<Answer<FoundPairs>> batch_get(const engine::RegionSnapshot& snapshot, const ReadOptions& options,
                                            const std::vector<Bytes>& keys, runtime::Slices& slices,
                                            size_t answer_bytes_max = kAnswerBytesMax);

// KvBufferBatchGet: what the transaction itself has flushed of the keys: the value of a put, an empty one for a delete.
// Keys that it has not flushed are left out. Others' locks and versions do not matter, so nothing comes before it.
runtime::Task<Answer<FoundPairs>> buffer_batch_get(const engine::RegionSnapshot& snapshot, Timestamp start_ts,
                                                   const std::vector<Bytes>& keys, runtime::Slices& slices,
                                                   size_t answer_bytes_max = kAnswerBytesMax);

// KvScan. Forward: [start_key, end_key). Reverse: from start_key (excluded; empty: the region's end) down to end_key
// (included). A locked key is a pair with an error and counts to the limit.
struct Scan {
  Bytes start_key;
  Bytes end_key;
  uint32_t limit = 0;
  uint32_t sample_step = 0;  // > 1: of each so many keys only the first is answered
  bool reverse = false;
  bool key_only = false;
};
runtime::Task<Answer<FoundPairs>> scan(const engine::RegionSnapshot& snapshot, const ReadOptions& options,
                                       const Scan& scan, runtime::Slices& slices,
                                       size_t answer_bytes_max = kAnswerBytesMax);

// KvScanLock: locks with start_ts <= max_version in [start_key, end_key); limit 0: all. Locks that share a key are one
// LockInfo and count singly. Before the snapshot is taken call before_scan_lock().
struct ScanLock {
  Timestamp max_version;
  Bytes start_key;
  Bytes end_key;
  uint32_t limit = 0;
};
std::optional<KeyError> before_scan_lock(ConcurrencyManager& concurrency, const ScanLock& scan);
struct FoundLocks {
  std::vector<LockInfo> locks;
  std::optional<KeyError> error;  // of the whole, as that of FoundPairs
};
runtime::Task<Answer<FoundLocks>> scan_lock(const engine::RegionSnapshot& snapshot, const ScanLock& scan,
                                            runtime::Slices& slices, size_t answer_bytes_max = kAnswerBytesMax);

// KeyNotInRegion if one of the user keys lies outside the snapshot's region.
Result<void, engine::RegionError> check_keys_in_region(const engine::RegionSnapshot& snapshot,
                                                       const std::vector<Bytes>& keys);

}  // namespace cairn::txn
