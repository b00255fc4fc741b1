#include "mvcc/shared_locks.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/codec.h"
#include "base/testing/damaged_bytes.h"
#include "mvcc/testing/check_records.h"

namespace cairn::mvcc {
namespace {

Lock share(uint64_t start_ts, LockKind kind = LockKind::kPessimistic) {
  return {.kind = kind, .primary = "pk", .start_ts = Timestamp(start_ts), .ttl_ms = 10};
}

TEST(SharedLocks, HaveTheseBytes) {
  SharedLocks shared;
  shared.put(share(1));
  EXPECT_EQ(to_hex(shared.encode()),
            "48"
            "68"
            "01"
            "0C"
            "5304706B010A");
  shared.put(share(2, LockKind::kLock));
  shared.close();
  EXPECT_EQ(to_hex(shared.encode()),
            "48"
            "6901"
            "68"
            "02"
            "0C"
            "5304706B010A"
            "0C"
            "4C04706B020A");
}

TEST(SharedLocks, AreKeptByTransaction) {
  SharedLocks shared;
  shared.put(share(10));
  shared.put(share(20));
  shared.close();
  shared.put(share(10, LockKind::kLock));
  EXPECT_EQ(shared.locks().size(), 2u);
  ASSERT_TRUE(shared.find(Timestamp(10)));
  EXPECT_EQ(shared.find(Timestamp(10))->kind, LockKind::kLock);
  EXPECT_FALSE(shared.find(Timestamp(30)));
  const LockInfo info = shared.info("k");
  EXPECT_EQ(info.kind, LockKind::kShared);
  EXPECT_EQ(info.holders(), (std::vector{Timestamp(10), Timestamp(20)}));
  EXPECT_EQ(info.shared[1], share(20).info("k"));
  shared.remove(Timestamp(10));
  shared.remove(Timestamp(20));
  EXPECT_TRUE(shared.empty());
}

TEST(SharedLocks, EndAtAnUnknownTagAndMayBeNone) {
  SharedLocks shared;
  shared.put(share(1));
  const auto newer = SharedLocks::decode(shared.encode() + "zanything");
  ASSERT_TRUE(newer.ok());
  EXPECT_EQ(*newer, shared);
  EXPECT_TRUE(SharedLocks::decode("H").value().empty());
  EXPECT_TRUE(SharedLocks::decode(Bytes("Hh\0", 3)).value().empty());
}

TEST(SharedLocks, DamageIsCorruption) {
  const Bytes own = share(1).encode();
  const Bytes put = share(2, LockKind::kPut).encode();
  const auto of = [](const std::vector<Bytes>& locks) {
    Bytes out = "Hh";
    codec::put_var_u64(out, locks.size());
    for (const auto& lock : locks) codec::put_compact_bytes(out, lock);
    return out;
  };
  const Bytes cases[] = {"",       "S",       "Hi",           "Hi\x02",  "Hh",           "Hh\x01",
                         "Hh\x7f", of({"?"}), of({own, own}), of({put}), of({of({own})})};
  for (const Bytes& bytes : cases) {
    const auto shared = SharedLocks::decode(bytes);
    ASSERT_FALSE(shared.ok()) << to_hex(bytes);
    EXPECT_EQ(shared.error().kind, engine::Error::Kind::kCorruption);
  }
}

TEST(SharedLocks, DamagedOnesAreRefusedOrSayWhatTheySeemToSay) {
  SharedLocks shared;
  shared.put(share(uint64_t{1} << 60));
  std::vector<Bytes> records = {shared.encode()};
  for (uint64_t ts = 1; ts < 5; ++ts) shared.put(share(ts, ts % 2 == 0 ? LockKind::kLock : LockKind::kPessimistic));
  shared.close();
  records.push_back(shared.encode());
  ::cairn::testing::DamagedBytes damaged(records);
  for (int i = 0; i < 100'000; ++i) testing::check_lock_bytes(damaged.next());
}

RC_GTEST_PROP(SharedLocks, ComeBackAsTheyWere, ()) {
  SharedLocks shared;
  for (const uint64_t start_ts : *rc::gen::nonEmpty(rc::gen::arbitrary<std::vector<uint64_t>>())) {
    Lock lock = share(start_ts, *rc::gen::element(LockKind::kLock, LockKind::kPessimistic));
    lock.primary = *rc::gen::arbitrary<Bytes>();
    lock.for_update_ts = Timestamp(*rc::gen::arbitrary<uint64_t>());
    shared.put(std::move(lock));
  }
  if (*rc::gen::arbitrary<bool>()) shared.close();
  const auto back = SharedLocks::decode(shared.encode());
  RC_ASSERT(back.ok());
  RC_ASSERT(*back == shared);
}

}  // namespace
}  // namespace cairn::mvcc
