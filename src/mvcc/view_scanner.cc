#include "mvcc/view_scanner.h"

#include "mvcc/lock_conflict.h"
#include "mvcc/record.h"
#include "mvcc/shared_locks.h"
#include "mvcc/version_search.h"

namespace cairn::mvcc {
namespace {

engine::IterOptions iter_options(const ViewScanner::Bounds& bounds, const ReadOptions& options) {
  engine::IterOptions result;
  result.lower = bounds.lower;
  result.upper = bounds.upper;
  result.fill_cache = options.fill_cache;
  return result;
}

// A PUT with its value inside and nothing that matters behind it: the record of nearly every row.
bool open_plain_put(ByteView record, Timestamp& start_ts, ByteView& value) {
  if (!record.starts_with('P')) return false;
  record.remove_prefix(1);
  if (!record::get_var_ts(record, start_ts)) return false;
  uint8_t tag = 0, size = 0;
  if (!codec::get_u8(record, tag) || tag != 'v' || !codec::get_u8(record, size) || record.size() != size) return false;
  value = record;
  return true;
}

WriteConflict newer_version_conflict(ByteView user_key, const Version& newest, Timestamp read_ts) {
  return {.start_ts = read_ts,
          .conflict_start_ts = newest.write.start_ts,
          .conflict_commit_ts = newest.commit_ts,
          .key = Bytes(user_key),
          .primary = {},
          .reason = ConflictReason::kRcCheckTs};
}

}  // namespace

ViewScanner::ViewScanner(const engine::RegionSnapshot& snapshot, const ReadOptions& options, Bounds bounds)
    : snapshot_(snapshot),
      options_(options),
      bounds_(std::move(bounds)),
      reader_(snapshot),
      writes_(snapshot.iterator(engine::Cf::kWrite, iter_options(bounds_, options)), reader_.figures()) {
  if (options.isolation == IsolationLevel::kRc || bounds_.direction == Direction::kBackward) return;
  locks_ = snapshot.iterator(engine::Cf::kLock, iter_options(bounds_, options));
  locks_->seek_to_first();
  if (!locks_->valid() && locks_->status().ok()) locks_ = nullptr;
}

void ViewScanner::start(Bytes lower, Bytes upper) {
  upper_ = std::move(upper);
  is_upper_watched_ = upper_ == bounds_.upper;
  is_on_key_ = is_looked_ = false;
  if (bounds_.direction == Direction::kBackward) {
    met_newer_ = true;  // it does not say
    if (backward_) backward_figures_ += backward_->figures();
    backward_ = backward_scanner(snapshot_, options_, ScanBounds{std::move(lower), upper_, bounds_.key_only});
    return;
  }
  writes_.seek(lower);
  if (locks_) locks_->seek(lower);
}

mvcc::Result<bool> ViewScanner::next_backward() {
  TRY_ASSIGN(backward_row_, backward_->next());
  if (!backward_row_) return false;
  if (backward_row_->error) return Err(Error(std::move(*backward_row_->error)));
  user_key_ = std::move(backward_row_->user_key);
  value_ = backward_row_->value;
  commit_ts_ = backward_row_->commit_ts;
  return true;
}

mvcc::Result<bool> ViewScanner::next() {
  if (bounds_.direction == Direction::kBackward) return next_backward();
  if (is_on_key_) {
    TRY(skip_key());
  } else if (!std::exchange(is_looked_, true)) {
    TRY(look());
  }
  while (true) {
    ByteView lock_at;
    if (locks_) {
      if (!locks_->valid()) {
        TRY(locks_->status());
      } else if (!is_behind(locks_->key())) {
        lock_at = locks_->key();
      }
    }
    if (at_key_.empty() && lock_at.empty()) return false;
    const bool has_lock = !lock_at.empty() && (at_key_.empty() || lock_at <= at_key_);
    const bool has_write = !at_key_.empty() && (lock_at.empty() || at_key_ <= lock_at);
    encoded_key_.assign(has_lock ? lock_at : at_key_);
    ByteView encoded = encoded_key_;
    if (!codec::get_encoded_bytes(encoded, user_key_) || !encoded.empty()) {
      return Err(Error(engine::Error(record::corruption("encoded key", encoded_key_))));
    }
    is_on_key_ = has_write;
    bool is_pair = false, hides_versions = false;
    if (has_lock) {
      TRY_ASSIGN(is_pair, take_lock(hides_versions));
      locks_->next();
    }
    if (has_write && !hides_versions) {
      TRY_ASSIGN(is_pair, take_version());
    }
    if (is_pair) return true;
    if (is_on_key_) TRY(skip_key());
  }
}

mvcc::Result<bool> ViewScanner::take_lock(bool& hides_versions) {
  met_newer_ = true;
  if (is_shared_record(locks_->value())) return false;
  TRY_ASSIGN(const Lock lock, Lock::decode(locks_->value()));
  switch (judge_lock(user_key_, lock, options_)) {
    case LockVerdict::kIgnore:
      return false;
    case LockVerdict::kConflict:
      return Err(Error(conflict_error(user_key_, lock, options_)));
    case LockVerdict::kReadThrough:
      break;
  }
  hides_versions = true;
  if (lock.kind == LockKind::kDelete) return false;
  if (!bounds_.key_only) {
    TRY_ASSIGN(kept_value_, reader_.load_value(Key{user_key_, encoded_key_}, lock.start_ts, lock.short_value));
  }
  value_ = kept_value_;
  commit_ts_ = {};
  return true;
}

mvcc::Result<bool> ViewScanner::take_version() {
  if (at_ts_ > options_.read_ts) {
    met_newer_ = true;
    if (options_.isolation == IsolationLevel::kRcCheckTs) {
      TRY_ASSIGN(const auto version, version_at(writes_.here(), at_ts_));
      return Err(Error(KeyError(newer_version_conflict(user_key_, version, options_.read_ts))));
    }
    TRY_ASSIGN(const auto seen, move_to_version(writes_, encoded_key_, options_.read_ts));
    TRY(look_again());
    if (!seen) return false;
  }
  Timestamp start_ts;
  ByteView short_value;
  if (open_plain_put(writes_.value(), start_ts, short_value)) {
    commit_ts_ = at_ts_;
    return take_value(start_ts, short_value, true);
  }
  TRY_ASSIGN(const auto version, find_change(writes_, encoded_key_, options_.read_ts));
  TRY(look_again());
  if (!version || version->write.kind == WriteKind::kDelete) return false;
  commit_ts_ = version->commit_ts;
  if (version->write.short_value) {
    kept_value_ = *version->write.short_value;
    return take_value(version->write.start_ts, kept_value_, true);
  }
  return take_value(version->write.start_ts, {}, false);
}

engine::Result<bool> ViewScanner::take_value(Timestamp start_ts, ByteView short_value, bool has_short_value) {
  if (bounds_.key_only) {
    value_ = {};
  } else if (has_short_value) {
    value_ = short_value;
  } else {
    TRY(load_long_value(start_ts));
  }
  reader_.figures().note_found(encoded_key_.size() + value_.size());
  return true;
}

engine::Result<void> ViewScanner::load_long_value(Timestamp start_ts) {
  const Bytes wanted = codec::append_ts(encoded_key_, start_ts);
  if (!defaults_) {
    defaults_ = snapshot_.iterator(engine::Cf::kDefault, iter_options(bounds_, options_));
    defaults_->seek(wanted);
  } else {
    for (int step = 0; step < kNearSeekSteps && defaults_->valid() && defaults_->key() < wanted; ++step) {
      defaults_->next();
    }
    if (!defaults_->valid() || defaults_->key() != wanted) defaults_->seek(wanted);
  }
  TRY(defaults_->status());
  if (!defaults_->valid() || defaults_->key() != wanted) {
    return Err(record::corruption("a value that the default column family has not, of key", wanted));
  }
  value_ = defaults_->value();
  return {};
}

mvcc::Result<void> ViewScanner::skip_key() {
  is_on_key_ = false;
  for (int step = 0; step < kNearSeekSteps; ++step) {
    writes_.next();
    TRY(look());
    if (at_key_ != encoded_key_) return {};
  }
  writes_.seek(codec::append_ts(encoded_key_, Timestamp(0)));
  TRY(look());
  if (at_key_ != encoded_key_) return {};
  writes_.next();
  return look();
}

mvcc::Result<void> ViewScanner::look_again() {
  TRY(look());
  is_on_key_ = at_key_ == encoded_key_;
  return {};
}

mvcc::Result<void> ViewScanner::look() {
  at_key_ = {};
  if (!writes_.valid()) {
    TRY(writes_.status());
    return {};
  }
  const ByteView key = writes_.key();
  const auto split = codec::split_ts(key);
  if (!split) return Err(Error(engine::Error(record::corruption("key in the write column family", key))));
  if (is_behind(split->encoded_key)) return {};
  at_key_ = split->encoded_key;
  at_ts_ = split->ts;
  return {};
}

}  // namespace cairn::mvcc
