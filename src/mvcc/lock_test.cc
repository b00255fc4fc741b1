#include "mvcc/lock.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "mvcc/write.h"

namespace cairn::mvcc {
namespace {

Bytes from_hex(ByteView hex) {
  Bytes out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

Lock plain_lock() {
  Lock lock;
  lock.primary = "pk";
  lock.start_ts = Timestamp(1);
  lock.ttl_ms = 10;
  return lock;
}

TEST(LockRecord, HasTheseBytes) {
  Lock lock = plain_lock();
  EXPECT_EQ(to_hex(lock.encode()), "5004706B010A");
  lock.short_value = "v";
  EXPECT_EQ(to_hex(lock.encode()), "5004706B010A760176");
  lock.short_value.reset();
  lock.kind = LockKind::kPessimistic;
  lock.for_update_ts = Timestamp(0x1234);
  lock.txn_size = 2;
  lock.min_commit_ts = Timestamp(3);
  lock.use_async_commit = true;
  lock.secondaries = {"a", ""};
  lock.rollback_ts = {Timestamp(5)};
  lock.last_change = LastChange::at(Timestamp(6), 300);
  lock.txn_source = 7;
  lock.locked_with_conflict = true;
  lock.generation = 9;
  EXPECT_EQ(to_hex(lock.encode()),
            "5304706B010A"
            "660000000000001234"
            "740000000000000002"
            "630000000000000003"
            "6102026100"
            "72010000000000000005"
            "6C0000000000000006AC02"
            "7307"
            "46"
            "670000000000000009");
}

TEST(LockRecord, MayEndAfterItsStartTimestamp) {
  auto lock = Lock::decode(from_hex("4404706B01"));
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(lock->kind, LockKind::kDelete);
  EXPECT_EQ(lock->ttl_ms, 0u);
}

TEST(LockRecord, EndsAtAnUnknownTag) {
  auto lock = Lock::decode(from_hex("5004706B010A") + "zanything");
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(*lock, plain_lock());
}

TEST(LockRecord, DamageIsCorruption) {
  for (const char* hex : {"", "58", "50", "5004706B", "50FF", "5004706B010A7605", "5004706B010A6600",
                          "5004706B010A61FF01", "5004706B010A7202000000000000000000", "5004706B010A6C00"}) {
    auto lock = Lock::decode(from_hex(hex));
    ASSERT_FALSE(lock.ok()) << hex;
    EXPECT_EQ(lock.error().kind, engine::Error::Kind::kCorruption);
  }
}

LastChange some_last_change() {
  const auto commit_ts = *rc::gen::arbitrary<uint64_t>();
  return {Timestamp(commit_ts), *rc::gen::inRange<uint64_t>(0, 1000)};
}

RC_GTEST_PROP(LockRecord, ComesBackAsItWas, ()) {
  Lock lock;
  lock.kind = *rc::gen::element(LockKind::kPut, LockKind::kDelete, LockKind::kLock, LockKind::kPessimistic);
  lock.primary = *rc::gen::arbitrary<Bytes>();
  lock.start_ts = Timestamp(*rc::gen::arbitrary<uint64_t>());
  lock.ttl_ms = *rc::gen::arbitrary<uint64_t>();
  if (*rc::gen::arbitrary<bool>()) lock.short_value = *rc::gen::arbitrary<Bytes>();
  lock.for_update_ts = Timestamp(*rc::gen::arbitrary<uint64_t>());
  lock.txn_size = *rc::gen::arbitrary<uint64_t>();
  lock.min_commit_ts = Timestamp(*rc::gen::arbitrary<uint64_t>());
  lock.use_async_commit = *rc::gen::arbitrary<bool>();
  if (lock.use_async_commit) lock.secondaries = *rc::gen::arbitrary<std::vector<Bytes>>();
  for (auto ts : *rc::gen::arbitrary<std::vector<uint64_t>>()) lock.rollback_ts.push_back(Timestamp(ts));
  lock.last_change = some_last_change();
  lock.txn_source = *rc::gen::arbitrary<uint64_t>();
  lock.locked_with_conflict = *rc::gen::arbitrary<bool>();
  lock.generation = *rc::gen::arbitrary<uint64_t>();
  auto back = Lock::decode(lock.encode());
  RC_ASSERT(back.ok());
  RC_ASSERT(*back == lock);
}

RC_GTEST_PROP(LockRecord, AnyBytesAreDecodedOrRefused, (const Bytes& bytes)) {
  (void)Lock::decode("P" + bytes);
  (void)Lock::decode(bytes);
  (void)Write::decode("P" + bytes);
}

TEST(WriteRecord, HasTheseBytes) {
  Write write;
  write.start_ts = Timestamp(300);
  EXPECT_EQ(to_hex(write.encode()), "50AC02");
  write.kind = WriteKind::kDelete;
  write.short_value = "v";
  write.has_overlapped_rollback = true;
  write.gc_fence = Timestamp(0);
  write.last_change = LastChange::not_exist();
  write.txn_source = 7;
  EXPECT_EQ(to_hex(write.encode()),
            "44AC02"
            "760176"
            "52"
            "460000000000000000"
            "6C000000000000000001"
            "5307");
  EXPECT_EQ(to_hex(Write::rollback(Timestamp(5), true).encode()), "5205760170");
  EXPECT_EQ(to_hex(Write::rollback(Timestamp(5), false).encode()), "5205");
}

TEST(WriteRecord, DamageIsCorruption) {
  for (const char* hex : {"", "50", "5801", "50017602AA", "5001460000", "50016C00", "500153FF"}) {
    auto write = Write::decode(from_hex(hex));
    ASSERT_FALSE(write.ok()) << hex;
    EXPECT_EQ(write.error().kind, engine::Error::Kind::kCorruption);
  }
}

RC_GTEST_PROP(WriteRecord, ComesBackAsItWas, ()) {
  Write write;
  write.kind = *rc::gen::element(WriteKind::kPut, WriteKind::kDelete, WriteKind::kLock, WriteKind::kRollback);
  write.start_ts = Timestamp(*rc::gen::arbitrary<uint64_t>());
  if (*rc::gen::arbitrary<bool>()) write.short_value = *rc::gen::arbitrary<Bytes>();
  write.has_overlapped_rollback = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) write.gc_fence = Timestamp(*rc::gen::arbitrary<uint64_t>());
  write.last_change = some_last_change();
  write.txn_source = *rc::gen::arbitrary<uint64_t>();
  auto back = Write::decode(write.encode());
  RC_ASSERT(back.ok());
  RC_ASSERT(*back == write);
}

}  // namespace
}  // namespace cairn::mvcc
