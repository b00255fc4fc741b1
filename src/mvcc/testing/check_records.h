// What must hold of lock and write records whatever bytes stand where they should: they are refused, or they say the
// same when they are written and read again.
#pragma once

#include "base/check.h"
#include "mvcc/lock.h"
#include "mvcc/write.h"

namespace cairn::mvcc::testing {

inline void check_lock_bytes(ByteView bytes) {
  const auto lock = Lock::decode(bytes);
  if (!lock.ok() || lock->kind == LockKind::kShared) return;
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
