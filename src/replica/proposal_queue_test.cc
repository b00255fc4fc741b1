#include "replica/proposal_queue.h"

#include <gtest/gtest.h>

namespace cairn::replica {
namespace {

struct Waiter {
  std::optional<WriteOutcome> outcome;
  OnWritten callback() {
    return [this](WriteOutcome o) { outcome = std::move(o); };
  }
  bool is_stale() const {
    return outcome && !outcome->ok() && std::holds_alternative<engine::StaleCommand>(outcome->error());
  }
};

Proposal at(uint64_t index, uint64_t term, Waiter& waiter) {
  return {LogIndex(index), Term(term), Instant{Duration(index)}, 10, waiter.callback()};
}

TEST(ProposalQueue, AnswersTheProposalThatWasApplied) {
  ProposalQueue queue;
  Waiter a, b;
  queue.push(at(6, 5, a));
  queue.push(at(7, 5, b));
  queue.on_applied(LogIndex(6), Term(5), std::nullopt);
  ASSERT_TRUE(a.outcome && a.outcome->ok());
  EXPECT_EQ(a.outcome->value(), LogIndex(6));
  EXPECT_FALSE(b.outcome);
  EXPECT_EQ(queue.bytes(), 10u);
}

TEST(ProposalQueue, TellsWhenAProposalCameToEachStageTheFirstTimeItDid) {
  ProposalQueue queue;
  Waiter a, b;
  auto told = std::make_shared<engine::WriteTimes>();
  queue.push(at(6, 5, a));
  queue.push({LogIndex(7), Term(5), Instant{7ns}, 10, b.callback(), told});
  queue.note(&engine::WriteTimes::sent, LogIndex(6), Instant{10ns});
  queue.note(&engine::WriteTimes::sent, LogIndex(7), Instant{11ns});
  queue.note(&engine::WriteTimes::sent, LogIndex(9), Instant{99ns});
  queue.note(&engine::WriteTimes::committed, LogIndex(7), Instant{12ns});
  queue.on_applied(LogIndex(7), Term(5), std::nullopt);
  EXPECT_EQ(told->proposed, Instant{7ns});
  EXPECT_EQ(told->sent, Instant{11ns});
  EXPECT_EQ(told->persisted, Instant()) << "it never was";
  EXPECT_EQ(told->committed, Instant{12ns});
}

TEST(ProposalQueue, AnEntryOfAnotherTermAtItsIndexMakesAProposalStale) {
  ProposalQueue queue;
  Waiter a, b;
  queue.push(at(6, 5, a));
  queue.push(at(7, 5, b));
  queue.on_applied(LogIndex(7), Term(6), std::nullopt);
  EXPECT_TRUE(a.is_stale());
  EXPECT_TRUE(b.is_stale());
  EXPECT_EQ(queue.bytes(), 0u);
}

TEST(ProposalQueue, ACommittedEntryOfANewerTermOvertakesAllOlderOnesFromItsIndexOn) {
  ProposalQueue queue;
  Waiter a, b, c, d;
  queue.push(at(6, 5, a));
  queue.push(at(7, 5, b));
  queue.push(at(8, 5, c));
  queue.push(at(9, 8, d));
  queue.on_committed(LogIndex(6), Term(5));
  EXPECT_FALSE(a.outcome || b.outcome || c.outcome);
  queue.on_committed(LogIndex(7), Term(7));
  EXPECT_FALSE(a.outcome) << "its own entry stands before";
  EXPECT_TRUE(b.is_stale());
  EXPECT_TRUE(c.is_stale());
  EXPECT_FALSE(d.outcome);
  EXPECT_EQ(queue.bytes(), 20u);
  queue.on_applied(LogIndex(6), Term(5), std::nullopt);
  EXPECT_TRUE(a.outcome && a.outcome->ok());
}

TEST(ProposalQueue, ReusedIndicesOfALaterTermOvertakeWhatWaitedThere) {
  ProposalQueue queue;
  Waiter a, b, c;
  queue.push(at(6, 5, a));
  queue.push(at(7, 5, b));
  queue.push(at(7, 8, c));
  EXPECT_FALSE(a.outcome);
  EXPECT_TRUE(b.is_stale());
  EXPECT_FALSE(c.outcome);
}

TEST(ProposalQueue, ARefusalAtApplyReachesTheProposer) {
  ProposalQueue queue;
  Waiter a;
  queue.push(at(6, 5, a));
  queue.on_applied(LogIndex(6), Term(5), engine::RegionError(engine::EpochNotMatch{}));
  ASSERT_TRUE(a.outcome && !a.outcome->ok());
  EXPECT_TRUE(std::holds_alternative<engine::EpochNotMatch>(a.outcome->error()));
}

TEST(ProposalQueue, AnAbandonedProposalIsUndetermined) {
  ProposalQueue queue;
  Waiter a;
  queue.push(at(6, 5, a));
  queue.abandon("gone");
  ASSERT_TRUE(a.outcome && !a.outcome->ok());
  EXPECT_TRUE(std::holds_alternative<engine::UndeterminedResult>(a.outcome->error()));
}

TEST(ProposalQueue, TheLeaseCountsFromTheNewestCommittedProposalOfTheTerm) {
  ProposalQueue queue;
  Waiter a, b, c;
  queue.push(at(6, 5, a));
  queue.push(at(7, 5, b));
  queue.push(at(9, 5, c));
  EXPECT_EQ(queue.proposed_at(LogIndex(8), Term(5)), Instant{Duration(7)});
  EXPECT_EQ(queue.proposed_at(LogIndex(5), Term(5)), std::nullopt);
  EXPECT_EQ(queue.proposed_at(LogIndex(8), Term(6)), std::nullopt);
}

}  // namespace
}  // namespace cairn::replica
