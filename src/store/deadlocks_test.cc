// Deadlocks whose waits are on different stores: real stores, simulated loop.
#include "store/deadlocks.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "store/testing/cluster.h"
#include "txn/scheduler.h"

namespace cairn::store {
namespace {

using Node = TestCluster::Node;
using LockAnswer = std::shared_ptr<std::optional<txn::Answer<txn::PessimisticLockResult>>>;

runtime::Task<void> lock_into(txn::Scheduler* scheduler, txn::PessimisticLock command, engine::RegionRequest request,
                              LockAnswer answer) {
  answer->emplace(co_await scheduler->run(std::move(command), std::move(request)));
}

// Two regions, "a" and "z", whose leaders are on two stores; the first is replicated on both others as well.
class DeadlocksTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 3; ++i) cluster_.add();
    left_ = cluster_.pd.regions.begin()->first;
    cluster_.replicate_everywhere(left_);
    ASSERT_TRUE(cluster_.split(left_, {codec::encode_bytes("m")}).ok());
    wait_for_split("a", "z");
    left_ = cluster_.region_of(codec::encode_bytes("a"));
    right_ = cluster_.region_of(codec::encode_bytes("z"));
    ASSERT_NE(left_, right_);
    lead(left_, 0);
    lead(right_, 1);
  }

  // PD knows that the keys are in two regions.
  void wait_for_split(const Bytes& one, const Bytes& other) {
    ASSERT_TRUE(cluster_.run_until([&] {
      const uint64_t left = cluster_.region_of(codec::encode_bytes(one));
      const uint64_t right = cluster_.region_of(codec::encode_bytes(other));
      return left != 0 && right != 0 && left != right;
    }));
  }
  // Makes the node lead the region.
  void lead(uint64_t region, size_t index) {
    const auto is_there = [&] { return cluster_.leader_of(region) == &cluster_.node(index); };
    for (int tries = 0; tries < 20 && !is_there(); ++tries) {
      Node* from = cluster_.wait_for_leader(region);
      ASSERT_NE(from, nullptr);
      for (const auto& peer : cluster_.pd.regions[region].peers()) {
        if (peer.store_id() == cluster_.node(index).store->id().value) {
          from->store->transfer_leader(RegionId(region), PeerId(peer.id()));
        }
      }
      cluster_.run_until(is_there, 2s);
    }
    ASSERT_TRUE(is_there()) << "region " << region << " on node " << index;
    cluster_.run_for(500ms);
  }

  LockAnswer lock(uint64_t start_ts, const Bytes& key) {
    txn::PessimisticLock command;
    command.keys = {{key, false}};
    command.primary = key;
    command.start_ts = command.for_update_ts = Timestamp(start_ts);
    command.lock_ttl_ms = 60'000;
    const uint64_t region = cluster_.region_of(codec::encode_bytes(key));
    auto answer = std::make_shared<std::optional<txn::Answer<txn::PessimisticLockResult>>>();
    const auto request = cluster_.request(region);
    cluster_.wait_for_leader(region)->store->on_shard(RegionId(region), [=](ShardHandle& shard) {
      runtime::spawn_inline(lock_into(&shard.scheduler(), command, request, answer));
    });
    return answer;
  }
  bool is_locked(uint64_t start_ts, const Bytes& key) {
    const auto answer = lock(start_ts, key);
    cluster_.run_until([&] { return answer->has_value(); }, 3s);
    return answer->has_value() && (*answer)->ok() && !(**answer)->error;
  }

  // Closes a cycle of two transactions over both regions, and says what came of it.
  std::string close_cycle(uint64_t first, uint64_t second) {
    const Bytes a = "a" + std::to_string(first);
    const Bytes z = "z" + std::to_string(first);
    if (!is_locked(first, a) || !is_locked(second, z)) return "not locked";
    const auto waiting = lock(first, z);
    cluster_.run_for(100ms);
    if (waiting->has_value()) return "the first does not wait";
    const auto closing = lock(second, a);
    if (!cluster_.run_until([&] { return closing->has_value(); }, 700ms)) return "the second waits";
    if (!(*closing)->ok() || !(**closing)->error) return "the second does not fail";
    const auto* deadlock = std::get_if<mvcc::Deadlock>(&*(**closing)->error);
    if (!deadlock) return mvcc::to_string(*(**closing)->error);
    std::string out = "deadlock";
    for (const auto& edge : deadlock->wait_chain) {
      out += fmt::format(" {}>{}@{}", edge.txn, edge.wait_for, edge.key[0]);
    }
    EXPECT_EQ(deadlock->lock_key, a);
    EXPECT_EQ(deadlock->deadlock_key, z);
    cluster_.run_until([&] { return waiting->has_value(); }, 3s);
    return out;
  }

  TestCluster cluster_;
  uint64_t left_ = 0;
  uint64_t right_ = 0;
};

