#include "store/compaction_plan.h"

#include <gtest/gtest.h>

namespace cairn::store {
namespace {

engine::TableStats table(const char* smallest, const char* largest) {
  engine::TableStats stats;
  stats.smallest = smallest;
  stats.largest = largest;
  return stats;
}

GcOptions options() {
  GcOptions options;
  options.tombstones_threshold = 10;
  options.redundant_rows_threshold = 10;
  return options;
}

TEST(CompactionPlan, tombstones_count_if_there_are_many_and_a_good_part) {
  auto few = table("a", "b");
  few.entries = 20;
  few.tombstones = 9;
  EXPECT_TRUE(plan_compactions({few}, options(), OldVersions::kCount, 9).empty());
  auto sparse = table("a", "b");
  sparse.entries = 100;
  sparse.tombstones = 29;
  EXPECT_TRUE(plan_compactions({sparse}, options(), OldVersions::kCount, 9).empty());
  sparse.tombstones = 30;
  EXPECT_EQ(plan_compactions({sparse}, options(), OldVersions::kIgnore, 9),
            (std::vector<CompactionRange>{{"a", "b", 30}}));
}

TEST(CompactionPlan, old_versions_count_if_some_can_go) {
  auto stale = table("a", "b");
  stale.entries = stale.versions = 100;
  stale.rows = 80;
  EXPECT_EQ(plan_compactions({stale}, options(), OldVersions::kCount, 9),
            (std::vector<CompactionRange>{{"a", "b", 20}}));
  EXPECT_TRUE(plan_compactions({stale}, options(), OldVersions::kIgnore, 9).empty());
  stale.rows = 81;
  EXPECT_TRUE(plan_compactions({stale}, options(), OldVersions::kCount, 9).empty());
  stale.deletes = 1;  // a deleted row is no row
  EXPECT_FALSE(plan_compactions({stale}, options(), OldVersions::kCount, 9).empty());
  auto high = options();
  high.ratio_threshold = 2;
  EXPECT_TRUE(plan_compactions({stale}, high, OldVersions::kCount, 9).empty());
}

TEST(CompactionPlan, overlapping_tables_become_one_range_and_the_worst_comes_first) {
  std::vector<engine::TableStats> tables = {table("c", "e"), table("a", "b"), table("d", "g"), table("x", "z"),
                                            table("h", "i")};
  for (auto& one : tables) one.entries = one.tombstones = 20;
  tables[3].entries = tables[3].tombstones = 100;
  tables[4].tombstones = 0;
  EXPECT_EQ(plan_compactions(tables, options(), OldVersions::kCount, 9),
            (std::vector<CompactionRange>{{"x", "z", 100}, {"c", "g", 40}, {"a", "b", 20}}));
  EXPECT_EQ(plan_compactions(tables, options(), OldVersions::kCount, 1).size(), 1u);
}

TEST(CompactionPlan, tables_without_counts_are_no_waste) {
  auto unknown = table("a", "b");
  unknown.entries = 1000;
  EXPECT_TRUE(plan_compactions({unknown, engine::TableStats{}}, options(), OldVersions::kCount, 9).empty());
}

}  // namespace
}  // namespace cairn::store
