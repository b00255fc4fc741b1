#include "mvcc/lock_conflict.h"

#include <algorithm>

namespace cairn::mvcc {
namespace {

bool contains(const std::vector<Timestamp>& list, Timestamp ts) {
  return std::find(list.begin(), list.end(), ts) != list.end();
}

bool conflicts_under_si(ByteView user_key, const Lock& lock, const ReadOptions& options) {
  if (lock.start_ts > options.read_ts) return false;
  if (!lock.changes_value()) return false;
  if (lock.min_commit_ts > options.read_ts) return false;
  if (contains(options.resolved_locks, lock.start_ts)) return false;
  // "Read the newest" may look below a primary's lock: that commit has not happened yet. Not so for async commit and
  // 1PC, whose transaction may be committed already, nor on a follower, which cannot know.
  if (options.read_ts.is_max() && lock.primary == user_key && !lock.use_async_commit && !lock.is_one_pc) {
    return options.is_replica_read;
  }
  return true;
}

}  // namespace

LockVerdict judge_lock(ByteView user_key, const Lock& lock, const ReadOptions& options) {
  switch (options.isolation) {
    case IsolationLevel::kRc:
      return LockVerdict::kIgnore;
    case IsolationLevel::kRcCheckTs:
      return lock.changes_value() && !contains(options.resolved_locks, lock.start_ts) ? LockVerdict::kConflict
                                                                                      : LockVerdict::kIgnore;
    case IsolationLevel::kSi:
      break;
  }
  if (!conflicts_under_si(user_key, lock, options)) return LockVerdict::kIgnore;
  // The lock does not know its commit timestamp.
  if (!options.need_commit_ts && contains(options.committed_locks, lock.start_ts)) return LockVerdict::kReadThrough;
  return LockVerdict::kConflict;
}

KeyError conflict_error(ByteView user_key, const Lock& lock, const ReadOptions& options) {
  if (options.isolation != IsolationLevel::kRcCheckTs) return KeyIsLocked{lock.info(user_key)};
  return WriteConflict{.start_ts = options.read_ts,
                       .conflict_start_ts = lock.start_ts,
                       .conflict_commit_ts = {},
                       .key = Bytes(user_key),
                       .primary = lock.primary,
                       .reason = ConflictReason::kRcCheckTs};
}

}  // namespace cairn::mvcc
