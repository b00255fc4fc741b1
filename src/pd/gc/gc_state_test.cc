// The rules of garbage collection bounds.
#include "pd/gc/gc_state.h"

#include <gtest/gtest.h>

namespace cairn::pd {
namespace {

class GcState : public testing::Test {
 protected:
  GcRecords records() const { return GcRecords::load(store_, keys_); }
  void apply(const MetaTxn& writes) {
    auto result = store_.apply(MetaStore::encode_own(writes));
    ASSERT_TRUE(result.ok() && result->status.ok());
  }
  uint64_t advance(uint64_t target, uint64_t now_s = 0) {
    auto move = advance_txn_safe_point(records(), keys_, target, now_s);
    EXPECT_TRUE(move.ok());
    apply(move->writes);
    return move->new_value;
  }
  void barrier(const std::string& id, uint64_t ts, int64_t ttl, uint64_t now_s = 0) {
    auto change = set_barrier(records().barriers, records().txn_safe_point, keys_.barrier_prefix(), id, ts, ttl, now_s);
    ASSERT_TRUE(change.ok()) << change.error();
    apply(change->writes);
  }

  MetaStore store_;
  Keys keys_{7};
};

TEST_F(GcState, TheTxnSafePointNeverGoesBack) {
  EXPECT_EQ(advance(100), 100);
  EXPECT_FALSE(advance_txn_safe_point(records(), keys_, 99, 0).ok());
  EXPECT_EQ(records().txn_safe_point, 100);
}

TEST_F(GcState, ABarrierStopsTheTxnSafePointUntilItExpires) {
  barrier("backup", 50, 10);
  auto move = advance_txn_safe_point(records(), keys_, 100, 5);
  EXPECT_EQ(move->new_value, 50);
  EXPECT_EQ(move->blocker_id, "backup");
  EXPECT_EQ(advance(100, 10), 100);
  EXPECT_TRUE(records().barriers.empty());
}

// The old call takes any bytes for a service's name, and the records are JSON.
TEST_F(GcState, ABarrierIsNamedByText) {
  for (const Bytes& id : {Bytes("\xff\xfe"), Bytes("backup\x80")}) {
    EXPECT_FALSE(set_barrier(records().barriers, records().txn_safe_point, keys_.barrier_prefix(), id, 50, 10, 0).ok())
        << to_hex(id);
    EXPECT_FALSE(update_service_safe_point(records(), keys_, id, 50, 10, 0).ok()) << to_hex(id);
    EXPECT_FALSE(update_service_safe_point(records(), keys_, id, 50, 0, 0).ok()) << to_hex(id);
  }
  for (const Bytes& id : {Bytes("backup \"1\"\n"), Bytes("d\xc3\xa9p\xc3\xb4t"), Bytes("\0", 1)}) barrier(id, 50, 10);
  EXPECT_EQ(records().barriers.size(), 3u);
}

TEST_F(GcState, AnOldTransactionOfASqlServerBlocksToo) {
  MetaTxn put;
  put.publish("/tidb/server/minstartts/abc", "30");
  apply(put);
  auto move = advance_txn_safe_point(records(), keys_, 100, 0);
  EXPECT_EQ(move->new_value, 30);
  EXPECT_EQ(move->blocker_id, "tidb_min_start_ts_/tidb/server/minstartts/abc");
}

TEST_F(GcState, AmongSqlServersTheOldestTransactionBlocks) {
  for (const auto& [key, ts] :
       {std::pair("b", "70"), {"c", "30"}, {"d", "40"}, {"e", "x"}, {"f", "0"}, {"g", "0000000000000000000000001"}}) {
    apply(MetaTxn().publish(kMinStartTsPrefix + key, ts));
  }
  EXPECT_EQ(advance_txn_safe_point(records(), keys_, 100, 0)->blocker_id,
            "tidb_min_start_ts_/tidb/server/minstartts/c");
  for (size_t i = 0; i <= kServersMax; ++i) {
    apply(MetaTxn().publish(kMinStartTsPrefix + fmt::format("x{}", i), "60"));
  }
  EXPECT_EQ(advance_txn_safe_point(records(), keys_, 100, 0).error(),
            "more than 8192 keys under /tidb/server/minstartts/: the oldest transaction cannot be told");
}

// Each decision looks at all of them, and anybody may set them.
TEST_F(GcState, BarriersAreBoundedInNumberAndSize) {
  for (size_t i = 0; i < kBarriersMax; ++i) barrier(fmt::format("b{}", i), 50, i == 7 ? 10 : 20);
  EXPECT_EQ(set_barrier(records().barriers, 0, keys_.barrier_prefix(), "one more", 50, 10, 0).error(),
            "too many gc barriers: 1024 are set");
  EXPECT_EQ(update_service_safe_point(records(), keys_, "one more", 50, 10, 0).error(),
            "too many gc barriers: 1024 are set");
  barrier("b3", 60, 20);            // it is there already
  barrier("one more", 50, 20, 10);  // one has expired
  EXPECT_EQ(records().barriers.size(), kBarriersMax);
  EXPECT_FALSE(records().barriers.contains("b7"));
  EXPECT_TRUE(set_barrier(records().global_barriers, 0, keys_.global_barrier_prefix(), "a", 50, 10, 0).ok());
  const std::string long_id(kBarrierIdBytesMax + 1, 'x');
  EXPECT_EQ(set_barrier({}, 0, keys_.barrier_prefix(), long_id, 50, 10, 0).error(),
            "invalid gc barrier id: 513 bytes, more than 512");
}

TEST_F(GcState, TheGcSafePointStaysBelowTheTxnSafePoint) {
  advance(100);
  EXPECT_FALSE(advance_gc_safe_point(records(), keys_, 101).ok());
  auto move = advance_gc_safe_point(records(), keys_, 90);
  ASSERT_TRUE(move.ok());
  apply(move->writes);
  EXPECT_EQ(records().gc_safe_point, 90);
  EXPECT_FALSE(advance_gc_safe_point(records(), keys_, 80).ok());
  EXPECT_EQ(update_gc_safe_point(records(), keys_, 80)->new_value, 90);
  EXPECT_EQ(update_gc_safe_point(records(), keys_, 0)->new_value, 90);
  EXPECT_FALSE(update_gc_safe_point(records(), keys_, 101).ok());
}

TEST_F(GcState, ABarrierBehindTheTxnSafePointIsRefused) {
  advance(100);
  EXPECT_FALSE(set_barrier(records().barriers, records().txn_safe_point, keys_.barrier_prefix(), "a", 99, 10, 0).ok());
  EXPECT_FALSE(set_barrier(records().barriers, records().txn_safe_point, keys_.barrier_prefix(), "a", 100, 0, 0).ok());
  EXPECT_FALSE(
      set_barrier(records().barriers, records().txn_safe_point, keys_.barrier_prefix(), "gc_worker", 100, 5, 0).ok());
  EXPECT_TRUE(set_barrier(records().barriers, records().txn_safe_point, keys_.barrier_prefix(), "a", 100, 10, 0).ok());
}

TEST_F(GcState, DeletingABarrierTwiceIsNoError) {
  barrier("a", 10, kForever);
  auto first = delete_barrier(records().barriers, keys_.barrier_prefix(), "a");
  EXPECT_EQ(first->barrier->ts, 10);
  EXPECT_EQ(first->barrier->ttl(99), kForever);
  apply(first->writes);
  EXPECT_FALSE(delete_barrier(records().barriers, keys_.barrier_prefix(), "a")->barrier);
}

TEST_F(GcState, TheOldServiceCallMovesHoldsAndReleases) {
  auto service = [&](const std::string& id, uint64_t ts, int64_t ttl) {
    auto out = update_service_safe_point(records(), keys_, id, ts, ttl, 0);
    EXPECT_TRUE(out.ok()) << out.error();
    apply(out->writes);
    return *out;
  };
  service("cdc", 40, 100);
  auto moved = service("gc_worker", 60, kForever);
  EXPECT_EQ(moved.service_id, "cdc");
  EXPECT_EQ(moved.min_safe_point, 40);
  EXPECT_EQ(service("cdc", 30, 100).min_safe_point, 40);  // too late: the caller sees it
  service("cdc", 0, 0);
  EXPECT_EQ(service("gc_worker", 60, kForever).min_safe_point, 60);
  EXPECT_FALSE(update_service_safe_point(records(), keys_, "gc_worker", 70, 10, 0).ok());
}

}  // namespace
}  // namespace cairn::pd
