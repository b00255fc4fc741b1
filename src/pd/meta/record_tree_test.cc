// RecordTree: against a map, and that what it does with a range does not depend on how many keys are in it.
#include "pd/meta/record_tree.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>

namespace cairn::pd {
namespace {

using Model = std::map<Bytes, MetaRecord>;

Model keys_in(const RecordTree& tree, const KeyRange& range) {
  Model out;
  Bytes last;
  tree.visit(range, [&](const Bytes& key, const MetaRecord& record) {
    EXPECT_TRUE(out.empty() || last < key) << "in order";
    last = key;
    out[key] = record;
    return true;
  });
  return out;
}

Model keys_in(const Model& model, const KeyRange& range) {
  Model out;
  for (const auto& [key, record] : model) {
    if (key >= range.start && (!range.end || key < *range.end)) out[key] = record;
  }
  return out;
}

RecordTree::Totals totals_of(const Model& model) {
  RecordTree::Totals totals;
  for (const auto& [key, record] : model) {
    ++totals.keys;
    totals.bytes += key.size() + record.value.size();
    if (record.lease != 0) ++totals.leased;
  }
  return totals;
}

RC_GTEST_PROP(RecordTree, AgreesWithAMap, ()) {
  RecordTree tree(*rc::gen::arbitrary<uint64_t>());
  Model model;
  const auto key = [] { return Bytes(1, static_cast<char>('a' + *rc::gen::inRange(0, 20))); };
  const auto range = [&] {
    KeyRange made{key(), std::nullopt};
    if (*rc::gen::inRange(0, 4) != 0) made.end = key();
    return made;
  };
  const int steps = *rc::gen::inRange(1, 80);
  for (int step = 0; step < steps; ++step) {
    switch (*rc::gen::inRange(0, 8)) {
      case 0: {
        const auto cut_range = range();
        const auto cut = tree.cut(cut_range);
        const auto expected = keys_in(model, cut_range);
        RC_ASSERT(keys_in(cut, {"", std::nullopt}) == expected);
        RC_ASSERT(cut.totals() == totals_of(expected));
        for (const auto& [gone, record] : expected) model.erase(gone);
        break;
      }
      case 1: {
        const auto erased = key();
        RC_ASSERT(tree.erase(erased).has_value() == (model.erase(erased) > 0));
        break;
      }
      default: {
        MetaRecord record;
        record.value = Bytes(static_cast<size_t>(*rc::gen::inRange(0, 5)), 'v');
        record.lease = *rc::gen::inRange(0, 2);
        const auto put = key();
        tree.put(put, record);
        model[put] = record;
        break;
      }
    }
    const auto looked_at = range();
    RC_ASSERT(keys_in(tree, looked_at) == keys_in(model, looked_at));
    RC_ASSERT(tree.totals(looked_at) == totals_of(keys_in(model, looked_at)));
    RC_ASSERT(tree.totals() == totals_of(model));
    Model leased;
    tree.visit_leased([&](const Bytes& found, const MetaRecord& record) {
      leased[found] = record;
      return true;
    });
    RC_ASSERT(leased.size() == tree.totals().leased);
    const auto one = key();
    RC_ASSERT((tree.get(one) != nullptr) == model.contains(one));
  }
}

TEST(RecordTree, APrefixEndsBeforeTheNextOne) {
  EXPECT_EQ(KeyRange::of_prefix("ab").end, "ac");
  EXPECT_EQ(KeyRange::of_prefix("a\xff\xff").end, "b");
  EXPECT_EQ(KeyRange::of_prefix("\xff").end, std::nullopt);
  EXPECT_EQ(KeyRange::of_prefix("").end, std::nullopt);
}

TEST(RecordTree, AVisitEndsWhenItIsToldTo) {
  RecordTree tree(1);
  for (int i = 0; i < 100; ++i) tree.put(fmt::format("{:02}", i), {});
  int seen = 0;
  tree.visit({"10", std::nullopt}, [&](const Bytes&, const MetaRecord&) { return ++seen < 5; });
  EXPECT_EQ(seen, 5);
}

TEST(RecordTree, WhatWasTakenOutIsFreedByParts) {
  RecordTree tree(1);
  for (int i = 0; i < 1000; ++i) tree.put(fmt::format("{:03}", i), {});
  RecordRemains remains;
  remains.add(tree.cut({"100", "900"}));
  remains.add(tree.cut({"", "100"}));
  EXPECT_EQ(tree.totals().keys, 100u);
  int parts = 0;
  for (; !remains.empty(); ++parts) remains.free_some(100);
  EXPECT_EQ(parts, 9);
}

}  // namespace
}  // namespace cairn::pd
