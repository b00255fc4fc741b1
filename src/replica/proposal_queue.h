// ProposalQueue: who waits for which log index. A proposal stands at (index, term). Terms ascend in a log, so once an
// entry of a newer term is committed, no proposal of an older term can be committed at its index or behind: they are
// overtaken and never will be applied.
//
// Owned by the region's Replica, on its shard. Invariant: indices and terms ascend. Tests: proposal_queue_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <deque>
#include <memory>
#include <optional>

#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/region_request.h"
#include "engine/region_store.h"

namespace cairn::replica {

using WriteOutcome = Result<LogIndex, engine::RegionError>;
using OnWritten = absl::AnyInvocable<void(WriteOutcome)>;

struct Proposal {
  LogIndex index;
  Term term;
  Instant proposed_at;
  uint64_t bytes = 0;
  OnWritten done;                                        // may be empty: nobody waits
  std::shared_ptr<engine::WriteTimes> wanted = nullptr;  // gets `times` when the entry is applied; may be null
  engine::WriteTimes times = {};
};

class ProposalQueue {
 public:
  // Precondition: the index is above all waiting ones, or the term is newer (an overwritten tail is answered now).
  void push(Proposal proposal);
  // The entry at (index, term) is committed here. Answers the proposals that it overtakes.
  void on_committed(LogIndex index, Term term);
  // The entry at (index, term) was applied with `error` or none. Answers its proposal and all that it overtakes.
  void on_applied(LogIndex index, Term term, const std::optional<engine::RegionError>& error);
  // The proposals up to that index, if they have not yet, come to this stage now.
  void note(Instant engine::WriteTimes::* stage, LogIndex up_to, Instant now);
  // Answers all: the region is leaving this store or the store stops; what was proposed may yet be committed.
  void abandon(const std::string& reason);
  // When the newest waiting proposal of `term` at or before `committed` was proposed; for the lease.
  std::optional<Instant> proposed_at(LogIndex committed, Term term) const;

  size_t size() const { return proposals_.size(); }
  bool empty() const { return proposals_.empty(); }
  uint64_t bytes() const { return bytes_; }

 private:
  Proposal pop_front();

  std::deque<Proposal> proposals_;
  uint64_t bytes_ = 0;
};

}  // namespace cairn::replica
