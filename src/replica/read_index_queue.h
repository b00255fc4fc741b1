// ReadIndexQueue: reads that wait for the quorum to confirm the leader, and then for that index to be applied here. All
// reads that come between two rounds share one question.
//
//   push ─▶ unsent ── mark_sent (context, now) ─▶ asked ── on_read_state ─▶ confirmed ── on_applied ─▶ done(index)
//
// The context of a question is TiKV's: 16 bytes of identity; for a transactional read 'r', a length and the request.
//
// Owned by the region's Replica, on its shard. Tests: read_index_queue_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/result.h"
#include "base/time.h"
#include "engine/region_request.h"

namespace cairn::replica {

using ReadOutcome = Result<LogIndex, engine::RegionError>;
// Runs when the region has applied at least the index.
using OnReadable = absl::AnyInvocable<void(ReadOutcome)>;

class ReadIndexQueue {
 public:
  // `owner` makes the contexts unique among peers.
  explicit ReadIndexQueue(PeerId owner) : owner_(owner) {}

  // `read_ts`: of a follower's transactional read; the leader must know it, since its async commits must stay above it.
  void push(OnReadable done, Timestamp read_ts = {}) {
    unsent_.push_back(std::move(done));
    read_ts_ = std::max(read_ts_, read_ts);
  }
  bool has_unsent() const { return !unsent_.empty(); }
  // The context under which to ask for all unsent reads; they count as asked now.
  Bytes next_context() const;
  void mark_sent(Bytes context, Instant now);

  // The quorum answered. Returns when the question was sent, if it is ours and known.
  std::optional<Instant> on_read_state(const Bytes& context, LogIndex index, LogIndex applied);
  void on_applied(LogIndex applied);
  // Questions sent before `deadline` got no answer (a lost message): they are asked again.
  void retry_older_than(Instant deadline);
  // Answers all that is not confirmed yet: the leader changed.
  void fail_unconfirmed(const engine::RegionError& error);
  void fail_all(const engine::RegionError& error);

  size_t size() const;

 private:
  struct Batch {
    Bytes context;
    Instant sent_at;
    std::vector<OnReadable> reads;
  };

  const PeerId owner_;
  uint64_t batches_ = 0;
  std::vector<OnReadable> unsent_;
  Timestamp read_ts_;                              // the largest of the unsent ones, and of those before
  std::deque<Batch> asked_;                        // in the order of asking
  std::multimap<LogIndex, OnReadable> confirmed_;  // by the index that must be applied
};

// The start_ts in a follower's question, if it has one.
std::optional<Timestamp> read_ts_of(ByteView context);

}  // namespace cairn::replica
