// Point lookups for the write commands: locks, versions, values and commit records of one key at a time over one
// region's snapshot. Used by one thread; lives as long as one command's computation. Tests: the transcripts of
// txn/commands_test.cc.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "engine/region_store.h"
#include "mvcc/key.h"
#include "mvcc/shared_locks.h"
#include "mvcc/version_search.h"
#include "mvcc/write_cursor.h"

namespace cairn::mvcc {

// What became of a transaction on one key, as its write records tell.
struct NoRecord {
  std::optional<Version> overlapped;  // another transaction's record at commit_ts = start_ts
  // commit_ts of the next PUT or DELETE newer than `overlapped`: the gc_fence if it is rewritten; 0 if none.
  Timestamp next_change;
};
struct RolledBack {};  // its own record, or another's with the overlapped-rollback flag
struct CommittedAt {
  Timestamp commit_ts;
  Write write;
};
using CommitRecord = std::variant<NoRecord, RolledBack, CommittedAt>;

class MvccReader {
 public:
  explicit MvccReader(const engine::RegionSnapshot& snapshot) : snapshot_(snapshot) {}
  MvccReader(const MvccReader&) = delete;
  MvccReader& operator=(const MvccReader&) = delete;

  engine::Result<std::optional<LockRecord>> load_lock_record(const Key& key);
  // The lock of the one transaction that has the key for itself; nothing if the key is shared: that concerns no reader.
  engine::Result<std::optional<Lock>> load_lock(const Key& key);
  // The newest record with commit_ts <= ts, of any kind.
  engine::Result<std::optional<Version>> seek_write(const Key& key, Timestamp ts);
  // The newest PUT or DELETE with commit_ts <= ts; LOCK and ROLLBACK are looked through, fences respected.
  engine::Result<std::optional<Version>> get_change(const Key& key, Timestamp ts);
  // The value of a PUT record or lock. Its absence from the default column family is Corruption.
  engine::Result<Bytes> load_value(const Key& key, Timestamp start_ts, const std::optional<Bytes>& short_value);
  // Searches the records of the transaction from the newest down to start_ts.
  engine::Result<CommitRecord> commit_record(const Key& key, Timestamp start_ts);

  // Shows the lock records of [start, end) (engine keys, empty: no bound) in key order, until `visit` says that it has
  // seen enough.
  enum class Walk : bool { kStop, kGoOn };
  using LockVisitor = std::function<Walk(const Key& key, const LockRecord& record)>;
  engine::Result<void> walk_locks(ByteView start, ByteView end, const LockVisitor& visit);

  // What was looked at so far.
  const ReadFigures& figures() const { return figures_; }
  ReadFigures& figures() { return figures_; }

 private:
  WriteCursor& writes();

  const engine::RegionSnapshot& snapshot_;
  ReadFigures figures_;
  std::optional<WriteCursor> writes_;  // made at first use
};

}  // namespace cairn::mvcc
