// The lock record of a key that several transactions share: all their locks in one value of the lock column family. Its
// bytes are TiKV's.
//
//   type 'H' | tagged parts
//
//   'i' u8 flags                          bit 0: closed; left out if 0
//   'h' var_u64 n + n compact_bytes       the locks, each a whole lock record (lock.h) of type 'L' or 'S'
//
// Shared locks change no value, so readers pass over them. They keep off those who would lock the key alone: the first
// of these closes the record, and from then on it takes no further transactions in; it goes with the last of its locks.
// Tests: shared_locks_test.cc.
#pragma once

#include <map>
#include <optional>
#include <variant>

#include "mvcc/lock.h"

namespace cairn::mvcc {

class SharedLocks {
 public:
  bool empty() const { return locks_.empty(); }
  // By start_ts. Each is a pessimistic lock, or prewritten as kLock.
  const std::map<Timestamp, Lock>& locks() const { return locks_; }
  // The transaction's lock; null if it has none here.
  const Lock* find(Timestamp start_ts) const;
  // Takes the lock in, or in place of the transaction's earlier one. Precondition: no new ones once it is closed.
  void put(Lock lock);
  void remove(Timestamp start_ts) { locks_.erase(start_ts); }

  bool is_closed() const { return is_closed_; }
  void close() { is_closed_ = true; }

  // As a client sees it: all locks in LockInfo.shared.
  LockInfo info(ByteView user_key) const;

  // Precondition: not empty.
  Bytes encode() const;
  static engine::Result<SharedLocks> decode(ByteView bytes);
  friend bool operator==(const SharedLocks&, const SharedLocks&) = default;

 private:
  bool is_closed_ = false;
  std::map<Timestamp, Lock> locks_;
};

// What stands under a key in the lock column family: the lock of one transaction, or those of several.
using LockRecord = std::variant<Lock, SharedLocks>;
engine::Result<LockRecord> decode_lock_record(ByteView bytes);
inline bool is_shared_record(ByteView bytes) { return bytes.starts_with('H'); }

LockInfo lock_info(const LockRecord& record, ByteView user_key);
// The transaction's lock in the record, alone or shared; null if it has none.
const Lock* lock_of(const LockRecord& record, Timestamp start_ts);

}  // namespace cairn::mvcc
