#include "client/pessimistic.h"

#include <gtest/gtest.h>

#include "client/testing/fake_cluster.h"

namespace cairn::client {
namespace {

using testing::FakeCluster;
using testing::FakeLock;
using testing::Trouble;

constexpr TransactionOptions kPessimistic{.is_pessimistic = true};

Transaction begin(FakeCluster& cluster) { return cluster.run(cluster.client->begin(kPessimistic)).value(); }

// A committed version without a transaction of this client.
uint64_t store(FakeCluster& cluster, const Bytes& key, const Bytes& value) {
  const uint64_t start = cluster.world.tso();
  const uint64_t commit = cluster.world.tso();
  cluster.world.rows[key].versions[commit] = {start, value, true};
  return commit;
}

void lock_by_other(FakeCluster& cluster, const Bytes& key, uint64_t ttl_ms) {
  FakeLock lock;
  lock.start_ts = cluster.world.tso();
  lock.primary = key;
  lock.ttl_ms = ttl_ms;
  lock.value = "other";
  cluster.world.rows[key].lock = lock;
}

size_t locks_left(const FakeCluster& cluster) {
  size_t count = 0;
  for (const auto& [key, row] : cluster.world.rows) count += row.lock.has_value();
  return count;
}

TEST(Pessimistic, LocksReadsWhatIsNewestAndCommits) {
  FakeCluster cluster;
  store(cluster, "a", "old");
  auto txn = begin(cluster);
  store(cluster, "a", "newer than the snapshot");
  const auto locked = cluster.run(txn.lock_keys({"a", "z"}, {.return_values = true}));
  ASSERT_TRUE(locked.ok()) << to_string(locked.error());
  EXPECT_EQ(locked->at("a").value, std::optional<Bytes>("newer than the snapshot"));
  EXPECT_FALSE(locked->at("z").exists);
  EXPECT_EQ(locks_left(cluster), 2u);
  EXPECT_EQ(cluster.world.rows["z"].lock->primary, "a");
  EXPECT_EQ(cluster.run(txn.get("a")).value(), std::optional<Bytes>("old")) << "reads stay in the snapshot";
  txn.put("a", "mine");
  const auto committed = cluster.run(txn.commit());
  ASSERT_TRUE(committed.ok()) << to_string(committed.error());
  cluster.settle();
  EXPECT_EQ(locks_left(cluster), 0u);
  EXPECT_EQ(cluster.world.rows["a"].versions.at(committed->value).value, std::optional<Bytes>("mine"));
  EXPECT_FALSE(cluster.world.rows["z"].versions.at(committed->value).changes_value) << "it was only locked";
}

TEST(Pessimistic, TakesANewerTimestampWhereTheKeyIsNewerThanTheStatement) {
  FakeCluster cluster;
  auto txn = begin(cluster);
  cluster.stores[1]->before["kv_pessimistic_lock"] = [&] { store(cluster, "a", "just now"); };
  const auto locked = cluster.run(txn.lock_keys({"a"}, {.return_values = true}));
  ASSERT_TRUE(locked.ok()) << to_string(locked.error());
  EXPECT_EQ(locked->at("a").value, std::optional<Bytes>("just now"));
  EXPECT_EQ(cluster.stores[1]->calls["kv_pessimistic_lock"], 2);
}

TEST(Pessimistic, ByForceLocksOverTheNewerVersionAtOnceAndHoldsThePrewriteToIt) {
  FakeCluster cluster;
  auto txn = begin(cluster);
  uint64_t newest = 0;
  cluster.stores[1]->before["kv_pessimistic_lock"] = [&] { newest = store(cluster, "a", "just now"); };
  const auto locked = cluster.run(txn.lock_keys({"a"}, {.force = true}));
  ASSERT_TRUE(locked.ok()) << to_string(locked.error());
  EXPECT_EQ(locked->at("a").value, std::optional<Bytes>("just now"));
  EXPECT_EQ(locked->at("a").newer_commit_ts, Timestamp(newest));
  EXPECT_EQ(cluster.stores[1]->calls["kv_pessimistic_lock"], 1);
  txn.put("a", "mine");
  cluster.world.rows["a"].lock->for_update_ts += 1;  // not the lock that it took
  const auto committed = cluster.run(txn.commit());
  ASSERT_FALSE(committed.ok());
  EXPECT_TRUE(std::holds_alternative<RolledBack>(committed.error())) << to_string(committed.error());
}

TEST(Pessimistic, ByForceHoldsThePrewriteToItsLockEvenIfNothingWasNewer) {
  FakeCluster cluster;
  auto txn = begin(cluster);
  ASSERT_TRUE(cluster.run(txn.lock_keys({"a"}, {.force = true})).ok());
  txn.put("a", "mine");
  // The lock was lost, another wrote, and a late copy of the request has locked over that.
  cluster.world.rows["a"].lock->for_update_ts += 1;
  const auto committed = cluster.run(txn.commit());
  ASSERT_FALSE(committed.ok());
  EXPECT_TRUE(std::holds_alternative<RolledBack>(committed.error())) << to_string(committed.error());
}

TEST(Pessimistic, ByForceLocksSeveralKeysOneByOne) {
  FakeCluster cluster;
  auto txn = begin(cluster);
  store(cluster, "b", "1");
  const auto locked = cluster.run(txn.lock_keys({"a", "b", "c", "z"}, {.return_values = true, .force = true}));
  ASSERT_TRUE(locked.ok()) << to_string(locked.error());
  EXPECT_EQ(locked->at("b").value, std::optional<Bytes>("1"));
  EXPECT_EQ(locks_left(cluster), 4u);
  ASSERT_TRUE(cluster.run(txn.commit()).ok());
}

TEST(Pessimistic, DoesNotWaitIfToldSo) {
  FakeCluster cluster;
  lock_by_other(cluster, "z", 100'000);
  const uint64_t holder = cluster.world.rows["z"].lock->start_ts;
  auto txn = begin(cluster);
  ASSERT_TRUE(cluster.run(txn.lock_keys({"b"})).ok());
  const auto locked = cluster.run(txn.lock_keys({"c", "z"}, {.wait_max = 0s}));
  ASSERT_FALSE(locked.ok());
  const auto* timeout = std::get_if<LockWaitTimeout>(&locked.error());
  ASSERT_NE(timeout, nullptr) << to_string(locked.error());
  EXPECT_EQ(timeout->key, "z");
  EXPECT_EQ(timeout->holder_start_ts, Timestamp(holder));
  cluster.settle();
  EXPECT_FALSE(cluster.world.rows["c"].lock) << "all keys of the call or none";
  EXPECT_TRUE(cluster.world.rows["b"].lock) << "what it held before stays";
  txn.put("b", "1");
  EXPECT_TRUE(cluster.run(txn.commit()).ok()) << "the transaction lives on";
  EXPECT_TRUE(cluster.world.rows["c"].versions.empty());
}

TEST(Pessimistic, WaitsAsLongAsToldAndNoLonger) {
  FakeCluster cluster;
  lock_by_other(cluster, "a", 100'000);
  auto txn = begin(cluster);
  const Instant began = cluster.clock.now();
  const auto locked = cluster.run(txn.lock_keys({"a"}, {.wait_max = 1500ms}));
  ASSERT_FALSE(locked.ok());
  EXPECT_TRUE(std::holds_alternative<LockWaitTimeout>(locked.error())) << to_string(locked.error());
  EXPECT_GE(cluster.clock.now() - began, 1500ms);
  EXPECT_LT(cluster.clock.now() - began, 4s);
}

TEST(Pessimistic, TakesTheLockOfADeadTransaction) {
  FakeCluster cluster;
  lock_by_other(cluster, "a", 10);
  cluster.world.next_ts += uint64_t{100} << 18;
  auto txn = begin(cluster);
  EXPECT_TRUE(cluster.run(txn.lock_keys({"a"}, {.wait_max = 0s})).ok());
}

TEST(Pessimistic, RemovesADeadPessimisticLockWithoutDecidingItsTransaction) {
  FakeCluster cluster;
  lock_by_other(cluster, "a", 10);
  auto& lock = *cluster.world.rows["a"].lock;
  lock.is_pessimistic = true;
  lock.primary = "z";  // which is not locked
  const uint64_t holder = lock.start_ts;
  cluster.world.rows["z"].lock = lock;
  cluster.world.next_ts += uint64_t{100} << 18;
  auto txn = begin(cluster);
  EXPECT_TRUE(cluster.run(txn.lock_keys({"a"})).ok());
  EXPECT_FALSE(cluster.world.rows["a"].rolled_back.contains(holder));
  EXPECT_FALSE(cluster.world.rows["z"].rolled_back.contains(holder));
  EXPECT_FALSE(cluster.world.rows["z"].lock);
}

TEST(Pessimistic, LocksOnlyWhatExists) {
  FakeCluster cluster;
  store(cluster, "b", "1");
  auto txn = begin(cluster);
  const auto locked = cluster.run(txn.lock_keys({"a", "b", "z"}, {.return_values = true, .only_if_exists = true}));
  ASSERT_TRUE(locked.ok()) << to_string(locked.error());
  EXPECT_FALSE(locked->at("a").exists);
  EXPECT_EQ(locked->at("b").value, std::optional<Bytes>("1"));
  EXPECT_EQ(locks_left(cluster), 1u);
  EXPECT_EQ(cluster.world.rows["b"].lock->primary, "b") << "the first key that is locked";
  ASSERT_TRUE(cluster.run(txn.commit()).ok());
  EXPECT_TRUE(cluster.world.rows["z"].versions.empty());
}

TEST(Pessimistic, ADeadlockIsToldAndTheRollbackReleasesTheLocks) {
  FakeCluster cluster;
  auto txn = begin(cluster);
  ASSERT_TRUE(cluster.run(txn.lock_keys({"a", "z"})).ok());
  lock_by_other(cluster, "b", 100'000);
  cluster.stores[1]->deadlock_at = "b";
  const auto locked = cluster.run(txn.lock_keys({"b"}));
  ASSERT_FALSE(locked.ok());
  EXPECT_TRUE(std::holds_alternative<Deadlock>(locked.error())) << to_string(locked.error());
  txn.rollback();
  cluster.settle();
  EXPECT_EQ(locks_left(cluster), 1u) << "only the other's";
  EXPECT_FALSE(cluster.run(txn.lock_keys({"c"})).ok()) << "it is over";
}

TEST(Pessimistic, AHeartbeatKeepsTheLockAliveUntilTheTransactionIsOver) {
  FakeCluster cluster({.managed_lock_ttl = 4s});
  std::optional<Transaction> txn = begin(cluster);
  ASSERT_TRUE(cluster.run(txn->lock_keys({"a"})).ok());
  cluster.loop.run_for(20s);
  EXPECT_GE(cluster.stores[1]->calls["kv_txn_heart_beat"], 9);
  EXPECT_GE(cluster.world.rows["a"].lock->ttl_ms, 22'000u);
  txn->rollback();
  cluster.settle();
  EXPECT_EQ(locks_left(cluster), 0u);
  const int beats = cluster.stores[1]->calls["kv_txn_heart_beat"];
  cluster.settle();
  EXPECT_EQ(cluster.stores[1]->calls["kv_txn_heart_beat"], beats);
}

TEST(Pessimistic, NoHeartbeatForATransactionThatNobodyHolds) {
  FakeCluster cluster({.managed_lock_ttl = 4s});
  {
    auto txn = begin(cluster);
    ASSERT_TRUE(cluster.run(txn.lock_keys({"a"})).ok());
  }
  cluster.loop.run_for(20s);
  EXPECT_EQ(cluster.stores[1]->calls["kv_txn_heart_beat"], 0);
}

TEST(Pessimistic, AKeyThatItNeverLockedIsCheckedForConflicts) {
  FakeCluster cluster;
  auto txn = begin(cluster);
  ASSERT_TRUE(cluster.run(txn.lock_keys({"a"})).ok());
  store(cluster, "b", "other");
  txn.put("a", "1");
  txn.put("b", "2");
  const auto committed = cluster.run(txn.commit());
  ASSERT_FALSE(committed.ok());
  EXPECT_TRUE(std::holds_alternative<Conflict>(committed.error())) << to_string(committed.error());
  cluster.settle();
  EXPECT_EQ(locks_left(cluster), 0u);
}

TEST(Pessimistic, AnInsertOfALockedKeyThatExistsFailsWithoutAskingTheStore) {
  FakeCluster cluster;
  store(cluster, "a", "old");
  auto txn = begin(cluster);
  ASSERT_TRUE(cluster.run(txn.lock_keys({"a"})).ok());
  txn.insert("a", "new");
  const auto committed = cluster.run(txn.commit());
  ASSERT_FALSE(committed.ok());
  EXPECT_TRUE(std::holds_alternative<AlreadyExists>(committed.error())) << to_string(committed.error());
  cluster.settle();
  EXPECT_EQ(locks_left(cluster), 0u);
  EXPECT_EQ(cluster.stores[1]->calls["kv_prewrite"], 0);
}

TEST(Pessimistic, ALostLockEndsTheTransaction) {
  FakeCluster cluster;
  auto txn = begin(cluster);
  ASSERT_TRUE(cluster.run(txn.lock_keys({"a"})).ok());
  cluster.world.rows["a"].lock.reset();
  txn.put("a", "1");
  const auto committed = cluster.run(txn.commit());
  ASSERT_FALSE(committed.ok());
  EXPECT_TRUE(std::holds_alternative<RolledBack>(committed.error())) << to_string(committed.error());
}

TEST(Pessimistic, CommitsAsynchronouslyAndInOnePhaseToo) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin({.is_pessimistic = true, .use_async_commit = true})).value();
  ASSERT_TRUE(cluster.run(txn.lock_keys({"a", "z"})).ok());
  txn.put("a", "1");
  txn.put("z", "1");
  ASSERT_TRUE(cluster.run(txn.commit()).ok());
  txn = cluster.run(cluster.client->begin({.is_pessimistic = true, .try_one_pc = true})).value();
  cluster.settle();
  EXPECT_EQ(locks_left(cluster), 0u);
  const int commits = cluster.stores[1]->calls["kv_commit"];
  ASSERT_TRUE(cluster.run(txn.lock_keys({"a", "b"})).ok());
  txn.put("a", "2");
  const auto committed = cluster.run(txn.commit());
  ASSERT_TRUE(committed.ok()) << to_string(committed.error());
  EXPECT_EQ(cluster.stores[1]->calls["kv_commit"], commits);
  EXPECT_EQ(cluster.world.rows["a"].versions.at(committed->value).value, std::optional<Bytes>("2"));
  EXPECT_EQ(locks_left(cluster), 0u);
}

TEST(Pessimistic, AnOptimisticTransactionTakesNoLocks) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin()).value();
  const auto locked = cluster.run(txn.lock_keys({"a"}));
  ASSERT_FALSE(locked.ok());
  EXPECT_TRUE(std::holds_alternative<Refused>(locked.error()));
}

}  // namespace
}  // namespace cairn::client
