// What the newest records of a key say to a lock that is about to be written.
#pragma once

#include <optional>

#include "txn/computation.h"

namespace cairn::txn {

// As seen from a record that goes on top of `newest`, the key's newest record.
inline mvcc::LastChange last_change_below(const std::optional<mvcc::Version>& newest) {
  using mvcc::LastChange;
  if (!newest) return LastChange::not_exist();
  if (newest->write.changes_value()) return LastChange::at(newest->commit_ts, 1);
  const LastChange& below = newest->write.last_change;
  return below.is_at() ? LastChange::at(below.commit_ts, below.versions + 1) : below;
}

// Whether the record says that the transaction of `start_ts` was rolled back.
inline bool says_rolled_back(const mvcc::Version& record, Timestamp start_ts) {
  return record.commit_ts == start_ts &&
         (record.write.kind == mvcc::WriteKind::kRollback || record.write.has_overlapped_rollback);
}

}  // namespace cairn::txn
