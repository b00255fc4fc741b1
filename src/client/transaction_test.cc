#include "client/transaction.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "client/testing/fake_cluster.h"

namespace cairn::client {
namespace {

using testing::FakeCluster;
using testing::FakeLock;
using testing::Trouble;

Trouble lost_after() { return {.region_error = {}, .status = {}, .is_lost_before = false, .is_lost_after = true}; }

// A committed version without a transaction of this client.
void store(FakeCluster& cluster, const Bytes& key, const Bytes& value) {
  const uint64_t start = cluster.world.tso();
  cluster.world.rows[key].versions[cluster.world.tso()] = {start, value, true};
}

FakeLock a_lock(uint64_t start_ts, const Bytes& primary, uint64_t ttl_ms, uint64_t min_commit_ts, const Bytes& value) {
  FakeLock lock;
  lock.start_ts = start_ts;
  lock.primary = primary;
  lock.ttl_ms = ttl_ms;
  lock.min_commit_ts = min_commit_ts;
  lock.value = value;
  return lock;
}

size_t locks_left(const FakeCluster& cluster) {
  size_t count = 0;
  for (const auto& [key, row] : cluster.world.rows) count += row.lock.has_value();
  return count;
}

TEST(Transaction, CommitsOverTwoRegionsAndLeavesNoLock) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin()).value();
  txn.put("a", "1");
  txn.put("z", "2");
  auto committed = cluster.run(txn.commit());
  ASSERT_TRUE(committed.ok()) << to_string(committed.error());
  EXPECT_GT(*committed, txn.start_ts());
  cluster.settle();
  EXPECT_EQ(locks_left(cluster), 0u);
  auto later = cluster.run(cluster.client->begin()).value();
  EXPECT_EQ(cluster.run(later.get("a")).value(), std::optional<Bytes>("1"));
  EXPECT_EQ(cluster.run(later.batch_get({"a", "z", "q"})).value(), (std::map<Bytes, Bytes>{{"a", "1"}, {"z", "2"}}));
}

TEST(Transaction, ReadsItsSnapshotAndItsOwnWrites) {
  FakeCluster cluster;
  store(cluster, "a", "old");
  store(cluster, "b", "old");
  auto txn = cluster.run(cluster.client->begin()).value();
  store(cluster, "c", "too new");
  txn.put("b", "mine");
  txn.put("z", "mine");
  txn.del("a");
  EXPECT_EQ(cluster.run(txn.get("a")).value(), std::nullopt);
  EXPECT_EQ(cluster.run(txn.get("b")).value(), std::optional<Bytes>("mine"));
  EXPECT_EQ(cluster.run(txn.get("c")).value(), std::nullopt);
  const std::vector<KeyValue> expected = {{"b", "mine"}, {"z", "mine"}};
  EXPECT_EQ(cluster.run(txn.scan("", "", 10)).value(), expected);
  EXPECT_EQ(cluster.run(txn.reverse_scan("", "", 1)).value(),
            std::vector<KeyValue>(expected.begin() + 1, expected.end()));
}

TEST(Transaction, ScansPageByPageOverRegions) {
  FakeCluster cluster({.scan_page = 2});
  std::vector<KeyValue> expected;
  for (const char* key : {"a", "b", "c", "n", "o"}) {
    store(cluster, key, "v");
    expected.push_back({key, "v"});
  }
  auto txn = cluster.run(cluster.client->begin()).value();
  EXPECT_EQ(cluster.run(txn.scan("", "", 10)).value(), expected);
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(cluster.run(txn.reverse_scan("", "", 10)).value(), expected);
}

TEST(Transaction, AConflictRollsBackAllItsLocks) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin()).value();
  txn.put("a", "1");
  txn.put("z", "2");
  store(cluster, "z", "other");
  auto outcome = cluster.run(txn.commit());
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(std::get<Conflict>(outcome.error()).key, "z");
  cluster.settle();
  EXPECT_EQ(locks_left(cluster), 0u);
  EXPECT_TRUE(cluster.world.rows["a"].versions.empty());
}

