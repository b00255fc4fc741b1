// What must hold of lock and write records whatever bytes stand where they should: they are refused, or they say the
// same when they are written and read again.
#pragma once

#include "base/check.h"
#include "mvcc/shared_locks.h"
#include "mvcc/write.h"

namespace cairn::mvcc::testing {

inline void check_shared_locks(const SharedLocks& shared, ByteView bytes) {
  if (shared.empty()) return;  // such a record is read, and never written
  const auto again = SharedLocks::decode(shared.encode());
  CHECK(again.ok() && *again == shared, "the shared locks {} are not read back", to_hex(bytes));
  CHECK(shared.info("k").holders().size() == shared.locks().size(), "the shared locks {} are told wrong",
        to_hex(bytes));
}

inline void check_lock_bytes(ByteView bytes) {
  const auto record = decode_lock_record(bytes);
  if (!record.ok()) return;
  if (const auto* shared = std::get_if<SharedLocks>(&*record)) return check_shared_locks(*shared, bytes);
  const auto* lock = &std::get<Lock>(*record);
  const auto again = Lock::decode(lock->encode());
  CHECK(again.ok() && *again == *lock, "the lock {} is not read back", to_hex(bytes));
  CHECK(lock->info("k").start_ts == lock->start_ts, "the lock {} is told wrong", to_hex(bytes));
}

inline void check_write_bytes(ByteView bytes) {
  const auto write = Write::decode(bytes);
  if (!write.ok()) return;
  const auto again = Write::decode(write->encode());
  CHECK(again.ok() && *again == *write, "the write record {} is not read back", to_hex(bytes));
}

}  // namespace cairn::mvcc::testing
