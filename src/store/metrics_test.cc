// Delays in the actors of a leader and of its followers, as the metrics show them.
#include "store/metrics.h"

#include <gtest/gtest.h>

#include "replica/metrics.h"
#include "store/testing/cluster.h"

namespace cairn::store {
namespace {

constexpr Duration kDelay = 150ms;

class StageMetrics : public testing::Test {
 protected:
  StageMetrics() {
    for (int i = 0; i < 3; ++i) cluster.add();
    EXPECT_TRUE(cluster.put("k", "first"));
    cluster.replicate_everywhere(cluster.region_of("k"));
    leader = cluster.wait_for_leader(cluster.region_of("k"));
    EXPECT_NE(leader, nullptr);
    cluster.run_for(1s);
  }

  std::vector<TestCluster::Node*> followers() {
    std::vector<TestCluster::Node*> out;
    for (size_t i = 0; i < cluster.size(); ++i) {
      if (&cluster.node(i) != leader) out.push_back(&cluster.node(i));
    }
    return out;
  }

  // A write of which that actor of these nodes does its part late. The stages that took at least half of the delay.
  std::vector<std::string> slow_stages(const std::vector<TestCluster::Node*>& nodes, const std::string& actor) {
    const auto& metrics = replica::WriteMetrics::get();
    const std::pair<const char*, const metrics::Histogram*> all[] = {{"batch wait", &metrics.batch_wait},
                                                                     {"persist", &metrics.persist},
                                                                     {"commit", &metrics.commit},
                                                                     {"apply wait", &metrics.apply_wait},
                                                                     {"apply", &metrics.apply}};
    std::vector<uint64_t> before;
    for (const auto& [name, histogram] : all) before.push_back(histogram->sum());
    auto put = cluster.begin_put(*leader, "k", "second");
    for (auto* node : nodes) node->gates->at(actor).shut();
    cluster.run_for(kDelay);
    for (auto* node : nodes) node->gates->at(actor).open();
    EXPECT_TRUE(cluster.run_until([&] { return put->has_value() && (*put)->ok(); }));
    cluster.run_for(100ms);
    std::vector<std::string> slow;
    for (size_t i = 0; i < std::size(all); ++i) {
      const auto took = static_cast<int64_t>(all[i].second->sum() - before[i]);
      if (Duration(took) > kDelay / 2) slow.emplace_back(all[i].first);
    }
    return slow;
  }

  TestCluster cluster;
  TestCluster::Node* leader = nullptr;
};

using Stages = std::vector<std::string>;

TEST_F(StageMetrics, AShardThatIsLateShowsInTheWaitForTheBatch) {
  EXPECT_EQ(slow_stages({leader}, "shard-0"), Stages{"batch wait"});
}

TEST_F(StageMetrics, FollowersDisksThatAreSlowShowInTheCommit) {
  EXPECT_EQ(slow_stages(followers(), "raft-log"), Stages{"commit"});
}

TEST_F(StageMetrics, AnApplierThatIsLateShowsInTheWaitForIt) {
  EXPECT_EQ(slow_stages({leader}, "apply-0"), Stages{"apply wait"});
}

TEST_F(StageMetrics, ALeadersDiskThatIsSlowShowsInThePersistingAndInTheLogWriter) {
  const uint64_t waited = StoreMetrics::get().log_wait.sum();
  EXPECT_EQ(slow_stages({leader}, "raft-log"), Stages{"persist"});
  EXPECT_GT(Duration(static_cast<int64_t>(StoreMetrics::get().log_wait.sum() - waited)), kDelay / 2);
}

}  // namespace
}  // namespace cairn::store