TEST(Transaction, InsertFailsIfTheKeyExists) {
  FakeCluster cluster;
  store(cluster, "a", "old");
  auto txn = cluster.run(cluster.client->begin()).value();
  txn.insert("a", "new");
  auto outcome = cluster.run(txn.commit());
  ASSERT_FALSE(outcome.ok());
  EXPECT_TRUE(std::holds_alternative<AlreadyExists>(outcome.error()));
}

TEST(Transaction, FinishesTheCommittedTransactionWhoseLockIsInTheWay) {
  FakeCluster cluster;
  const uint64_t start = cluster.world.tso();
  cluster.world.rows["a"].versions[cluster.world.tso()] = {start, "1", true};  // the primary is committed
  cluster.world.rows["z"].lock = a_lock(start, "a", 3000, 0, "2");
  auto txn = cluster.run(cluster.client->begin()).value();
  EXPECT_EQ(cluster.run(txn.get("z")).value(), std::optional<Bytes>("2"));
  EXPECT_EQ(locks_left(cluster), 0u);
}

TEST(Transaction, RollsBackTheExpiredTransactionWhoseLockIsInTheWay) {
  FakeCluster cluster;
  const uint64_t start = cluster.world.tso();
  cluster.world.rows["a"].lock = a_lock(start, "a", 10, 0, "1");
  cluster.world.rows["z"].lock = a_lock(start, "a", 10, 0, "2");
  cluster.world.next_ts += uint64_t{100} << 18;
  auto txn = cluster.run(cluster.client->begin()).value();
  txn.put("z", "3");
  ASSERT_TRUE(cluster.run(txn.commit()).ok());
  EXPECT_TRUE(cluster.world.rows["a"].rolled_back.contains(start));
  cluster.settle();
  EXPECT_EQ(locks_left(cluster), 0u);
}

TEST(Transaction, AReadPassesOverALivingLockThatItPushedBehindItself) {
  FakeCluster cluster;
  store(cluster, "a", "old");
  const uint64_t start = cluster.world.tso();
  cluster.world.rows["a"].lock = a_lock(start, "a", 1000000, start + 1, "new");
  auto txn = cluster.run(cluster.client->begin()).value();
  EXPECT_EQ(cluster.run(txn.get("a")).value(), std::optional<Bytes>("old"));
  EXPECT_GT(cluster.world.rows["a"].lock->min_commit_ts, txn.start_ts().value);
}

TEST(Transaction, TakesANewerTimestampWhenItWasPushed) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin()).value();
  txn.put("a", "1");
  cluster.stores[1]->before["kv_commit"] = [&cluster] {
    cluster.world.next_ts += 100;
    cluster.world.rows["a"].lock->min_commit_ts = cluster.world.next_ts;
  };
  auto outcome = cluster.run(txn.commit());
  ASSERT_TRUE(outcome.ok()) << to_string(outcome.error());
  EXPECT_TRUE(cluster.world.rows["a"].versions.contains(outcome->value));
}

TEST(Transaction, ACommitWhoseAnswerIsLostIsRepeatedAndSucceedsOnce) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin()).value();
  txn.put("a", "1");
  cluster.stores[1]->before["kv_commit"] = [] {};
  cluster.stores[1]->troubles = {Trouble{}, lost_after()};  // prewrite, commit
  auto outcome = cluster.run(txn.commit());
  ASSERT_TRUE(outcome.ok()) << to_string(outcome.error());
  EXPECT_EQ(cluster.world.rows["a"].versions.size(), 1u);
}

TEST(Transaction, ACommitThatIsNeverAnsweredIsUndeterminedAndNotRolledBack) {
  FakeCluster cluster({.budget = 8s});
  auto txn = cluster.run(cluster.client->begin()).value();
  txn.put("a", "1");
  cluster.stores[1]->troubles.push_back({});
  for (auto& [id, fake] : cluster.stores) {
    for (int i = 0; i < 100; ++i) fake->troubles.push_back(lost_after());
  }
  auto outcome = cluster.run(txn.commit());
  ASSERT_FALSE(outcome.ok());
  EXPECT_TRUE(std::holds_alternative<Undetermined>(outcome.error())) << to_string(outcome.error());
  cluster.settle();
  EXPECT_EQ(cluster.world.rows["a"].versions.size(), 1u);
  EXPECT_EQ(cluster.stores[1]->calls["kv_batch_rollback"], 0);
}

