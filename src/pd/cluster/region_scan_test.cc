// RegionScan: the same regions whatever the size of its steps; holes, limits, and trees that change meanwhile.
#include "pd/cluster/region_scan.h"

#include <gtest/gtest.h>

namespace cairn::pd {
namespace {

RegionPtr region(uint64_t id, const Bytes& start, const Bytes& end, uint64_t version = 1) {
  auto out = std::make_shared<RegionInfo>();
  out->meta.set_id(id);
  out->meta.set_start_key(start);
  out->meta.set_end_key(end);
  out->meta.mutable_region_epoch()->set_version(version);
  return out;
}

class RegionScanTest : public testing::Test {
 protected:
  RegionScanTest() {
    const char* bounds[] = {"", "b", "d", "f", "h", ""};
    for (uint64_t i = 0; i < 5; ++i) EXPECT_TRUE(tree_.put(region(i + 1, bounds[i], bounds[i + 1])).ok());
  }
  // The ids found with steps of that size, or the word for the end.
  std::string scan(RegionScan::Options options, size_t step) {
    if (options.bytes_max == 0) options.bytes_max = UINT64_MAX;
    RegionScan scan(std::move(options));
    while (!scan.step(tree_, step)) {
    }
    if (scan.end() == RegionScan::End::kHole) return "hole";
    if (scan.end() == RegionScan::End::kTooLarge) return "too large";
    std::string out;
    for (const auto& found : scan.take()) out += std::to_string(found->meta.id());
    return out;
  }
  RegionTree tree_;
};

TEST_F(RegionScanTest, StepsOfAnySizeFindTheSame) {
  for (size_t step : {1, 2, 3, 100}) {
    EXPECT_EQ(scan({.ranges = {{"", ""}}}, step), "12345");
    EXPECT_EQ(scan({.ranges = {{"c", "g"}}}, step), "234");
    EXPECT_EQ(scan({.ranges = {{"c", "f"}}}, step), "23");
    EXPECT_EQ(scan({.ranges = {{"", ""}}, .limit = 3}, step), "123");
    EXPECT_EQ(scan({.ranges = {{"a", "c"}, {"c", "e"}, {"z", ""}}}, step), "1235") << "each once";
    EXPECT_EQ(scan({.ranges = {{"a", "c"}, {"c", "e"}}, .limit = 2}, step), "12");
    EXPECT_EQ(scan({.ranges = {{"", ""}}, .must_cover = true}, step), "12345");
    EXPECT_EQ(scan({.ranges = {}}, step), "");
  }
}

TEST_F(RegionScanTest, AHoleIsAnErrorOnlyIfAllMustBeThere) {
  tree_.clear();
  ASSERT_TRUE(tree_.put(region(1, "a", "c")).ok());
  ASSERT_TRUE(tree_.put(region(2, "d", "f")).ok());
  for (size_t step : {1, 2, 100}) {
    EXPECT_EQ(scan({.ranges = {{"", ""}}}, step), "12");
    EXPECT_EQ(scan({.ranges = {{"b", "e"}}, .must_cover = true}, step), "hole");
    EXPECT_EQ(scan({.ranges = {{"", "b"}}, .must_cover = true}, step), "hole");
    EXPECT_EQ(scan({.ranges = {{"d", "g"}}, .must_cover = true}, step), "hole");
    EXPECT_EQ(scan({.ranges = {{"d", "f"}}, .must_cover = true}, step), "2");
  }
}

TEST_F(RegionScanTest, ARegionAndWhatIsLeftOfItAreTwo) {
  ASSERT_TRUE(tree_.put(region(1, "a", "b", 2)).ok());  // its child has not reported yet
  for (size_t step : {1, 2, 100}) {
    EXPECT_EQ(scan({.ranges = {{"", ""}}, .must_cover = true}, step), "112345");
    EXPECT_EQ(scan({.ranges = {{"", "a"}, {"a", "aa"}, {"aa", "b"}}}, step), "11");
  }
}

TEST_F(RegionScanTest, AnAnswerHasABound) { EXPECT_EQ(scan({.ranges = {{"", ""}}, .bytes_max = 20}, 1), "too large"); }

TEST_F(RegionScanTest, ATreeThatChangesBetweenStepsLeavesNoHole) {
  RegionScan scan({.ranges = {{"", ""}}, .must_cover = true, .bytes_max = UINT64_MAX});
  ASSERT_FALSE(scan.step(tree_, 2));
  ASSERT_TRUE(tree_.put(region(9, "d", "e", 2)).ok());
  ASSERT_TRUE(tree_.put(region(2, "b", "c", 2)).ok());
  while (!scan.step(tree_, 2)) {
  }
  EXPECT_EQ(scan.end(), RegionScan::End::kDone);
  std::string out;
  for (const auto& found : scan.take()) out += std::to_string(found->meta.id());
  EXPECT_EQ(out, "129345");
}

}  // namespace
}  // namespace cairn::pd
