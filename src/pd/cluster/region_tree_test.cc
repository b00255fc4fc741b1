// RegionTree against a model that is a plain list of regions.
#include "pd/cluster/region_tree.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <set>

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

TEST(RegionTree, UntilTheParentReportsItsRestIsRoutedAsBefore) {
  RegionTree tree;
  ASSERT_TRUE(tree.put(region(1, "", "", 1)).ok());
  EXPECT_TRUE(tree.is_complete());
  auto accepted = tree.put(region(2, "m", "", 2));
  ASSERT_TRUE(accepted.ok());
  EXPECT_TRUE(accepted->removed.empty());
  EXPECT_FALSE(tree.is_complete());
  const auto rest = tree.find("a");
  ASSERT_NE(rest, nullptr);
  EXPECT_TRUE(rest->is_remnant);
  EXPECT_EQ(rest->meta.id(), 1);
  EXPECT_EQ(rest->meta.end_key(), "m");
  EXPECT_EQ(tree.by_id(RegionId(1)), rest);
  EXPECT_EQ(tree.find_prev("z"), rest);
  ASSERT_TRUE(tree.put(region(1, "", "m", 2)).ok());
  EXPECT_FALSE(tree.find("a")->is_remnant);
  EXPECT_TRUE(tree.is_complete());
}

TEST(RegionTree, WhenTheParentReportsFirstItsFormerRangeIsRoutedAsBefore) {
  RegionTree tree;
  ASSERT_TRUE(tree.put(region(1, "", "", 1)).ok());
  ASSERT_TRUE(tree.put(region(1, "d", "m", 3)).ok());
  EXPECT_FALSE(tree.by_id(RegionId(1))->is_remnant);
  EXPECT_TRUE(tree.find("a")->is_remnant);
  EXPECT_TRUE(tree.find("z")->is_remnant);
  EXPECT_EQ(tree.size(), 3u);
  EXPECT_EQ(tree.count(StoreId(2)).peers, 1u) << "remnants are no replicas";
  ASSERT_TRUE(tree.put(region(2, "", "d", 3)).ok());
  ASSERT_TRUE(tree.put(region(3, "m", "", 3)).ok());
  EXPECT_EQ(tree.size(), 3u);
  EXPECT_TRUE(tree.is_complete());
}

TEST(RegionTree, ARegionThatIsCoveredWholeIsGone) {
  RegionTree tree;
  ASSERT_TRUE(tree.put(region(1, "a", "c", 1)).ok());
  auto accepted = tree.put(region(2, "", "", 2));
  EXPECT_EQ(accepted->removed, std::vector<RegionId>{RegionId(1)});
  EXPECT_EQ(tree.by_id(RegionId(1)), nullptr);
}

TEST(RegionTree, AReportedSplitGoesInTogether) {
  RegionTree tree;
  ASSERT_TRUE(tree.put(region(1, "a", "z", 4, 2, 7, 96)).ok());
  auto child = region(2, "a", "m", 5, 2)->meta;
  child.mutable_peers(0)->set_store_id(2);
  const auto parent = region(1, "m", "z", 5, 2)->meta;
  EXPECT_FALSE(tree.put_split({child})) << "half of it";
  EXPECT_FALSE(tree.put_split({child, region(1, "m", "y", 5, 2)->meta})) << "another range";
  EXPECT_FALSE(tree.put_split({child, region(1, "m", "z", 4, 2)->meta})) << "not newer";
  EXPECT_FALSE(tree.put_split({child, region(3, "m", "z", 5, 2)->meta})) << "the parent is not of it";
  EXPECT_EQ(tree.size(), 1u);
  ASSERT_TRUE(tree.put_split({child, parent}));
  EXPECT_EQ(tree.find("b")->meta.id(), 2u);
  EXPECT_EQ(tree.find("b")->leader.id(), 20u) << "it begins on the store of the parent's leader";
  EXPECT_EQ(tree.find("n")->meta.id(), 1u);
  EXPECT_EQ(tree.find("n")->term, 7u);
  EXPECT_EQ(tree.size(), 2u);
  EXPECT_FALSE(tree.find("n")->is_remnant || tree.find("b")->is_remnant);
  EXPECT_FALSE(tree.put_split({child, parent})) << "it is known";
}

