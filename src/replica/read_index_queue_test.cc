#include "replica/read_index_queue.h"

#include <gtest/gtest.h>

#include "replica/wire.h"

namespace cairn::replica {
namespace {

struct Reader {
  std::optional<ReadOutcome> outcome;
  OnReadable callback() {
    return [this](ReadOutcome o) { outcome = std::move(o); };
  }
  bool is_done() const { return outcome && outcome->ok(); }
};

TEST(ReadIndexQueue, ReadsOfOneRoundShareAQuestionAndWaitForTheIndex) {
  ReadIndexQueue queue(3);
  Reader a, b;
  queue.push(a.callback());
  queue.push(b.callback());
  Bytes context = queue.next_context({});
  queue.mark_sent(context, Instant{5ns});
  EXPECT_FALSE(queue.has_unsent());
  EXPECT_EQ(queue.on_read_state(context, LogIndex(9), LogIndex(8)), Instant{5ns});
  EXPECT_FALSE(a.outcome);
  queue.on_applied(LogIndex(9));
  EXPECT_TRUE(a.is_done());
  EXPECT_TRUE(b.is_done());
}

TEST(ReadIndexQueue, AnAnswerToAnotherPeersOrAnOldQuestionIsIgnored) {
  ReadIndexQueue queue(3), other(4);
  Reader a;
  queue.push(a.callback());
  Bytes context = queue.next_context({});
  queue.mark_sent(context, Instant{5ns});
  EXPECT_EQ(queue.on_read_state(other.next_context({}), LogIndex(9), LogIndex(9)), std::nullopt);
  EXPECT_FALSE(a.outcome);
  queue.retry_older_than(Instant{6ns});
  EXPECT_TRUE(queue.has_unsent());
  EXPECT_EQ(queue.on_read_state(context, LogIndex(9), LogIndex(9)), std::nullopt);
  Bytes again = queue.next_context({});
  EXPECT_NE(again, context);
  queue.mark_sent(again, Instant{7ns});
  EXPECT_EQ(queue.on_read_state(again, LogIndex(9), LogIndex(9)), Instant{7ns});
  EXPECT_TRUE(a.is_done());
}

TEST(ReadIndexQueue, AnAnswerToAFormerLifeOfThePeerIsIgnored) {
  ReadIndexQueue former(3), queue(77);
  Reader before, now;
  former.push(before.callback());
  const Bytes asked_before = former.next_context({});
  queue.push(now.callback());
  queue.mark_sent(queue.next_context({}), Instant{5ns});
  EXPECT_EQ(queue.on_read_state(asked_before, LogIndex(9), LogIndex(9)), std::nullopt);
  EXPECT_FALSE(now.outcome);
}

TEST(ReadIndexQueue, WhoWaitsTooLongIsToldSoWhateverItWaitsFor) {
  ReadIndexQueue queue(3);
  Reader confirmed, asked, unsent, young, late;
  queue.push(confirmed.callback(), {}, {.since = Instant{1ns}});
  Bytes context = queue.next_context({});
  queue.mark_sent(context, Instant{1ns});
  queue.on_read_state(context, LogIndex(9), LogIndex(8));
  queue.push(asked.callback(), {}, {.since = Instant{2ns}});
  queue.mark_sent(queue.next_context({}), Instant{2ns});
  queue.push(unsent.callback(), {}, {.since = Instant{3ns}});
  queue.push(young.callback(), {}, {.since = Instant{10ns}});
  queue.push(late.callback(), {}, {.since = Instant{10ns}, .deadline = Instant{20ns}});
  queue.give_up(Instant{20ns}, Instant{10ns}, engine::ReadIndexNotReady{}, /*applying_may_wait=*/true);
  EXPECT_FALSE(confirmed.outcome);
  EXPECT_TRUE(std::holds_alternative<engine::ReadIndexNotReady>(asked.outcome->error()));
  EXPECT_TRUE(std::holds_alternative<engine::ReadIndexNotReady>(unsent.outcome->error()));
  EXPECT_FALSE(young.outcome);
  EXPECT_TRUE(std::holds_alternative<engine::ServerIsBusy>(late.outcome->error()));
  queue.give_up(Instant{20ns}, Instant{10ns}, engine::ReadIndexNotReady{}, /*applying_may_wait=*/false);
  EXPECT_TRUE(std::holds_alternative<engine::ReadIndexNotReady>(confirmed.outcome->error()));
  EXPECT_EQ(queue.size(), 1u);
}

TEST(ReadIndexQueue, ALostLeadershipFailsOnlyWhatIsNotConfirmed) {
  ReadIndexQueue queue(3);
  Reader a, b;
  queue.push(a.callback());
  Bytes context = queue.next_context({});
  queue.mark_sent(context, Instant{5ns});
  queue.on_read_state(context, LogIndex(9), LogIndex(8));
  queue.push(b.callback());
  queue.fail_unconfirmed(engine::NotLeader{});
  EXPECT_FALSE(a.outcome);
  ASSERT_TRUE(b.outcome);
  EXPECT_FALSE(b.outcome->ok());
  queue.on_applied(LogIndex(10));
  EXPECT_TRUE(a.is_done());
}

TEST(ReadIndexQueue, ATransactionalReadTellsItsTimestamp) {
  ReadIndexQueue queue(3);
  Reader a;
  EXPECT_EQ(read_ts_of(queue.next_context({})), std::nullopt);
  queue.push(a.callback(), Timestamp(77));
  EXPECT_EQ(read_ts_of(queue.next_context({})), Timestamp(77));
}

TEST(ReadIndexQueue, AQuestionTellsTheLargestTimestampOfItsOwnReads) {
  ReadIndexQueue queue(3);
  Reader reader;
  queue.push(reader.callback(), Timestamp(77));
  queue.push(reader.callback(), Timestamp(50));
  const Bytes first = queue.next_context({});
  EXPECT_EQ(read_ts_of(first), Timestamp(77));
  queue.mark_sent(first, Instant{5ns});
  queue.push(reader.callback(), Timestamp(60));
  EXPECT_EQ(read_ts_of(queue.next_context({})), Timestamp(60));
  queue.retry_older_than(Instant{6ns});
  EXPECT_EQ(read_ts_of(queue.next_context({})), Timestamp(77)) << "what is asked again is told again";
}

TEST(ReadIndexQueue, AQuestionNamesTheRegionsRangeForALeaderThatLooksForLocksThere) {
  ReadIndexQueue queue(3);
  Reader reader;
  queue.push(reader.callback(), Timestamp(77));
  engine::RegionDescription region;
  region.start_key = "b";
  region.end_key = "m";
  Bytes context = queue.next_context(region);
  raft_cmdpb::ReadIndexRequest request;
  ASSERT_TRUE(request.ParseFromString(context.substr(18)));
  ASSERT_EQ(request.key_ranges_size(), 1);
  EXPECT_EQ(request.key_ranges(0).start_key(), "b");
  EXPECT_EQ(request.key_ranges(0).end_key(), "m");
  // It answers that a lock stands there: the read waits and is asked again.
  queue.mark_sent(context, Instant{5ns});
  EXPECT_EQ(queue.on_read_state(context + Bytes("l\x02xx"), LogIndex(9), LogIndex(9)), std::nullopt);
  EXPECT_FALSE(reader.outcome);
  queue.retry_older_than(Instant{6ns});
  EXPECT_TRUE(queue.has_unsent());
}

TEST(ReadIndexQueue, AReadOfTheNewestVersionHidesNoTimestamp) {
  ReadIndexQueue queue(3);
  Reader reader;
  queue.push(reader.callback(), Timestamp::max());
  EXPECT_EQ(read_ts_of(queue.next_context({})), std::nullopt);
  queue.push(reader.callback(), Timestamp(50));
  EXPECT_EQ(read_ts_of(queue.next_context({})), Timestamp(50));
}

}  // namespace
}  // namespace cairn::replica
