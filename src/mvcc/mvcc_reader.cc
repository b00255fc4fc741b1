#include "mvcc/mvcc_reader.h"

#include "mvcc/record.h"

namespace cairn::mvcc {

using engine::Cf;

WriteCursor& MvccReader::writes() {
  if (!writes_) {
    engine::IterOptions options;
    options.prefix_same_as_start = true;
    writes_.emplace(snapshot_.iterator(Cf::kWrite, std::move(options)), figures_);
  }
  return *writes_;
}

engine::Result<std::optional<LockRecord>> MvccReader::load_lock_record(const Key& key) {
  TRY_ASSIGN(auto bytes, snapshot_.get(Cf::kLock, key.encoded));
  if (!bytes) return std::optional<LockRecord>();
  TRY_ASSIGN(auto record, decode_lock_record(*bytes));
  const auto* shared = std::get_if<SharedLocks>(&record);
  if (shared && shared->empty()) return std::optional<LockRecord>();
  return std::optional(std::move(record));
}

engine::Result<std::optional<Lock>> MvccReader::load_lock(const Key& key) {
  TRY_ASSIGN(auto bytes, snapshot_.get(Cf::kLock, key.encoded));
  if (!bytes || is_shared_record(*bytes)) return std::optional<Lock>();
  TRY_ASSIGN(auto lock, Lock::decode(*bytes));
  return std::optional(std::move(lock));
}

engine::Result<std::optional<Version>> MvccReader::seek_write(const Key& key, Timestamp ts) {
  auto& it = writes();
  it.seek(codec::append_ts(key.encoded, ts));
  TRY_ASSIGN(auto at, timestamp_at(it.here(), key.encoded));
  if (!at) return std::optional<Version>();
  TRY_ASSIGN(auto version, version_at(it.here(), *at));
  return std::optional(std::move(version));
}

engine::Result<std::optional<Version>> MvccReader::get_change(const Key& key, Timestamp ts) {
  auto& it = writes();
  it.seek(codec::append_ts(key.encoded, ts));
  return find_change(it, key.encoded, ts);
}

engine::Result<Bytes> MvccReader::load_value(const Key& key, Timestamp start_ts,
                                             const std::optional<Bytes>& short_value) {
  if (short_value) {
    figures_.note_found(key.encoded.size() + short_value->size());
    return *short_value;
  }
  const Bytes at = codec::append_ts(key.encoded, start_ts);
  TRY_ASSIGN(auto value, snapshot_.get(Cf::kDefault, at));
  if (!value) return Err(record::corruption("no value in the default column family", at));
  figures_.note_found(key.encoded.size() + value->size());
  return std::move(*value);
}

engine::Result<CommitRecord> MvccReader::commit_record(const Key& key, Timestamp start_ts) {
  auto& it = writes();
  Timestamp next_change;
  for (it.seek(codec::append_ts(key.encoded, Timestamp::max()));; it.next()) {
    TRY_ASSIGN(auto at, timestamp_at(it.here(), key.encoded));
    if (!at || *at < start_ts) return CommitRecord(NoRecord{});
    TRY_ASSIGN(auto version, version_at(it.here(), *at));
    if (version.write.start_ts > version.commit_ts) {
      return Err(record::corruption("a write record older than its transaction", it.value()));
    }
    if (version.write.start_ts == start_ts) {
      if (version.write.kind == WriteKind::kRollback) return CommitRecord(RolledBack{});
      return CommitRecord(CommittedAt{version.commit_ts, std::move(version.write)});
    }
    if (version.commit_ts == start_ts) {
      if (version.write.has_overlapped_rollback) return CommitRecord(RolledBack{});
      return CommitRecord(NoRecord{std::move(version), next_change});
    }
    if (version.write.changes_value()) next_change = version.commit_ts;
  }
}

engine::Result<void> MvccReader::walk_locks(ByteView start, ByteView end, const LockVisitor& visit) {
  engine::IterOptions options;
  options.lower = Bytes(start);
  options.upper = Bytes(end);
  auto it = snapshot_.iterator(Cf::kLock, std::move(options));
  for (it->seek_to_first(); it->valid(); it->next()) {
    TRY_ASSIGN(const auto record, decode_lock_record(it->value()));
    auto user_key = codec::decode_bytes(it->key());
    if (!user_key) return Err(record::corruption("key in the lock column family", it->key()));
    if (visit(Key{std::move(*user_key), Bytes(it->key())}, record) == Walk::kStop) return {};
  }
  return it->status();
}

}  // namespace cairn::mvcc
