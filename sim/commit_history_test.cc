#include "sim/commit_history.h"

#include <gtest/gtest.h>

namespace cairn::sim {
namespace {

using Rule = ObservedRead::Rule;

class CommitHistoryTest : public ::testing::Test {
 protected:
  // "a" is 1 from timestamp 10 on, 2 from 20 on and deleted from 30 on.
  void SetUp() override {
    history_.add("a", Timestamp(10), {Timestamp(9), "1", 1s});
    history_.add("a", Timestamp(20), {Timestamp(19), "2", 2s});
    history_.add("a", Timestamp(30), {Timestamp(29), std::nullopt, 3s});
  }
  static ObservedRead read(Rule rule, uint64_t ts, Duration called, std::map<Bytes, Bytes> found) {
    ObservedRead read;
    read.rule = rule;
    read.ts = Timestamp(ts);
    read.called = called;
    read.returned = called + 1ms;
    read.keys = {"a"};
    read.found = std::move(found);
    return read;
  }
  bool is_good(std::vector<ObservedRead> reads) {
    failures_ = 0;
    history_.judge(reads);
    return failures_ == 0;
  }

  int failures_ = 0;
  CommitHistory history_{[this](const std::string&) { ++failures_; }};
};

TEST_F(CommitHistoryTest, ASnapshotIsTheNewestVersionAtItsTimestamp) {
  EXPECT_TRUE(is_good({read(Rule::kSnapshot, 9, 9s, {})}));
  EXPECT_TRUE(is_good({read(Rule::kSnapshot, 10, 9s, {{"a", "1"}})}));
  EXPECT_TRUE(is_good({read(Rule::kSnapshot, 25, 9s, {{"a", "2"}})}));
  EXPECT_TRUE(is_good({read(Rule::kSnapshot, 30, 9s, {})}));
  EXPECT_FALSE(is_good({read(Rule::kSnapshot, 20, 9s, {{"a", "1"}})}));
  EXPECT_FALSE(is_good({read(Rule::kSnapshot, 29, 9s, {})}));
}

TEST_F(CommitHistoryTest, AScanShowsAllThatIsThereAndNothingElse) {
  auto scan = read(Rule::kSnapshot, 20, 9s, {{"a", "2"}});
  scan.keys.clear();
  scan.range = {"a", "c"};
  EXPECT_TRUE(is_good({scan}));
  scan.found["b"] = "never written";
  EXPECT_FALSE(is_good({scan}));
  scan.found.clear();
  EXPECT_FALSE(is_good({scan}));
}

TEST_F(CommitHistoryTest, ReadCommittedSeesSomeVersionBelowItsTimestamp) {
  EXPECT_TRUE(is_good({read(Rule::kReadCommitted, 25, 1500ms, {{"a", "1"}})}));
  EXPECT_TRUE(is_good({read(Rule::kReadCommitted, 25, 1500ms, {{"a", "2"}})}));
  EXPECT_FALSE(is_good({read(Rule::kReadCommitted, 15, 2500ms, {{"a", "2"}})}));
  EXPECT_FALSE(is_good({read(Rule::kReadCommitted, 25, 2500ms, {{"a", "never written"}})}));
}

TEST_F(CommitHistoryTest, RcCheckTsConflictsWithWhatIsNewer) {
  history_.acknowledge(Timestamp(19), Timestamp(20), 2s);
  EXPECT_TRUE(is_good({read(Rule::kCheckTs, 15, 1500ms, {{"a", "1"}})}));
  EXPECT_FALSE(is_good({read(Rule::kCheckTs, 15, 2500ms, {{"a", "1"}})}));
}

TEST_F(CommitHistoryTest, TheNewestIsNoOlderThanWhatWasAcknowledged) {
  const uint64_t max = Timestamp::max().value;
  history_.acknowledge(Timestamp(19), Timestamp(20), 2s);
  EXPECT_TRUE(is_good({read(Rule::kNewest, max, 1500ms, {{"a", "1"}})}));
  EXPECT_TRUE(is_good({read(Rule::kNewest, max, 2500ms, {{"a", "2"}})}));
  EXPECT_TRUE(is_good({read(Rule::kNewest, max, 2500ms, {})}));
  EXPECT_FALSE(is_good({read(Rule::kNewest, max, 2500ms, {{"a", "1"}})}));
}

TEST_F(CommitHistoryTest, AVersionNeverChangesAndIsWhereItWasAcknowledged) {
  history_.add("a", Timestamp(20), {Timestamp(19), "2", 5s});
  EXPECT_EQ(failures_, 0);
  history_.add("a", Timestamp(20), {Timestamp(18), "2", 5s});
  EXPECT_EQ(failures_, 1);
  history_.acknowledge(Timestamp(19), Timestamp(21), 1s);
  EXPECT_FALSE(is_good({}));
}

}  // namespace
}  // namespace cairn::sim