TEST(Transaction, SaysSoIfAnotherClientRolledItBack) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin()).value();
  txn.put("a", "1");
  cluster.stores[1]->before["kv_commit"] = [&cluster, &txn] {
    cluster.world.rows["a"].lock.reset();
    cluster.world.rows["a"].rolled_back.insert(txn.start_ts().value);
  };
  auto outcome = cluster.run(txn.commit());
  ASSERT_FALSE(outcome.ok());
  EXPECT_TRUE(std::holds_alternative<RolledBack>(outcome.error()));
}

constexpr TransactionOptions kAsync{.use_async_commit = true};
constexpr TransactionOptions kOnePhase{.try_one_pc = true};

TEST(Transaction, AnAsyncCommitIsOverWithItsPrewrite) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin(kAsync)).value();
  txn.put("a", "1");
  txn.put("z", "2");
  std::optional<FakeLock> primary;
  cluster.stores[1]->before["kv_commit"] = [&] { primary = cluster.world.rows["a"].lock; };
  const auto committed = cluster.run(txn.commit());
  ASSERT_TRUE(committed.ok()) << to_string(committed.error());
  cluster.settle();
  ASSERT_TRUE(primary);
  EXPECT_TRUE(primary->is_async);
  EXPECT_EQ(primary->secondaries, std::vector<Bytes>{"z"});
  EXPECT_EQ(locks_left(cluster), 0u);
  EXPECT_TRUE(cluster.world.rows["z"].versions.contains(committed->value));
}

TEST(Transaction, AnAsyncCommitThatAStoreRefusesGoesOnInTwoPhases) {
  FakeCluster cluster;
  cluster.stores[2]->refuses_async = true;
  auto txn = cluster.run(cluster.client->begin(kAsync)).value();
  txn.put("a", "1");
  txn.put("z", "2");
  const auto committed = cluster.run(txn.commit());
  ASSERT_TRUE(committed.ok()) << to_string(committed.error());
  EXPECT_TRUE(cluster.world.rows["a"].versions.contains(committed->value)) << "the primary first";
  cluster.settle();
  EXPECT_EQ(locks_left(cluster), 0u);
}

TEST(Transaction, FinishesAnAsyncCommitWhoseClientDied) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin(kAsync)).value();
  txn.put("a", "1");
  txn.put("z", "2");
  for (auto& [id, fake] : cluster.stores) {
    fake->troubles.push_back({});
    for (int i = 0; i < 100; ++i)
      fake->troubles.push_back(Trouble{.region_error = {}, .status = {}, .is_lost_before = true});
  }
  const auto committed = cluster.run(txn.commit());
  ASSERT_TRUE(committed.ok()) << to_string(committed.error());
  cluster.settle();
  ASSERT_EQ(locks_left(cluster), 2u);
  for (auto& [id, fake] : cluster.stores) fake->troubles.clear();
  cluster.world.next_ts += uint64_t{60'000} << 18;
  auto reader = cluster.run(cluster.client->begin()).value();
  EXPECT_EQ(cluster.run(reader.get("z")).value(), std::optional<Bytes>("2"));
  EXPECT_EQ(cluster.run(reader.get("a")).value(), std::optional<Bytes>("1"));
  EXPECT_TRUE(cluster.world.rows["a"].versions.contains(committed->value));
}

TEST(Transaction, AnAsyncCommitWithoutAnAnswerIsUndeterminedAndNotRolledBack) {
  FakeCluster cluster({.budget = 8s});
  auto txn = cluster.run(cluster.client->begin(kAsync)).value();
  txn.put("a", "1");
  for (auto& [id, fake] : cluster.stores) {
    for (int i = 0; i < 100; ++i) fake->troubles.push_back(lost_after());
  }
  const auto outcome = cluster.run(txn.commit());
  ASSERT_FALSE(outcome.ok());
  EXPECT_TRUE(std::holds_alternative<Undetermined>(outcome.error())) << to_string(outcome.error());
  cluster.settle();
  EXPECT_EQ(cluster.stores[1]->calls["kv_batch_rollback"], 0);
}

