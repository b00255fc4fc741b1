// The write record: the value in the write column family under enc(user_key) + ~commit_ts; a rollback stands at the
// start_ts of its transaction. Its bytes are TiKV's.
//
//   type 'P' 'D' 'L' 'R' | var_u64 start_ts | tagged parts
//
//   'v' u8 length + bytes   short value; "p" in a protected rollback
//   'R'                     another transaction, whose start_ts is this commit_ts, was rolled back here
//   'F' u64                 gc_fence
//   'l' u64 + var_u64       last change
//   'S' var_u64             txn_source
//
// gc_fence: written when a PUT or DELETE is rewritten with the overlapped-rollback flag, because the rewritten record
// may outlive the newer version in a replica's GC. It is the commit_ts of the next newer PUT or DELETE, 0 if none.
// A reader that finds a record with 0 < fence <= read_ts as its newest knows that the newer version was there and is
// collected: the key does not exist.
// Tests: lock_test.cc.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ids.h"
#include "engine/error.h"
#include "mvcc/last_change.h"
#include "mvcc/lock.h"

namespace cairn::mvcc {

enum class WriteKind : uint8_t { kPut, kDelete, kLock, kRollback };

struct Write {
  WriteKind kind = WriteKind::kPut;
  Timestamp start_ts;
  std::optional<Bytes> short_value;
  bool has_overlapped_rollback = false;
  std::optional<Timestamp> gc_fence;
  LastChange last_change;
  uint64_t txn_source = 0;

  // A rollback's record. Protected ones are not collapsed: a late prewrite of the primary must find them.
  static Write rollback(Timestamp start_ts, bool is_protected);
  bool is_protected_rollback() const { return kind == WriteKind::kRollback && short_value == "p"; }
  // Whether it is a version of the key's value, or its end.
  bool changes_value() const { return kind == WriteKind::kPut || kind == WriteKind::kDelete; }
  // Whether a version newer than this one, at or below `read_ts`, is known to have been collected.
  bool is_fenced_off(Timestamp read_ts) const { return gc_fence && gc_fence->is_set() && *gc_fence <= read_ts; }

  Bytes encode() const;
  static engine::Result<Write> decode(ByteView bytes);
  friend bool operator==(const Write&, const Write&) = default;
};

// The kind of record that a prewrite lock becomes. Precondition: kPut, kDelete or kLock.
WriteKind write_kind_of(LockKind kind);

}  // namespace cairn::mvcc
