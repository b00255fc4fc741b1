// What became of transactions lately, by start_ts: those that this shard has seen commit, and what clients tell of
// their large ones (BroadcastTxnStatus).
//
// A prewrite of a pessimistic transaction that is known to be committed comes late and is checked as a repeated one;
// whoever computes a timestamp below which nothing changes any more need not wait for the locks of a transaction that
// will commit later. The cache is a hint: an entry may be missing, and nothing that is read depends on it.
//
// One per shard, used by its scheduler. Bounded: an entry goes when it is `keep` old or when there are too many; the
// finished and the running ones have a bound each, so that many small transactions do not push out the few large ones.
// Tests: txn_status_cache_test.cc.
#pragma once

#include <cstddef>
#include <list>
#include <optional>
#include <unordered_map>

#include "base/ids.h"
#include "base/time.h"
#include "txn/commands.h"

namespace cairn::txn {

struct TxnStatusCacheOptions {
  size_t entries_max = 512 << 10;            // storage.txn-status-cache-capacity; 0: nothing is kept
  Duration keep = std::chrono::seconds(30);  // longer than any request is on its way
};

class TxnStatusCache {
 public:
  explicit TxnStatusCache(TxnStatusCacheOptions options) : options_(options) {}

  // What is known to be finished stays so; of a running transaction the largest min_commit_ts counts.
  void update(const TxnStatus& status, Instant now);
  // Nothing: not known.
  std::optional<TxnStatus> find(Timestamp start_ts) const;
  std::optional<Timestamp> commit_ts_of(Timestamp start_ts) const;
  size_t size() const { return finished_.by_start_ts.size() + running_.by_start_ts.size(); }

 private:
  struct Entry {
    TxnStatus status;
    Instant updated;
  };
  // Entries from the oldest update to the newest.
  struct Aged {
    std::list<Entry> entries;
    std::unordered_map<uint64_t, std::list<Entry>::iterator> by_start_ts;

    const TxnStatus* find(Timestamp start_ts) const;
    void put(const TxnStatus& status, Instant now);
    void remove(Timestamp start_ts);
    void trim(const TxnStatusCacheOptions& options, Instant now);
  };

  TxnStatusCacheOptions options_;
  Aged finished_;
  Aged running_;
};

}  // namespace cairn::txn