TEST(Transaction, ACausalOneAsksForNoTimestampToCommit) {
  for (const bool is_causal : {false, true}) {
    FakeCluster cluster;
    auto txn = cluster.run(cluster.client->begin({.use_async_commit = true, .is_causal = is_causal})).value();
    txn.put("a", "1");
    const uint64_t newest = cluster.world.next_ts;
    ASSERT_TRUE(cluster.run(txn.commit()).ok());
    EXPECT_EQ(cluster.world.next_ts > newest, !is_causal);
  }
}

TEST(Transaction, OnePhaseLocksNothing) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin(kOnePhase)).value();
  txn.put("a", "1");
  txn.put("b", "2");
  const auto committed = cluster.run(txn.commit());
  ASSERT_TRUE(committed.ok()) << to_string(committed.error());
  EXPECT_EQ(cluster.stores[1]->calls["kv_commit"], 0);
  EXPECT_TRUE(cluster.world.rows["b"].versions.contains(committed->value));
  EXPECT_EQ(locks_left(cluster), 0u);
}

TEST(Transaction, KeysOfTwoRegionsDoNotCommitInOnePhase) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin(kOnePhase)).value();
  txn.put("a", "1");
  txn.put("z", "2");
  ASSERT_TRUE(cluster.run(txn.commit()).ok());
  cluster.settle();
  EXPECT_EQ(cluster.stores[1]->calls["kv_commit"], 1);
  EXPECT_EQ(locks_left(cluster), 0u);
}

TEST(Transaction, AStoreMayRefuseOnePhase) {
  FakeCluster cluster;
  cluster.stores[1]->refuses_one_pc = true;
  auto txn = cluster.run(cluster.client->begin(kOnePhase)).value();
  txn.put("a", "1");
  ASSERT_TRUE(cluster.run(txn.commit()).ok());
  EXPECT_EQ(cluster.stores[1]->calls["kv_commit"], 1);
}

TEST(Transaction, OnePhaseWhoseAnswerIsLostIsRepeatedAndCommitsOnce) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin(kOnePhase)).value();
  txn.put("a", "1");
  cluster.stores[1]->troubles = {lost_after()};
  const auto committed = cluster.run(txn.commit());
  ASSERT_TRUE(committed.ok()) << to_string(committed.error());
  EXPECT_EQ(cluster.world.rows["a"].versions.size(), 1u);
  EXPECT_TRUE(cluster.world.rows["a"].versions.contains(committed->value));
}

TEST(Transaction, OnePhaseWhoseAnswerIsLostBeforeASplitTellsTheRightTimestamp) {
  FakeCluster cluster;
  auto txn = cluster.run(cluster.client->begin(kOnePhase)).value();
  txn.put("a", "1");
  txn.put("g", "2");
  cluster.stores[1]->troubles = {lost_after()};
  cluster.stores[1]->before["kv_prewrite"] = [&cluster] {
    cluster.executor->after(1ms, [&cluster] {
      cluster.world.regions = {
          testing::make_region(1, "", codec::encode_bytes("f"), 6, {1, 2, 3}, 1),
          testing::make_region(3, codec::encode_bytes("f"), codec::encode_bytes("m"), 6, {1, 2, 3}, 1),
          testing::make_region(2, codec::encode_bytes("m"), "", 5, {1, 2, 3}, 2)};
      cluster.world.pd_view = cluster.world.regions;
    });
  };
  const auto committed = cluster.run(txn.commit());
  ASSERT_TRUE(committed.ok()) << to_string(committed.error());
  EXPECT_EQ(cluster.world.rows["a"].versions.size(), 1u);
  EXPECT_TRUE(cluster.world.rows["a"].versions.contains(committed->value));
  EXPECT_EQ(cluster.stores[1]->calls["kv_commit"], 0);
}

TEST(Transaction, CommitsOnceAndNothingIfThereIsNothing) {
  FakeCluster cluster;
  auto empty = cluster.run(cluster.client->begin()).value();
  EXPECT_EQ(cluster.run(empty.commit()).value(), Timestamp());
  EXPECT_FALSE(cluster.run(empty.commit()).ok());
}

}  // namespace
}  // namespace cairn::client
