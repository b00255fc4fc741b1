#include "store/siblings.h"

#include <gtest/gtest.h>

namespace cairn::store {
namespace {

// A store's regions, each with its bounds and version.
class Regions {
 public:
  void add(uint64_t id, Bytes start, Bytes end, uint64_t version) {
    engine::RegionDescription region{RegionId(id), std::move(start), std::move(end), {1, version}, {}};
    directory.set_ranges({{region.id, region.start_key, region.end_key}});
    directory.claim(region.id, 0).cell->set_region(std::make_shared<engine::RegionDescription>(region));
    regions[id] = std::move(region);
  }
  // The ids that a request for region `id` at `version` is told.
  std::vector<uint64_t> told(uint64_t id, uint64_t version) {
    engine::EpochNotMatch error{{regions.at(id)}};
    add_siblings(error, {1, version}, directory);
    std::vector<uint64_t> ids;
    for (const auto& region : error.current) ids.push_back(region.id.value);
    return ids;
  }

  RegionDirectory directory;
  std::map<uint64_t, engine::RegionDescription> regions;
};

using Ids = std::vector<uint64_t>;

TEST(Siblings, AreAsManyAsTheVersionsTellOfSplits) {
  Regions store;
  store.add(9, "", "a", 4);
  store.add(1, "c", "", 6);  // 1 was split at a and b, then at c
  store.add(2, "a", "b", 5);
  store.add(3, "b", "c", 6);
  EXPECT_EQ(store.told(1, 5), (Ids{1, 3}));
  EXPECT_EQ(store.told(1, 4), (Ids{1, 3, 2}));
  EXPECT_EQ(store.told(1, 3), (Ids{1, 3, 2, 9}));
  EXPECT_EQ(store.told(9, 3), (Ids{9})) << "nothing is to its left";
}

TEST(Siblings, OneThatWasSplitItselfBringsItsOwn) {
  Regions store;
  store.add(1, "m", "", 5);   // split at m from version 4
  store.add(2, "k", "m", 7);  // the child, split at c and k since
  store.add(3, "c", "k", 7);
  store.add(4, "", "c", 6);
  EXPECT_EQ(store.told(1, 4), (Ids{1, 2, 3, 4}));
}

TEST(Siblings, AreNotToldToWhoKnowsMoreAndTenAtMost) {
  Regions store;
  for (uint64_t i = 0; i < 20; ++i) {
    const char at = static_cast<char>('a' + i);
    store.add(i + 1, Bytes(1, at), Bytes(1, static_cast<char>(at + 1)), 50);
  }
  EXPECT_EQ(store.told(20, 51), (Ids{20}));
  EXPECT_EQ(store.told(20, 50), (Ids{20}));
  EXPECT_EQ(store.told(20, 1).size(), 11u);
}

}  // namespace
}  // namespace cairn::store
