#include "mvcc/point_getter.h"

#include "mvcc/lock_conflict.h"

namespace cairn::mvcc {

Result<std::optional<Value>> PointGetter::get(const Key& key) {
  if (options_.isolation != IsolationLevel::kRc) {
    TRY_ASSIGN(auto lock, reader_.load_lock(key));
    if (lock) {
      switch (judge_lock(key.user, *lock, options_)) {
        case LockVerdict::kIgnore:
          break;
        case LockVerdict::kConflict:
          return Err(conflict_error(key.user, *lock, options_));
        case LockVerdict::kReadThrough: {
          if (lock->kind == LockKind::kDelete) return std::optional<Value>();
          TRY_ASSIGN(auto value, reader_.load_value(key, lock->start_ts, lock->short_value));
          return std::optional(Value{std::move(value), {}});
        }
      }
    }
  }
  return get_committed(key);
}

Result<std::optional<Value>> PointGetter::get_committed(const Key& key) {
  if (options_.isolation == IsolationLevel::kRcCheckTs) {
    TRY_ASSIGN(auto newest, reader_.seek_write(key, Timestamp::max()));
    if (newest && newest->commit_ts > options_.read_ts) {
      return Err(KeyError(WriteConflict{.start_ts = options_.read_ts,
                                        .conflict_start_ts = newest->write.start_ts,
                                        .conflict_commit_ts = newest->commit_ts,
                                        .key = key.user,
                                        .primary = {},
                                        .reason = ConflictReason::kRcCheckTs}));
    }
  }
  TRY_ASSIGN(auto version, reader_.get_change(key, options_.read_ts));
  if (!version || version->write.kind == WriteKind::kDelete) return std::optional<Value>();
  TRY_ASSIGN(auto value, reader_.load_value(key, version->write.start_ts, version->write.short_value));
  return std::optional(Value{std::move(value), version->commit_ts});
}

}  // namespace cairn::mvcc
