// RegionTree against a model that is a plain list of regions.
#include "pd/region_tree.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>

namespace cairn::pd {
namespace {

RegionPtr region(uint64_t id, const Bytes& start, const Bytes& end, uint64_t version = 1, uint64_t conf_ver = 1,
                 uint64_t term = 0, uint64_t mib = 0) {
  auto out = std::make_shared<RegionInfo>();
  out->meta.set_id(id);
  out->meta.set_start_key(start);
  out->meta.set_end_key(end);
  out->meta.mutable_region_epoch()->set_version(version);
  out->meta.mutable_region_epoch()->set_conf_ver(conf_ver);
  auto& peer = *out->meta.add_peers();
  peer.set_id(id * 10);
  peer.set_store_id(id % 3 + 1);
  out->leader = peer;
  out->term = term;
  out->approximate_mib = mib;
  return out;
}

TEST(RegionTree, AnOlderVersionOverANewerRegionIsStale) {
  RegionTree tree;
  ASSERT_TRUE(tree.put(region(1, "a", "m", 3)).ok());
  auto stale = tree.put(region(2, "b", "c", 2));
  ASSERT_FALSE(stale.ok());
  EXPECT_EQ(stale.error().rfind("region is stale: ", 0), 0);
  EXPECT_EQ(tree.find("b")->meta.id(), 1);
}

TEST(RegionTree, TheSameRegionMayNotGoBackInConfVerOrTerm) {
  RegionTree tree;
  ASSERT_TRUE(tree.put(region(1, "", "", 1, 5, 7)).ok());
  EXPECT_FALSE(tree.put(region(1, "", "", 1, 4, 7)).ok());
  EXPECT_FALSE(tree.put(region(1, "", "", 1, 5, 6)).ok());
  EXPECT_TRUE(tree.put(region(1, "", "", 1, 5, 0)).ok());  // an untold term is not judged
}

TEST(RegionTree, ASplitPushesOutWhatItOverlaps) {
  RegionTree tree;
  ASSERT_TRUE(tree.put(region(1, "", "", 1)).ok());
  auto accepted = tree.put(region(2, "m", "", 2));
  ASSERT_TRUE(accepted.ok());
  EXPECT_EQ(accepted->removed, std::vector<RegionId>{RegionId(1)});
  EXPECT_EQ(tree.find("a"), nullptr);
  EXPECT_EQ(tree.by_id(RegionId(1)), nullptr);
  ASSERT_TRUE(tree.put(region(1, "", "m", 2)).ok());
  EXPECT_EQ(tree.find_prev("z")->meta.id(), 1);
}

TEST(RegionTree, APreviousRegionBehindAHoleIsNone) {
  RegionTree tree;
  ASSERT_TRUE(tree.put(region(1, "a", "c")).ok());
  ASSERT_TRUE(tree.put(region(2, "d", "e")).ok());
  EXPECT_EQ(tree.find_prev("d"), nullptr);
  EXPECT_EQ(tree.find("c"), nullptr);
}

TEST(RegionTree, ASizeNotComputedYetLeavesTheKnownOne) {
  RegionTree tree;
  ASSERT_TRUE(tree.put(region(1, "", "", 1, 1, 0, 96)).ok());
  ASSERT_TRUE(tree.put(region(1, "", "", 1, 1, 0, 0)).ok());
  EXPECT_EQ(tree.by_id(RegionId(1))->approximate_mib, 96);
  EXPECT_EQ(tree.count(StoreId(2)), (RegionTree::Count{1, 1, 96}));
}

bool overlap(const metapb::Region& a, const metapb::Region& b) {
  return (a.end_key().empty() || b.start_key() < a.end_key()) && (b.end_key().empty() || a.start_key() < b.end_key());
}

RC_GTEST_PROP(RegionTree, AgreesWithAListOfRegions, ()) {
  RegionTree tree;
  std::vector<RegionPtr> list;
  auto key = [] { return *rc::gen::inRange(1, 9); };
  const int steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    const int from = key() - 1;
    const int to = key() + from;
    const auto next = region(static_cast<uint64_t>(*rc::gen::inRange(1, 7)), from == 0 ? "" : std::to_string(from),
                             to > 9 ? "" : std::to_string(to), static_cast<uint64_t>(*rc::gen::inRange(1, 5)),
                             static_cast<uint64_t>(*rc::gen::inRange(1, 4)));
    const bool stale = std::any_of(list.begin(), list.end(), [&](const RegionPtr& other) {
      const auto& a = other->meta.region_epoch();
      const auto& b = next->meta.region_epoch();
      if (other->id() == next->id()) return a.version() > b.version() || a.conf_ver() > b.conf_ver();
      return overlap(other->meta, next->meta) && a.version() > b.version();
    });
    RC_ASSERT(tree.put(next).ok() == !stale);
    if (!stale) {
      std::erase_if(
          list, [&](const RegionPtr& other) { return other->id() == next->id() || overlap(other->meta, next->meta); });
      list.push_back(next);
    }
    std::sort(list.begin(), list.end(),
              [](const auto& a, const auto& b) { return a->meta.start_key() < b->meta.start_key(); });
    RC_ASSERT(tree.scan("", "", 0) == list);
    for (char c = '0'; c <= '9'; ++c) {
      const Bytes at(1, c);
      auto found = std::find_if(list.begin(), list.end(), [&](const auto& r) { return r->contains(at); });
      RC_ASSERT(tree.find(at) == (found == list.end() ? nullptr : *found));
    }
    for (uint64_t store = 1; store <= 3; ++store) {
      RegionTree::Count count;
      for (const auto& r : list) count.peers += r->peer_on(StoreId(store)) != nullptr;
      RC_ASSERT(tree.count(StoreId(store)).peers == count.peers);
    }
  }
}

}  // namespace
}  // namespace cairn::pd
