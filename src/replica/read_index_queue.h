// ReadIndexQueue: reads that wait for the quorum to confirm the leader, and then for that index to be applied here. All
// reads that come between two rounds share one question.
//
//   push ─▶ unsent ── mark_sent (context, now) ─▶ asked ── on_read_state ─▶ confirmed ── on_applied ─▶ done(index)
//
// The context of a question is TiKV's: 16 bytes of identity; for a transactional read 'r', a length and the request. A
// leader of ours answers once no lock in its memory stands in the way; one of TiKV answers at once and says if one
// does, by 'l', a length and the lock: then the question is asked again later. An answer may come late, even to a peer
// that has restarted since or is another one by the same id: the identity of a question is never used again.
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

// Since when a read waits, and until when an answer is of use.
struct ReadWait {
  Instant since{};
  Instant deadline{Duration::max()};
};

class ReadIndexQueue {
 public:
  // `life` is drawn at random for each life of a peer; it tells its questions from all others.
  explicit ReadIndexQueue(uint64_t life) : life_(life) {}

  // `read_ts`: of a follower's transactional read; the leader must know it, since its async commits must stay above it.
  // A read of the newest version has none that they could stay above.
  void push(OnReadable done, Timestamp read_ts = {}, ReadWait wait = {}) {
    unsent_.push_back({std::move(done), wait, read_ts.is_max() ? Timestamp() : read_ts});
  }
  bool has_unsent() const { return !unsent_.empty(); }
  // The context under which to ask for all unsent reads, then mark_sent(). TiKV looks for locks in the ranges that are
  // named: the reads may be of any key of the region.
  Bytes next_context(const engine::RegionDescription& region) const;
  void mark_sent(Bytes context, Instant now);

  // The quorum answered. Returns when the question was sent, if it is ours and known and the reads may go on.
  std::optional<Instant> on_read_state(const Bytes& context, LogIndex index, LogIndex applied);
  void on_applied(LogIndex applied);
  // Questions sent before `deadline` got no answer (a lost message): they are asked again.
  void retry_older_than(Instant deadline);
  // Ends the reads whose deadline has passed, and with `error` those that have waited since before `since`; not those
  // that only wait to be applied if `applying_may_wait`.
  void give_up(Instant now, Instant since, const engine::RegionError& error, bool applying_may_wait);
  // Answers all that is not confirmed yet: the leader changed.
  void fail_unconfirmed(const engine::RegionError& error);
  void fail_all(const engine::RegionError& error);

  size_t size() const;

 private:
  struct Read {
    OnReadable done;
    ReadWait wait;
    Timestamp read_ts;
  };
  struct Batch {
    Bytes context;
    Instant sent_at;
    std::vector<Read> reads;
  };

  const uint64_t life_;
  uint64_t batches_ = 0;
  std::vector<Read> unsent_;
  std::deque<Batch> asked_;                  // in the order of asking
  std::multimap<LogIndex, Read> confirmed_;  // by the index that must be applied
};

// The start_ts in a follower's question, if it has one.
std::optional<Timestamp> read_ts_of(ByteView context);

}  // namespace cairn::replica