TEST_F(DeadlocksTest, ACycleOverTwoStoresIsFoundWhereverTheGraphIs) {
  EXPECT_EQ(close_cycle(10, 20), "deadlock 10>20@z 20>10@a");
  EXPECT_EQ(close_cycle(40, 30), "deadlock 40>30@z 30>40@a") << "whoever began first";
  // The graph moves to a store that has no part in the cycle, then to the other one.
  lead(left_, 2);
  EXPECT_EQ(close_cycle(50, 60), "deadlock 50>60@z 60>50@a");
  lead(left_, 1);
  EXPECT_EQ(close_cycle(70, 80), "deadlock 70>80@z 80>70@a") << "both regions on one store";
}

TEST_F(DeadlocksTest, TheGraphBuildsItselfUpAnewWhenItMoves) {
  ASSERT_TRUE(is_locked(10, "n"));
  ASSERT_TRUE(is_locked(20, "z"));
  const auto waiting = lock(10, "z");
  cluster_.run_for(20ms);
  // The first region's leader goes; the waits are on the second's store.
  for (const auto& peer : cluster_.pd.regions[left_].peers()) {
    if (peer.store_id() == cluster_.node(2).store->id().value) {
      cluster_.node(0).store->transfer_leader(RegionId(left_), PeerId(peer.id()));
    }
  }
  ASSERT_TRUE(cluster_.run_until([&] { return cluster_.leader_of(left_) == &cluster_.node(2); }, 600ms));
  cluster_.run_for(50ms);
  ASSERT_FALSE(waiting->has_value()) << "it waits still";
  const auto closing = lock(20, "n");
  ASSERT_TRUE(cluster_.run_until([&] { return closing->has_value(); }, 500ms));
  ASSERT_TRUE((*closing)->ok() && (**closing)->error);
  EXPECT_TRUE(std::holds_alternative<mvcc::Deadlock>(*(**closing)->error)) << mvcc::to_string(*(**closing)->error);
  cluster_.run_until([&] { return waiting->has_value(); }, 3s);
}

TEST_F(DeadlocksTest, WithoutADetectorWaitsJustTimeOut) {
  ASSERT_TRUE(is_locked(10, "n"));
  const auto waiting = lock(20, "n");
  cluster_.isolate(0);
  ASSERT_TRUE(cluster_.run_until([&] { return waiting->has_value(); }, 3s));
  ASSERT_TRUE((*waiting)->ok() && (**waiting)->error);
  const auto* locked = std::get_if<mvcc::KeyIsLocked>(&*(**waiting)->error);
  ASSERT_TRUE(locked) << mvcc::to_string(*(**waiting)->error);
  EXPECT_GE(locked->lock.duration_to_last_update_ms, 900u);
  cluster_.heal();
}

// Locks of memory, through the life of a region.
TEST_F(DeadlocksTest, LocksOfMemorySurviveATransferOfLeadership) {
  ASSERT_TRUE(is_locked(10, "n"));
  ASSERT_TRUE(is_locked(10, "x"));
  const auto in_family = [&](size_t index, const Bytes& key) {
    auto found = cluster_.node(index).kv->get(engine::Cf::kLock, "z" + codec::encode_bytes(key));
    return found.ok() && found->has_value();
  };
  EXPECT_FALSE(in_family(1, "n"));
  lead(right_, 2);
  EXPECT_TRUE(in_family(2, "n") && in_family(1, "x"));
  EXPECT_FALSE(is_locked(20, "n")) << "handed over";
  lead(right_, 1);
  EXPECT_FALSE(is_locked(20, "x")) << "handed over";
}

TEST_F(DeadlocksTest, LocksOfMemoryFollowTheirKeysToTheChildOfASplit) {
  ASSERT_TRUE(is_locked(10, "o") && is_locked(10, "w"));
  const uint64_t parent = right_;
  ASSERT_TRUE(cluster_.split(right_, {codec::encode_bytes("t")}).ok());
  wait_for_split("n", "x");
  const uint64_t child = cluster_.region_of(codec::encode_bytes("n"));
  ASSERT_NE(child, parent);
  ASSERT_EQ(cluster_.wait_for_leader(child), &cluster_.node(1));
  EXPECT_FALSE(is_locked(30, "o")) << "followed its key to the child";
  EXPECT_FALSE(is_locked(30, "w")) << "stayed";
  lead(child, 2);
  EXPECT_FALSE(is_locked(30, "o")) << "handed over by the child";
}

}  // namespace
}  // namespace cairn::store
