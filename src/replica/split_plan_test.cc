#include "replica/split_plan.h"

#include <gtest/gtest.h>

#include "base/bytes.h"

namespace cairn::replica {
namespace {

metapb::Region region() {
  metapb::Region out;
  out.set_id(1);
  out.set_start_key("b");
  out.set_end_key("y");
  out.mutable_region_epoch()->set_conf_ver(4);
  out.mutable_region_epoch()->set_version(7);
  for (uint64_t id : {11, 12}) {
    auto& peer = *out.add_peers();
    peer.set_id(id);
    peer.set_store_id(id + 100);
  }
  return out;
}

raft_cmdpb::BatchSplitRequest split(std::vector<Bytes> keys, bool right_derive = true) {
  raft_cmdpb::BatchSplitRequest out;
  out.set_right_derive(right_derive);
  uint64_t id = 50;
  for (const auto& key : keys) {
    auto& part = *out.add_requests();
    part.set_split_key(key);
    part.set_new_region_id(id++);
    part.add_new_peer_ids(id++);
    part.add_new_peer_ids(id++);
  }
  return out;
}

TEST(PlanSplit, EveryPartGetsTheSameVersionAndTheyTileTheOldRange) {
  auto plan = plan_split(region(), split({"g", "p"}));
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->regions.size(), 3u);
  EXPECT_EQ(plan->derived, 2u);
  EXPECT_EQ(plan->regions[2].id(), 1u);
  Bytes begin = "b";
  for (const auto& part : plan->regions) {
    EXPECT_EQ(part.start_key(), begin);
    begin = part.end_key();
    EXPECT_EQ(part.region_epoch().version(), 9u);
    EXPECT_EQ(part.region_epoch().conf_ver(), 4u);
  }
  EXPECT_EQ(begin, "y");
  EXPECT_EQ(plan->regions[0].id(), 50u);
  EXPECT_EQ(plan->regions[0].peers(1).id(), 52u);
  EXPECT_EQ(plan->regions[0].peers(1).store_id(), 112u);
}

TEST(PlanSplit, WithoutRightDeriveTheLeftMostKeepsTheId) {
  auto plan = plan_split(region(), split({"g"}, false));
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->derived, 0u);
  EXPECT_EQ(plan->regions[0].id(), 1u);
  EXPECT_EQ(plan->regions[1].id(), 50u);
}

TEST(PlanSplit, KeysOutsideOrOutOfOrderAreRefused) {
  EXPECT_FALSE(plan_split(region(), split({})).ok());
  EXPECT_FALSE(plan_split(region(), split({"b"})).ok());
  EXPECT_FALSE(plan_split(region(), split({"y"})).ok());
  EXPECT_FALSE(plan_split(region(), split({"p", "g"})).ok());
  EXPECT_FALSE(plan_split(region(), split({"g", "g"})).ok());
}

}  // namespace
}  // namespace cairn::replica
