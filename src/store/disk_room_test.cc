#include "store/disk_room.h"

#include <gtest/gtest.h>

namespace cairn::store {
namespace {

using engine::DiskFullOpt;

metapb::Region region_on(std::initializer_list<uint64_t> stores) {
  metapb::Region region;
  for (uint64_t store : stores) {
    auto& peer = *region.add_peers();
    peer.set_id(store * 10);
    peer.set_store_id(store);
  }
  return region;
}

TEST(DiskRoom, TheReserveIsForEndingTransactionsAndHalfOfItForTheEngine) {
  EXPECT_EQ(judge_disk({.capacity = 1000, .available = 100}, 100), disk_usage::Normal);
  EXPECT_EQ(judge_disk({.capacity = 1000, .available = 99}, 100), disk_usage::AlmostFull);
  EXPECT_EQ(judge_disk({.capacity = 1000, .available = 50}, 100), disk_usage::AlmostFull);
  EXPECT_EQ(judge_disk({.capacity = 1000, .available = 49}, 100), disk_usage::AlreadyFull);
  EXPECT_EQ(judge_disk({.capacity = 1000, .available = 0}, 0), disk_usage::Normal) << "turned off";
  EXPECT_EQ(judge_disk({}, 100), disk_usage::Normal) << "a disk of unknown size";
}

TEST(DiskRoom, ALeaderWithLittleRoomTakesWhatSaysThatItMayBeTaken) {
  auto region = region_on({1, 2, 3});
  auto refused = [&](DiskUsage usage, DiskFullOpt opt) {
    return refuse_for_disk(region, StoreId(1), {{StoreId(1), usage}}, opt).has_value();
  };
  EXPECT_TRUE(refused(disk_usage::AlmostFull, DiskFullOpt::kNotAllowedOnFull));
  EXPECT_FALSE(refused(disk_usage::AlmostFull, DiskFullOpt::kAllowedOnAlmostFull));
  EXPECT_TRUE(refused(disk_usage::AlreadyFull, DiskFullOpt::kAllowedOnAlmostFull));
  EXPECT_FALSE(refused(disk_usage::AlreadyFull, DiskFullOpt::kAllowedOnAlreadyFull));
  EXPECT_EQ(refuse_for_disk(region, StoreId(1), {{StoreId(1), disk_usage::AlmostFull}}, {})->stores,
            std::vector{StoreId(1)});
}

TEST(DiskRoom, AWriteNeedsAMajorityOfVotersWithRoom) {
  auto region = region_on({1, 2, 3, 4});
  region.mutable_peers(3)->set_role(metapb::Learner);
  DiskUsages usages{{StoreId(2), disk_usage::AlreadyFull}, {StoreId(4), disk_usage::AlreadyFull}};
  EXPECT_FALSE(refuse_for_disk(region, StoreId(1), usages, DiskFullOpt::kNotAllowedOnFull));
  usages[StoreId(3)] = disk_usage::AlmostFull;
  EXPECT_FALSE(refuse_for_disk(region, StoreId(1), usages, DiskFullOpt::kNotAllowedOnFull)) << "it still takes entries";
  usages[StoreId(3)] = disk_usage::AlreadyFull;
  auto refused = refuse_for_disk(region, StoreId(1), usages, DiskFullOpt::kAllowedOnAlmostFull);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->stores, (std::vector{StoreId(2), StoreId(3)}));
  EXPECT_FALSE(refuse_for_disk(region, StoreId(1), usages, DiskFullOpt::kAllowedOnAlreadyFull));
}

}  // namespace
}  // namespace cairn::store
