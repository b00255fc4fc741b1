#include "store/directory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "store/placement.h"

namespace cairn::store {
namespace {

using Peer = RegionDirectory::Peer;

RegionDirectory::Range range(uint64_t id, Bytes start, Bytes end) {
  return {RegionId(id), std::move(start), std::move(end)};
}

TEST(RegionDirectory, FindsWhatOverlaps) {
  RegionDirectory directory;
  directory.set_ranges({range(1, "", "d"), range(2, "d", "m"), range(3, "p", "")});
  EXPECT_FALSE(directory.overlaps(range(9, "m", "p")));
  EXPECT_TRUE(directory.overlaps(range(9, "m", "q")));
  EXPECT_TRUE(directory.overlaps(range(9, "c", "cc")));
  EXPECT_TRUE(directory.overlaps(range(9, "", "")));
  EXPECT_FALSE(directory.overlaps(range(2, "d", "p")));
  EXPECT_TRUE(directory.overlaps(range(2, "c", "m")));
}

TEST(RegionDirectory, ASplitReplacesTheParentsRangeTogetherWithTheChildren) {
  RegionDirectory directory;
  directory.set_ranges({range(1, "", "")});
  directory.set_ranges({range(2, "", "m"), range(1, "m", "")});
  EXPECT_TRUE(directory.overlaps(range(2, "a", "z")));
  EXPECT_FALSE(directory.overlaps(range(2, "a", "m")));
}

TEST(RegionDirectory, AReservationKeepsOthersOutUntilItIsReleased) {
  RegionDirectory directory;
  EXPECT_TRUE(directory.reserve(range(1, "a", "m"), Peer::kEmpty));
  EXPECT_FALSE(directory.reserve(range(2, "c", "d"), Peer::kEmpty));
  EXPECT_TRUE(directory.reserve(range(1, "a", "m"), Peer::kEmpty));
  directory.release_reservation(RegionId(1));
  EXPECT_TRUE(directory.reserve(range(2, "c", "d"), Peer::kEmpty));
}

TEST(RegionDirectory, NothingIsReservedForAPeerThatASplitIsMaking) {
  RegionDirectory directory;
  directory.set_ranges({range(1, "", "")});
  EXPECT_FALSE(directory.reserve(range(2, "", "m"), Peer::kEmpty)) << "the parent's yet";
  directory.set_ranges({range(2, "", "m"), range(1, "m", "")});
  EXPECT_FALSE(directory.reserve(range(2, "", "m"), Peer::kEmpty));
  EXPECT_TRUE(directory.reserve(range(2, "", "m"), Peer::kWithData)) << "once it is made";
}

TEST(RegionDirectory, TheFirstClaimDecidesTheShard) {
  RegionDirectory directory;
  EXPECT_EQ(directory.claim(RegionId(5), 1).shard, 1);
  EXPECT_EQ(directory.claim(RegionId(5), 2).shard, 1);
  directory.erase(RegionId(5));
  EXPECT_FALSE(directory.find(RegionId(5)));
}

TEST(Placement, RegionsWhoseIdsLieEvenlyApartSpreadOverTheShards) {
  constexpr uint64_t kRegions = 64;
  for (const int shards : {1, 2, 3, 4, 8}) {
    for (const uint64_t step : {1, 2, 3, 4, 6, 8}) {
      std::vector<uint64_t> regions(static_cast<size_t>(shards));
      for (uint64_t i = 0; i < kRegions; ++i) {
        const int shard = home_shard(RegionId(2 + i * step), shards);
        ASSERT_TRUE(shard >= 0 && shard < shards);
        ++regions[static_cast<size_t>(shard)];
      }
      const uint64_t fair = kRegions / static_cast<uint64_t>(shards);
      SCOPED_TRACE(std::to_string(shards) + " shards, step " + std::to_string(step));
      EXPECT_LE(*std::max_element(regions.begin(), regions.end()), fair + fair / 2);
      EXPECT_GE(*std::min_element(regions.begin(), regions.end()), fair / 2);
    }
  }
}

TEST(RegionDirectory, KeysAreFoundInTheRegionsThatHoldThem) {
  RegionDirectory directory;
  EXPECT_EQ(directory.region_at("a"), std::nullopt);
  directory.set_ranges({range(1, "b", "d"), range(2, "m", "")});
  EXPECT_EQ(directory.region_at("a"), std::nullopt);
  EXPECT_EQ(directory.region_at("b"), RegionId(1));
  EXPECT_EQ(directory.region_at("d"), std::nullopt);
  EXPECT_EQ(directory.region_at("z"), RegionId(2));
}

}  // namespace
}  // namespace cairn::store
