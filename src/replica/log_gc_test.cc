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
