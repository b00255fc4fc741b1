// The lock record: the value in the lock column family under enc(user_key). Its bytes are TiKV's.
//
//   type 'P' 'D' 'L' 'S' | compact_bytes(primary) | var_u64 start_ts | var_u64 ttl | tagged parts
//
//   'v' u8 length + bytes            short value
//   'f' u64                          for_update_ts
//   't' u64                          txn_size
//   'c' u64                          min_commit_ts
//   'a' var_u64 n + n compact_bytes  async commit, secondaries
//   'r' var_u64 n + n u64            rollback_ts: protected rollbacks of others that wait here for their record
//   'l' u64 + var_u64                last change
//   's' var_u64                      txn_source
//   'F'                              locked_with_conflict
//   'g' u64                          generation
//
// Parts appear in this order and only if set; an unknown tag ends the record (newer writers append). u64 are
// big-endian. Locks that share a key stand in a record of another form (shared_locks.h). Tests: lock_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "mvcc/key_error.h"
#include "mvcc/last_change.h"

namespace cairn::mvcc {

// Values up to this many bytes stand in the lock and write records, longer ones in the default column family.
inline constexpr size_t kShortValueBytesMax = 255;

struct Lock {
  LockKind kind = LockKind::kPut;
  Bytes primary;  // user key
  Timestamp start_ts;
  uint64_t ttl_ms = 0;
  std::optional<Bytes> short_value;
  Timestamp for_update_ts;
  uint64_t txn_size = 0;
  Timestamp min_commit_ts;
  bool use_async_commit = false;
  std::vector<Bytes> secondaries;      // user keys; Invariant: empty unless use_async_commit
  std::vector<Timestamp> rollback_ts;  // start_ts of other transactions
  LastChange last_change;
  uint64_t txn_source = 0;
  bool locked_with_conflict = false;
  uint64_t generation = 0;  // > 0: flushed by pipelined DML

  // Committed by 1PC: published in memory only, to keep readers off. Not part of the bytes.
  bool is_one_pc = false;

  bool is_pessimistic() const { return kind == LockKind::kPessimistic; }
  // Whether it will become a new version of the key's value.
  bool changes_value() const { return kind == LockKind::kPut || kind == LockKind::kDelete; }
  LockInfo info(ByteView user_key) const;

  // Invariant: never kShared, which is the kind of a record of many locks (shared_locks.h).
  Bytes encode() const;
  static engine::Result<Lock> decode(ByteView bytes);
  friend bool operator==(const Lock&, const Lock&) = default;
};

// Whether the bytes of a lock record are those of a pessimistic lock, without decoding them.
inline bool is_pessimistic_record(ByteView bytes) { return bytes.starts_with('S'); }

}  // namespace cairn::mvcc
