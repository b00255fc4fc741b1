// What PD is told of a region's size, while the disk that has to be asked for it does not answer, and after a split.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "store/testing/cluster.h"

namespace cairn::store {
namespace {

struct Told {
  uint64_t region, version, bytes;
};

class RegionSizes : public ::testing::Test {
 protected:
  RegionSizes() {
    node = &cluster.add();
    EXPECT_TRUE(cluster.put("a", Bytes(10'000, 'v')));
    EXPECT_TRUE(cluster.put("m", Bytes(10'000, 'v')));
    cluster.pd.on_heartbeat = [this](const pdpb::RegionHeartbeatRequest& heartbeat) {
      told.push_back(
          {heartbeat.region().id(), heartbeat.region().region_epoch().version(), heartbeat.approximate_size()});
    };
  }
  GatedExecutor& disk() { return node->gates->at("disk-looks"); }
  bool is_told(auto what) {
    told.clear();
    return cluster.run_until([&] { return std::any_of(told.begin(), told.end(), what); }, 10s);
  }

  TestCluster cluster{1};
  TestCluster::Node* node = nullptr;
  std::vector<Told> told;
};

TEST_F(RegionSizes, AreToldAsTheyWereMeasuredLastWhileTheDiskHangs) {
  ASSERT_TRUE(is_told([](const Told& one) { return one.bytes >= 20'000; }));
  disk().shut();
  ASSERT_TRUE(cluster.put("z", Bytes(10'000, 'v')));
  const auto as_before = [](const Told& one) { return one.bytes >= 20'000 && one.bytes < 30'000; };
  ASSERT_TRUE(is_told(as_before));
  EXPECT_TRUE(is_told(as_before)) << "heartbeats go on";
  disk().open();
  EXPECT_TRUE(is_told([](const Told& one) { return one.bytes >= 30'000; }));
}

TEST_F(RegionSizes, AreLeftOutAfterASplitUntilBothAreMeasured) {
  ASSERT_TRUE(is_told([](const Told& one) { return one.bytes >= 20'000; }));
  const uint64_t parent = cluster.pd.regions.begin()->first;
  const uint64_t before = cluster.pd.regions[parent].region_epoch().version();
  disk().shut();
  ASSERT_TRUE(cluster.split(parent, {"k"}).ok());
  ASSERT_TRUE(is_told([&](const Told& one) { return one.version > before; }));
  cluster.run_for(5s);
  for (const Told& one : told) EXPECT_EQ(one.bytes, 0u) << "of region " << one.region;
  disk().open();
  const auto half = [](const Told& one) { return one.bytes >= 10'000 && one.bytes < 20'000; };
  EXPECT_TRUE(is_told([&](const Told& one) { return one.region == parent && half(one); }));
  EXPECT_TRUE(is_told([&](const Told& one) { return one.region != parent && half(one); }));
}

TEST(RegionSplits, ARegionManyTimesTooLargeIsPartedToTheEndThoughNothingMoreIsWritten) {
  auto options = TestCluster::quick();
  options.region_split_bytes = 0;
  TestCluster cluster(1, options);
  auto& node = cluster.add();
  for (int i = 100; i < 400; ++i) ASSERT_TRUE(cluster.put("k" + std::to_string(i), Bytes(1000, 'v')));
  options.region_split_bytes = 10'000;
  options.split_check_interval = 1s;
  node.store->reconfigure(options);
  ASSERT_TRUE(cluster.put("k400", "v"));
  EXPECT_TRUE(cluster.run_until([&] { return cluster.pd.regions.size() >= 20; }, 60s)) << cluster.pd.regions.size();
}

}  // namespace
}  // namespace cairn::store
