#include "replica/proposal_queue.h"

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "replica/metrics.h"

namespace cairn::replica {
namespace {

void answer(Proposal& proposal, WriteOutcome outcome) {
  if (proposal.done) std::move(proposal.done)(std::move(outcome));
}

}  // namespace

Proposal ProposalQueue::pop_front() {
  Proposal proposal = std::move(proposals_.front());
  proposals_.pop_front();
  bytes_ -= proposal.bytes;
  return proposal;
}

void ProposalQueue::push(Proposal proposal) {
  // A new leader's log may be shorter than what this peer proposed in an earlier term: those indices are reused.
  while (!proposals_.empty() && proposals_.back().index >= proposal.index) {
    CHECK(proposals_.back().term < proposal.term, "two proposals of term {} at index {}", proposal.term,
          proposal.index);
    Proposal overwritten = std::move(proposals_.back());
    proposals_.pop_back();
    bytes_ -= overwritten.bytes;
    answer(overwritten, Err(engine::RegionError(engine::StaleCommand{})));
  }
  CHECK(proposals_.empty() || proposals_.back().term <= proposal.term, "a proposal of term {} after one of term {}",
        proposal.term, proposals_.back().term);
  bytes_ += proposal.bytes;
  proposal.times.proposed = proposal.proposed_at;
  proposals_.push_back(std::move(proposal));
}

void ProposalQueue::on_committed(LogIndex index, Term term) {
  auto begin = std::lower_bound(proposals_.begin(), proposals_.end(), index,
                                [](const Proposal& proposal, LogIndex at) { return proposal.index < at; });
  auto end = std::find_if(begin, proposals_.end(), [&](const Proposal& proposal) { return proposal.term >= term; });
  std::vector<Proposal> overtaken(std::make_move_iterator(begin), std::make_move_iterator(end));
  proposals_.erase(begin, end);
  for (Proposal& proposal : overtaken) {
    bytes_ -= proposal.bytes;
    answer(proposal, Err(engine::RegionError(engine::StaleCommand{})));
  }
}

void ProposalQueue::on_applied(LogIndex index, Term term, const std::optional<engine::RegionError>& error) {
  while (!proposals_.empty() && proposals_.front().index <= index) {
    Proposal proposal = pop_front();
    if (proposal.index != index || proposal.term != term) {
      // Its index was applied with an entry of another leader (or skipped by a snapshot, which answers by abandon()).
      answer(proposal, Err(engine::RegionError(engine::StaleCommand{})));
    } else if (error) {
      answer(proposal, Err(*error));
    } else {
      WriteMetrics::get().note(proposal.times);
      if (proposal.wanted) *proposal.wanted = proposal.times;
      answer(proposal, index);
    }
  }
}

void ProposalQueue::note(Instant engine::WriteTimes::* stage, LogIndex up_to, Instant now) {
  auto at = std::upper_bound(proposals_.begin(), proposals_.end(), up_to,
                             [](LogIndex index, const Proposal& proposal) { return index < proposal.index; });
  while (at != proposals_.begin()) {
    Instant& when = std::prev(at)->times.*stage;
    if (when != Instant()) return;  // and so did all before
    when = now;
    --at;
  }
}

void ProposalQueue::abandon(const std::string& reason) {
  while (!proposals_.empty()) {
    Proposal proposal = pop_front();
    answer(proposal, Err(engine::RegionError(engine::UndeterminedResult{reason})));
  }
}

std::optional<Instant> ProposalQueue::proposed_at(LogIndex committed, Term term) const {
  auto after = std::upper_bound(proposals_.begin(), proposals_.end(), committed,
                                [](LogIndex index, const Proposal& proposal) { return index < proposal.index; });
  if (after == proposals_.begin()) return std::nullopt;
  const Proposal& newest = *std::prev(after);
  if (newest.term != term) return std::nullopt;
  return newest.proposed_at;
}

}  // namespace cairn::replica
