#include "mvcc/scanner_base.h"

#include "mvcc/lock_conflict.h"
#include "mvcc/record.h"

namespace cairn::mvcc {
namespace {

engine::IterOptions iter_options(const ScanBounds& bounds, const ReadOptions& options) {
  engine::IterOptions result;
  result.lower = bounds.lower;
  result.upper = bounds.upper;
  result.fill_cache = options.fill_cache;
  return result;
}

}  // namespace

ScannerBase::ScannerBase(const engine::RegionSnapshot& snapshot, const ReadOptions& options, ScanBounds bounds)
    : options_(options),
      key_only_(bounds.key_only),
      reader_(snapshot),
      writes_(snapshot.iterator(engine::Cf::kWrite, iter_options(bounds, options)), reader_.figures()) {
  if (options.isolation != IsolationLevel::kRc) {
    locks_ = snapshot.iterator(engine::Cf::kLock, iter_options(bounds, options));
  }
}

engine::Result<ByteView> ScannerBase::lock_key() const {
  if (!locks_) return ByteView();
  if (!locks_->valid()) {
    TRY(locks_->status());
    return ByteView();
  }
  return locks_->key();
}

engine::Result<ByteView> ScannerBase::write_key() const {
  if (!writes_.valid()) {
    TRY(writes_.status());
    return ByteView();
  }
  auto split = codec::split_ts(writes_.key());
  if (!split) return Err(record::corruption("key in the write column family", writes_.key()));
  return split->encoded_key;
}

engine::Result<Bytes> ScannerBase::value_of(const Key& key, Timestamp start_ts,
                                            const std::optional<Bytes>& short_value) {
  if (!key_only_) return reader_.load_value(key, start_ts, short_value);
  reader_.figures().note_found(key.encoded.size());
  return Bytes();
}

engine::Result<std::optional<Row>> ScannerBase::row_of_lock(const Key& key, bool& is_done) {
  if (is_shared_record(locks_->value())) {
    is_done = false;
    return std::optional<Row>();
  }
  TRY_ASSIGN(Lock lock, Lock::decode(locks_->value()));
  switch (judge_lock(key.user, lock, options_)) {
    case LockVerdict::kIgnore:
      is_done = false;
      return std::optional<Row>();
    case LockVerdict::kConflict: {
      is_done = true;
      return std::optional(Row{key.user, {}, {}, conflict_error(key.user, lock, options_)});
    }
    case LockVerdict::kReadThrough:
      break;
  }
  is_done = true;
  if (lock.kind == LockKind::kDelete) return std::optional<Row>();
  Row row{key.user, {}, {}, {}};
  TRY_ASSIGN(row.value, value_of(key, lock.start_ts, lock.short_value));
  return std::optional(std::move(row));
}

engine::Result<std::optional<Row>> ScannerBase::row_of_version(const Key& key, const std::optional<Version>& version) {
  if (!version || version->write.kind == WriteKind::kDelete) return std::optional<Row>();
  Row row{key.user, {}, version->commit_ts, {}};
  TRY_ASSIGN(row.value, value_of(key, version->write.start_ts, version->write.short_value));
  return std::optional(std::move(row));
}

std::optional<Row> ScannerBase::newer_version_error(const Key& key, const Version& newest) const {
  if (options_.isolation != IsolationLevel::kRcCheckTs || newest.commit_ts <= options_.read_ts) return std::nullopt;
  return Row{key.user,
             {},
             {},
             WriteConflict{.start_ts = options_.read_ts,
                           .conflict_start_ts = newest.write.start_ts,
                           .conflict_commit_ts = newest.commit_ts,
                           .key = key.user,
                           .primary = {},
                           .reason = ConflictReason::kRcCheckTs}};
}

}  // namespace cairn::mvcc
