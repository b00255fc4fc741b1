#include "txn/deadlock.h"

#include <gtest/gtest.h>

namespace cairn::txn {
namespace {

constexpr Duration kTtl = 1000ms;

WaitForEdge wait(uint64_t txn, uint64_t wait_for, const Bytes& key = "k") {
  return {Timestamp(txn), Timestamp(wait_for), deadlock_key_hash(key), key, ""};
}
Instant at(Duration since_start) { return Instant{since_start}; }

// "1>2 2>1"
std::string show(const std::optional<DeadlockCycle>& cycle) {
  if (!cycle) return "none";
  std::string out;
  for (const auto& edge : cycle->chain) {
    out += fmt::format("{}{}>{}", out.empty() ? "" : " ", edge.txn, edge.wait_for);
  }
  return out;
}

TEST(DeadlockDetector, FindsACycleOfTwo) {
  DeadlockDetector graph(kTtl);
  EXPECT_FALSE(graph.detect(wait(1, 2, "held by 2"), at(0ms)));
  const auto cycle = graph.detect(wait(2, 1, "held by 1"), at(1ms));
  ASSERT_TRUE(cycle);
  EXPECT_EQ(show(cycle), "1>2 2>1");
  EXPECT_EQ(cycle->key, "held by 2");
  EXPECT_EQ(cycle->key_hash, deadlock_key_hash("held by 2"));
  EXPECT_EQ(cycle->chain.back().key, "held by 1");
  // The refused wait is not in the graph: the other transaction may wait on.
  EXPECT_FALSE(graph.detect(wait(1, 2, "another"), at(2ms)));
}

TEST(DeadlockDetector, FindsTheShortestCycleOfThree) {
  DeadlockDetector graph(kTtl);
  EXPECT_FALSE(graph.detect(wait(1, 2), at(0ms)));
  EXPECT_FALSE(graph.detect(wait(2, 3), at(0ms)));
  EXPECT_FALSE(graph.detect(wait(2, 4), at(0ms)));
  EXPECT_FALSE(graph.detect(wait(4, 3), at(0ms)));
  EXPECT_FALSE(graph.detect(wait(5, 1), at(0ms))) << "a branch that joins is no cycle";
  EXPECT_EQ(show(graph.detect(wait(3, 1), at(0ms))), "1>2 2>3 3>1");
}

TEST(DeadlockDetector, ForgetsWaitsThatAreNotDetectedAgain) {
  DeadlockDetector graph(kTtl);
  EXPECT_FALSE(graph.detect(wait(1, 2), at(0ms)));
  EXPECT_EQ(show(graph.detect(wait(2, 1), at(kTtl))), "1>2 2>1") << "just alive";
  EXPECT_FALSE(graph.detect(wait(2, 1), at(kTtl + 1ms)));

  DeadlockDetector kept(kTtl);
  EXPECT_FALSE(kept.detect(wait(1, 2), at(0ms)));
  EXPECT_FALSE(kept.detect(wait(1, 2), at(900ms)));
  EXPECT_EQ(show(kept.detect(wait(2, 1), at(1500ms))), "1>2 2>1");
}

TEST(DeadlockDetector, DropsWhatHasExpired) {
  DeadlockDetector graph(kTtl);
  for (uint64_t i = 1; i <= 100; ++i) EXPECT_FALSE(graph.detect(wait(i, i + 1000), at(0ms)));
  EXPECT_EQ(graph.size(), 100u);
  EXPECT_FALSE(graph.detect(wait(500, 501), at(3 * kTtl)));
  EXPECT_EQ(graph.size(), 1u);
}

TEST(DeadlockDetector, ForgetsAWaitThatEnded) {
  DeadlockDetector graph(kTtl);
  EXPECT_FALSE(graph.detect(wait(1, 2, "a"), at(0ms)));
  EXPECT_FALSE(graph.detect(wait(1, 2, "b"), at(0ms)));
  graph.clean_up_wait_for(Timestamp(1), Timestamp(2), deadlock_key_hash("a"));
  graph.clean_up_wait_for(Timestamp(1), Timestamp(9), deadlock_key_hash("a"));
  EXPECT_TRUE(graph.detect(wait(2, 1), at(0ms))) << "it waits for the other key still";
  graph.clean_up_wait_for(Timestamp(1), Timestamp(2), deadlock_key_hash("b"));
  EXPECT_EQ(graph.size(), 0u);
  EXPECT_FALSE(graph.detect(wait(2, 1), at(0ms)));
}

TEST(DeadlockDetector, ForgetsAllWaitsOfATransaction) {
  DeadlockDetector graph(kTtl);
  EXPECT_FALSE(graph.detect(wait(1, 2), at(0ms)));
  EXPECT_FALSE(graph.detect(wait(1, 3), at(0ms)));
  graph.clean_up(Timestamp(1));
  EXPECT_FALSE(graph.detect(wait(2, 1), at(0ms)));
  EXPECT_FALSE(graph.detect(wait(3, 1), at(0ms)));
}

}  // namespace
}  // namespace cairn::txn