TEST(RegionTree, WhatCannotBeARegionIsRefused) {
  EXPECT_EQ(refuse_region(region(1, "a", "b")->meta), "");
  EXPECT_NE(refuse_region(region(0, "a", "b")->meta), "");
  EXPECT_NE(refuse_region(region(1, "b", "b")->meta), "");
  EXPECT_NE(refuse_region(region(1, "b", "a")->meta), "");
  auto twice = region(1, "a", "b")->meta;
  *twice.add_peers() = twice.peers(0);
  EXPECT_NE(refuse_region(twice), "");
  twice.clear_peers();
  EXPECT_NE(refuse_region(twice), "");
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
  EXPECT_EQ(tree.count(StoreId(2)),
            (RegionTree::Count{.peers = 1, .leaders = 1, .mib = 96, .weight_mib = 96, .leader_weight_mib = 96}));
}

bool overlap(const metapb::Region& a, const metapb::Region& b) {
  return (a.end_key().empty() || b.start_key() < a.end_key()) && (b.end_key().empty() || a.start_key() < b.end_key());
}

RC_GTEST_PROP(RegionTree, AgreesWithAListOfRegions, ()) {
  RegionTree tree;
  std::vector<RegionPtr> list;
  std::set<char> covered;  // once a region was there
  auto key = [] { return *rc::gen::inRange(1, 9); };
  const int steps = *rc::gen::inRange(1, 40);
  for (int step = 0; step < steps; ++step) {
    const int from = key() - 1;
    const int to = key() + from;
    const auto next = region(static_cast<uint64_t>(*rc::gen::inRange(1, 7)), from == 0 ? "" : std::to_string(from),
                             to > 9 ? "" : std::to_string(to), static_cast<uint64_t>(*rc::gen::inRange(1, 5)),
                             static_cast<uint64_t>(*rc::gen::inRange(1, 4)));
    const auto before = tree.scan("", "", 0);
    const bool stale = std::any_of(before.begin(), before.end(), [&](const RegionPtr& other) {
      const auto& a = other->meta.region_epoch();
      const auto& b = next->meta.region_epoch();
      if (overlap(other->meta, next->meta) && a.version() > b.version()) return true;
      return other == tree.by_id(next->id()) && (a.version() > b.version() || a.conf_ver() > b.conf_ver());
    });
    RC_ASSERT(tree.put(next).ok() == !stale);
    if (!stale) {
      std::erase_if(
          list, [&](const RegionPtr& other) { return other->id() == next->id() || overlap(other->meta, next->meta); });
      list.push_back(next);
    }
    std::sort(list.begin(), list.end(),
              [](const auto& a, const auto& b) { return a->meta.start_key() < b->meta.start_key(); });
    auto after = tree.scan("", "", 0);
    bool complete = !after.empty() && after.front()->meta.start_key().empty() && after.back()->meta.end_key().empty();
    for (size_t i = 0; i < after.size(); ++i) {
      if (i > 0) RC_ASSERT(after[i]->meta.start_key() >= after[i - 1]->meta.end_key());
      if (i > 0 && after[i]->meta.start_key() != after[i - 1]->meta.end_key()) complete = false;
      if (after[i]->is_remnant) complete = false;
    }
    RC_ASSERT(tree.is_complete() == complete);
    std::erase_if(after, [](const RegionPtr& r) { return r->is_remnant; });
    RC_ASSERT(after == list);
    for (char c = '0'; c <= '9'; ++c) {
      const Bytes at(1, c);
      auto found = std::find_if(list.begin(), list.end(), [&](const auto& r) { return r->contains(at); });
      const auto told = tree.find(at);
      if (found != list.end()) {
        RC_ASSERT(told == *found);
      } else {
        RC_ASSERT((told != nullptr) == covered.contains(c));
      }
      if (told != nullptr) covered.insert(c);
    }
    for (uint64_t store = 1; store <= 3; ++store) {
      RegionTree::Count count;
      for (const auto& r : list) count.peers += r->peer_on(StoreId(store)) != nullptr;
      RC_ASSERT(tree.count(StoreId(store)).peers == count.peers);
      const auto& led = tree.on_store(StoreId(store), RegionTree::Standing::kLeader);
      RC_ASSERT(led.size() == count.peers);
      for (size_t i = 0; i < led.size(); ++i) {
        RC_ASSERT(std::any_of(list.begin(), list.end(), [&](const auto& r) { return r->id() == led.at(i); }));
      }
    }
  }
}

}  // namespace
}  // namespace cairn::pd
