#include "txn/txn_status_cache.h"

#include <algorithm>
#include <iterator>

namespace cairn::txn {

const TxnStatus* TxnStatusCache::Aged::find(Timestamp start_ts) const {
  const auto found = by_start_ts.find(start_ts.value);
  return found == by_start_ts.end() ? nullptr : &found->second->status;
}

void TxnStatusCache::Aged::put(const TxnStatus& status, Instant now) {
  remove(status.start_ts);
  entries.push_back({status, now});
  by_start_ts.emplace(status.start_ts.value, std::prev(entries.end()));
}

void TxnStatusCache::Aged::remove(Timestamp start_ts) {
  const auto found = by_start_ts.find(start_ts.value);
  if (found == by_start_ts.end()) return;
  entries.erase(found->second);
  by_start_ts.erase(found);
}

void TxnStatusCache::Aged::trim(const TxnStatusCacheOptions& options, Instant now) {
  while (!entries.empty() && (entries.size() > options.entries_max || now - entries.front().updated > options.keep)) {
    by_start_ts.erase(entries.front().status.start_ts.value);
    entries.pop_front();
  }
}

void TxnStatusCache::update(const TxnStatus& status, Instant now) {
  const bool is_finished = status.commit_ts.is_set() || status.rolled_back;
  if (is_finished) {
    if (!finished_.find(status.start_ts)) finished_.put(status, now);
    running_.remove(status.start_ts);
  } else if (status.is_completed) {
    running_.remove(status.start_ts);
  } else if (!finished_.find(status.start_ts)) {
    const TxnStatus* known = running_.find(status.start_ts);
    TxnStatus merged = status;
    if (known) merged.min_commit_ts = std::max(merged.min_commit_ts, known->min_commit_ts);
    running_.put(merged, now);
  }
  finished_.trim(options_, now);
  running_.trim(options_, now);
}

std::optional<TxnStatus> TxnStatusCache::find(Timestamp start_ts) const {
  const TxnStatus* known = finished_.find(start_ts);
  if (!known) known = running_.find(start_ts);
  return known ? std::optional(*known) : std::nullopt;
}

std::optional<Timestamp> TxnStatusCache::commit_ts_of(Timestamp start_ts) const {
  const TxnStatus* known = finished_.find(start_ts);
  return known && !known->rolled_back ? std::optional(known->commit_ts) : std::nullopt;
}

}  // namespace cairn::txn
