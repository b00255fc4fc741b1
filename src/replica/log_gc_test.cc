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
  EXPECT_EQ(LogGc().compact_to(view, {at(510), at(300)}, {}), LogIndex(299));
  EXPECT_EQ(LogGc().compact_to(view, {at(510), at(20)}, {}), std::nullopt);
}

TEST(LogGc, ALogThatIsTooLongIsCutDespiteASlowFollower) {
  LogGc::View view{LogIndex(5), LogIndex(505), LogIndex(510), 0};
  LogGcLimits limits;
  limits.count_max = 400;
  EXPECT_EQ(LogGc().compact_to(view, {at(510), at(0)}, limits), LogIndex(254));
  limits.count_max = 1000;
  limits.bytes_max = 10;
  view.log_bytes = 11;
  EXPECT_EQ(LogGc().compact_to(view, {at(510), at(0)}, limits), LogIndex(254));
}

// A log far beyond its bound, of which followers are behind. Each look is one of the leader's, some seconds apart.
struct TooLong {
  LogGc gc;
  LogGc::View view{LogIndex(5), LogIndex(505), LogIndex(510), 0};
  LogGcLimits limits{.threshold = 10, .count_max = 20};

  std::optional<LogIndex> look(raft::PeerProgress follower) {
    follower.id = PeerId(2);
    follower.recently_active = true;
    return gc.compact_to(view, {at(510), follower}, limits);
  }
};

TEST(LogGc, ALogIsNotCutUnderASnapshotThatIsMadeSentOrInstalled) {
  TooLong log;
  auto follower = at(0);
  follower.next = LogIndex(3);
  EXPECT_EQ(log.look(follower), LogIndex(254)) << "nothing is made for it yet";
  log.view.snapshot = LogIndex(100);
  EXPECT_EQ(log.look(follower), LogIndex(99)) << "it is being made";
  log.view.snapshot = std::nullopt;
  follower.state = raft::PeerProgress::State::kSnapshot;
  follower.pending_snapshot = LogIndex(110);
  EXPECT_EQ(log.look(follower), LogIndex(109)) << "it is on its way";
  follower.state = raft::PeerProgress::State::kProbe;
  follower.next = LogIndex(111);
  EXPECT_EQ(log.look(follower), LogIndex(109)) << "it has come, and is being installed";
  follower.state = raft::PeerProgress::State::kReplicate;
  follower.matched = LogIndex(110);
  EXPECT_EQ(log.look(follower), LogIndex(109)) << "it goes on from there";
  follower.matched = LogIndex(120);
  EXPECT_EQ(log.look(follower), LogIndex(119)) << "it comes along";
  EXPECT_EQ(log.look(follower), LogIndex(254)) << "it stands still";
}

TEST(LogGc, NobodyIsWaitedForWhoIsGoneOrWhileTheWholeLogIsTooLong) {
  TooLong log;
  auto follower = at(110);
  follower.state = raft::PeerProgress::State::kReplicate;
  EXPECT_EQ(log.look(follower), LogIndex(109));
  EXPECT_EQ(log.gc.compact_to(log.view, {at(510), at(110)}, log.limits), LogIndex(254)) << "it does not answer";
  log.limits = log.limits.within(2, 1, 1);
  EXPECT_EQ(log.look(at(110)), LogIndex(254));
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
  EXPECT_EQ(LogGc().compact_to(view, {at(205), at(0)}, limits), std::nullopt);
  EXPECT_EQ(LogGc().compact_to(view, {at(205), at(0)}, limits.within(6000, 4000, 100)), LogIndex(104));
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
