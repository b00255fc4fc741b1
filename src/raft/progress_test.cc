#include "raft/tracker/progress.h"

#include <gtest/gtest.h>

namespace cairn::raft {
namespace {

using State = Progress::State;

Progress at(LogIndex matched, size_t window = 4) {
  Progress progress(matched.next(), window);
  progress.matched = matched;
  return progress;
}

TEST(Inflights, FreesWhatIsAnsweredAndWrapsAround) {
  Inflights window(3);
  for (uint64_t round = 0; round < 10; ++round) {
    uint64_t base = round * 10;
    window.add(LogIndex(base + 1));
    window.add(LogIndex(base + 2));
    window.add(LogIndex(base + 3));
    EXPECT_TRUE(window.full());
    window.free_to(LogIndex(base));
    EXPECT_EQ(window.count(), 3u) << "older answers free nothing";
    window.free_to(LogIndex(base + 2));
    EXPECT_EQ(window.count(), 1u);
    window.free_first();
    EXPECT_EQ(window.count(), 0u);
    window.free_first();
    EXPECT_EQ(window.count(), 0u) << "freeing nothing is nothing";
  }
}

TEST(Progress, ProbesWithOneAppendUntilAnswered) {
  Progress progress = at(LogIndex(5));
  EXPECT_FALSE(progress.is_paused());
  progress.on_sent(LogIndex(8), true);
  EXPECT_TRUE(progress.is_paused());
  EXPECT_EQ(progress.next, LogIndex(6)) << "the same is sent again if that one is lost";
  EXPECT_TRUE(progress.on_accepted(LogIndex(8)));
  EXPECT_FALSE(progress.is_paused());
  EXPECT_EQ(progress.matched, LogIndex(8));
  EXPECT_EQ(progress.next, LogIndex(9));
}

TEST(Progress, ReplicatesAheadUntilTheWindowIsFull) {
  Progress progress = at(LogIndex(5), 2);
  progress.become_replicate();
  progress.on_sent(LogIndex(6), true);
  progress.on_sent(LogIndex(9), true);
  EXPECT_TRUE(progress.is_paused());
  EXPECT_EQ(progress.next, LogIndex(10));
  EXPECT_TRUE(progress.on_accepted(LogIndex(6)));
  progress.inflights.free_to(LogIndex(6));
  EXPECT_FALSE(progress.is_paused());
  EXPECT_EQ(progress.next, LogIndex(10)) << "an answer to the first append does not send the second again";
}

TEST(Progress, EmptyAppendsDoNotFillTheWindow) {
  Progress progress = at(LogIndex(5), 1);
  progress.become_replicate();
  for (int i = 0; i < 5; ++i) progress.on_sent(LogIndex(5), false);
  EXPECT_FALSE(progress.is_paused());
}

TEST(Progress, IgnoresOutdatedRejections) {
  Progress replicating = at(LogIndex(5));
  replicating.become_replicate();
  replicating.next = LogIndex(9);
  EXPECT_FALSE(replicating.on_rejected(LogIndex(5), LogIndex(2)));
  EXPECT_TRUE(replicating.on_rejected(LogIndex(8), LogIndex(2)));
  EXPECT_EQ(replicating.next, LogIndex(6)) << "what matched needs no probing";

  Progress probing(LogIndex(10), 4);
  EXPECT_FALSE(probing.on_rejected(LogIndex(7), LogIndex(3))) << "not the append under way";
  EXPECT_TRUE(probing.on_rejected(LogIndex(9), LogIndex(3)));
  EXPECT_EQ(probing.next, LogIndex(4));
}

TEST(Progress, NeverGoesBackBehindWhatMatched) {
  Progress progress(LogIndex(10), 4);
  progress.matched = LogIndex(6);
  EXPECT_TRUE(progress.on_rejected(LogIndex(9), LogIndex(2)));
  EXPECT_EQ(progress.next, LogIndex(7));
}

TEST(Progress, GoesOnBehindASnapshotThatArrived) {
  Progress progress = at(LogIndex(5));
  progress.become_snapshot(LogIndex(20));
  EXPECT_TRUE(progress.is_paused());
  progress.become_probe();
  EXPECT_EQ(progress.next, LogIndex(21));
  EXPECT_EQ(progress.state, State::kProbe);

  progress.become_snapshot(LogIndex(30));
  progress.pending_snapshot = LogIndex();
  progress.become_probe();
  EXPECT_EQ(progress.next, LogIndex(6)) << "one that failed brought nothing";
}

TEST(Progress, IsActiveForAWhileAfterAWord) {
  Progress progress = at(LogIndex(5));
  EXPECT_FALSE(progress.is_active(0, 10));
  progress.on_heard(100);
  EXPECT_TRUE(progress.is_active(110, 10));
  EXPECT_FALSE(progress.is_active(111, 10));
}

}  // namespace
}  // namespace cairn::raft
