#include "replica/log_gc.h"

#include <gtest/gtest.h>

namespace cairn::replica {
namespace {

raft::PeerProgress at(uint64_t matched) {
  raft::PeerProgress progress;
  progress.matched = LogIndex(matched);
  return progress;
}

TEST(LogGc, CompactsBehindTheSlowestFollower) {
  LogGc::View view{LogIndex(5), LogIndex(500), LogIndex(510), 0};
  EXPECT_EQ(LogGc::compact_to(view, {at(510), at(300)}, {}), LogIndex(299));
  EXPECT_EQ(LogGc::compact_to(view, {at(510), at(20)}, {}), std::nullopt);
}

TEST(LogGc, ALogThatIsTooLongIsCutDespiteASlowFollower) {
  LogGc::View view{LogIndex(5), LogIndex(505), LogIndex(510), 0};
  LogGcLimits limits;
  limits.count_max = 400;
  EXPECT_EQ(LogGc::compact_to(view, {at(510), at(0)}, limits), LogIndex(254));
  limits.count_max = 1000;
  limits.bytes_max = 10;
  view.log_bytes = 11;
  EXPECT_EQ(LogGc::compact_to(view, {at(510), at(0)}, limits), LogIndex(254));
}

TEST(LogGc, RegionsShareWhatTheStoreHasForItsLogOnceThatIsFull) {
  const LogGcLimits limits{.threshold = 50, .count_max = 1000, .bytes_max = 100};
  EXPECT_EQ(limits.within(4000, 4000, 100).bytes_max, 100u) << "not full";
  EXPECT_EQ(limits.within(4001, 4000, 100).bytes_max, 40u);
  EXPECT_EQ(limits.within(4001, 4000, 100).count_max, 400u);
  EXPECT_EQ(limits.within(4001, 4000, 10).bytes_max, 100u) << "a region's own bound is less";
  EXPECT_EQ(limits.within(4001, 4000, 4000).count_max, 50u);
  // One dead follower of each of a hundred regions.
  LogGc::View view{LogIndex(5), LogIndex(205), LogIndex(205), 60};
  EXPECT_EQ(LogGc::compact_to(view, {at(205), at(0)}, limits), std::nullopt);
  EXPECT_EQ(LogGc::compact_to(view, {at(205), at(0)}, limits.within(6000, 4000, 100)), LogIndex(104));
}

TEST(LogGc, AFlushIsAskedForOnlyWhereItLetsGoOfMuch) {
  LogGc gc;
  gc.on_truncated(10, LogIndex(100), 30);
  gc.on_truncated(20, LogIndex(200), 40);
  EXPECT_EQ(gc.waiting_bytes(), 70u);
  EXPECT_TRUE(LogGc::is_worth_a_flush(250, gc.waiting_bytes(), 200));
  EXPECT_FALSE(LogGc::is_worth_a_flush(150, gc.waiting_bytes(), 200)) << "the log is small";
  gc.take_cuttable(10);
  EXPECT_EQ(gc.waiting_bytes(), 40u);
  EXPECT_FALSE(LogGc::is_worth_a_flush(5000, gc.waiting_bytes(), 200)) << "followers hold it, not the engine";
}

TEST(LogGc, TheDiskIsCutOnlyBehindWhatTheEngineFlushed) {
  LogGc gc;
  gc.on_truncated(10, LogIndex(100));
  gc.on_truncated(20, LogIndex(200));
  EXPECT_EQ(gc.take_cuttable(9), std::nullopt);
  EXPECT_EQ(gc.take_cuttable(15), LogIndex(100));
  EXPECT_EQ(gc.take_cuttable(15), std::nullopt);
  EXPECT_EQ(gc.take_cuttable(20), LogIndex(200));
}

}  // namespace
}  // namespace cairn::replica
