#include "replica/read_index_queue.h"

#include <gtest/gtest.h>

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
  ReadIndexQueue queue(PeerId(3));
  Reader a, b;
  queue.push(a.callback());
  queue.push(b.callback());
  Bytes context = queue.next_context();
  queue.mark_sent(context, Instant{5ns});
  EXPECT_FALSE(queue.has_unsent());
  EXPECT_EQ(queue.on_read_state(context, LogIndex(9), LogIndex(8)), Instant{5ns});
  EXPECT_FALSE(a.outcome);
  queue.on_applied(LogIndex(9));
  EXPECT_TRUE(a.is_done());
  EXPECT_TRUE(b.is_done());
}

TEST(ReadIndexQueue, AnAnswerToAnotherPeersOrAnOldQuestionIsIgnored) {
  ReadIndexQueue queue(PeerId(3)), other(PeerId(4));
  Reader a;
  queue.push(a.callback());
  Bytes context = queue.next_context();
  queue.mark_sent(context, Instant{5ns});
  EXPECT_EQ(queue.on_read_state(other.next_context(), LogIndex(9), LogIndex(9)), std::nullopt);
  EXPECT_FALSE(a.outcome);
  queue.retry_older_than(Instant{6ns});
  EXPECT_TRUE(queue.has_unsent());
  EXPECT_EQ(queue.on_read_state(context, LogIndex(9), LogIndex(9)), std::nullopt);
  Bytes again = queue.next_context();
  EXPECT_NE(again, context);
  queue.mark_sent(again, Instant{7ns});
  EXPECT_EQ(queue.on_read_state(again, LogIndex(9), LogIndex(9)), Instant{7ns});
  EXPECT_TRUE(a.is_done());
}

TEST(ReadIndexQueue, ALostLeadershipFailsOnlyWhatIsNotConfirmed) {
  ReadIndexQueue queue(PeerId(3));
  Reader a, b;
  queue.push(a.callback());
  Bytes context = queue.next_context();
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
  ReadIndexQueue queue(PeerId(3));
  Reader a;
  EXPECT_EQ(read_ts_of(queue.next_context()), std::nullopt);
  queue.push(a.callback(), Timestamp(77));
  EXPECT_EQ(read_ts_of(queue.next_context()), Timestamp(77));
}

}  // namespace
}  // namespace cairn::replica
