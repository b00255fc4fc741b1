#include <gtest/gtest.h>

#include "base/testing/damaged_bytes.h"
#include "mvcc/testing/check_records.h"

namespace cairn::mvcc {
namespace {

TEST(Records, DamagedOnesAreRefusedOrSayWhatTheySeemToSay) {
  Lock lock{.kind = LockKind::kPut, .primary = "primary", .start_ts = Timestamp(uint64_t{1} << 60), .ttl_ms = 3000};
  std::vector<Bytes> locks = {lock.encode()};
  lock.short_value = "value";
  lock.for_update_ts = Timestamp(7);
  lock.txn_size = 8;
  lock.min_commit_ts = Timestamp(9);
  lock.use_async_commit = true;
  lock.secondaries = {"a", "", "ccc"};
  lock.rollback_ts = {Timestamp(1), Timestamp(2)};
  lock.last_change = LastChange::at(Timestamp(3), 4);
  lock.txn_source = 5;
  lock.locked_with_conflict = true;
  lock.generation = 6;
  locks.push_back(lock.encode());
  ::cairn::testing::DamagedBytes damaged_locks(locks);
  for (int i = 0; i < 100'000; ++i) testing::check_lock_bytes(damaged_locks.next());

  Write write{.kind = WriteKind::kPut, .start_ts = Timestamp(uint64_t{1} << 60)};
  std::vector<Bytes> writes = {write.encode(), Write::rollback(Timestamp(5), true).encode()};
  write.short_value = "value";
  write.has_overlapped_rollback = true;
  write.gc_fence = Timestamp(7);
  write.last_change = LastChange::at(Timestamp(3), 4);
  write.txn_source = 5;
  writes.push_back(write.encode());
  ::cairn::testing::DamagedBytes damaged_writes(writes);
  for (int i = 0; i < 100'000; ++i) testing::check_write_bytes(damaged_writes.next());
}

}  // namespace
}  // namespace cairn::mvcc
