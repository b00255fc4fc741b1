// Who collects the garbage.
#include "pd/gc/gc_owner.h"

#include <gtest/gtest.h>

namespace cairn::pd {
namespace {

class GcOwner : public testing::Test {
 protected:
  GcOwnership load() const { return GcOwnership::load(store_, keys_); }
  void apply(const MetaTxn& writes) { ASSERT_TRUE(store_.apply(MetaStore::encode_own(writes)).ok()); }
  void see(const std::string& who, uint64_t now_s) {
    MetaTxn writes;
    remember_other_owner(load(), keys_, who, now_s, writes);
    if (writes.has_writes()) apply(writes);
  }
  bool may_collect(uint64_t now_s) const { return !load().objection(now_s, std::chrono::hours(1)); }

  MetaStore store_;
  Keys keys_{7};
};

TEST_F(GcOwner, AClusterOfNobodyElseIsItsOwn) { EXPECT_TRUE(may_collect(1000)); }

TEST_F(GcOwner, AnotherOneIsRespectedUntilItHasBeenSilentForLong) {
  see("AdvanceTxnSafePoint", 10'000);
  EXPECT_FALSE(may_collect(10'000));
  EXPECT_FALSE(may_collect(13'599));
  EXPECT_TRUE(may_collect(13'600));
  see("AdvanceTxnSafePoint", 13'700);
  EXPECT_FALSE(may_collect(17'000));
}

TEST_F(GcOwner, WhatIsRememberedIsNotWrittenAgainWithinAMinute) {
  see("AdvanceTxnSafePoint", 1000);
  see("AdvanceTxnSafePoint", 1059);
  EXPECT_EQ(load().seen_at, 1000u);
  see("AdvanceTxnSafePoint", 1060);
  EXPECT_EQ(load().seen_at, 1060u);
  see("UpdateGCSafePoint", 1061);
  EXPECT_EQ(load().other, "UpdateGCSafePoint");
}

TEST_F(GcOwner, AClockThatWentBackDoesNotMakeThePastLookLongAgo) {
  see("AdvanceTxnSafePoint", 10'000);
  EXPECT_FALSE(may_collect(5'000));
  see("AdvanceTxnSafePoint", 5'000);
  EXPECT_EQ(load().seen_at, 5'000u);
}

TEST_F(GcOwner, ASqlServerThatIsRegisteredOwnsIt) {
  for (const char* key : {"/tidb/server/info/a", "/tidb/server/minstartts/a", "/keyspaces/tidb/5/tidb/server/info/a"}) {
    MetaTxn put;
    put.publish(key, "x");
    apply(put);
    EXPECT_FALSE(may_collect(1000)) << key;
    etcdserverpb::TxnRequest del;
    del.add_success()->mutable_request_delete_range()->set_key(key);
    ASSERT_TRUE(store_.apply(MetaStore::encode_txn(del)).ok());
    EXPECT_TRUE(may_collect(1000)) << key;
  }
  MetaTxn put;
  put.publish("/keyspaces/tidb/5/tidb/ddl/global_schema_version", "9");  // stays for ever
  apply(put);
  EXPECT_TRUE(may_collect(1000));
}

TEST_F(GcOwner, ASqlServerIsFoundAmongTheKeysOfManyKeyspaces) {
  for (const char* key : {"/keyspaces/tidb/1", "/keyspaces/tidb/1/a", "/keyspaces/tidb/1-2/a", "/keyspaces/tidb/5/a",
                          "/keyspaces/tidb/5/z", "/keyspaces/tidb/50/tidb/a"}) {
    apply(MetaTxn().publish(key, "x"));
  }
  EXPECT_TRUE(may_collect(1000));
  for (const Bytes name : {"1-2", "1", "5", "50", "7"}) {
    const Bytes key = "/keyspaces/tidb/" + name + "/tidb/server/info/a";
    apply(MetaTxn().publish(key, "x"));
    EXPECT_EQ(load().sql_server, key);
    etcdserverpb::TxnRequest del;
    del.add_success()->mutable_request_delete_range()->set_key(key);
    ASSERT_TRUE(store_.apply(MetaStore::encode_txn(del)).ok());
  }
  // Where there are too many to look at, nobody else's garbage is collected.
  MetaTxn many;
  for (int i = 0; i <= 10'000; ++i) many.publish(fmt::format("/keyspaces/tidb/{:05}/a", i), "x");
  apply(many);
  EXPECT_FALSE(may_collect(1000));
}

TEST_F(GcOwner, AnUnreadableRecordIsPassedOver) {
  MetaTxn put;
  put.put(keys_.gc_other_owner(), "{");
  apply(put);
  EXPECT_TRUE(may_collect(1000));
}

}  // namespace
}  // namespace cairn::pd
