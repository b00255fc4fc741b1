#include "mvcc/lock.h"

#include "mvcc/record.h"

namespace cairn::mvcc {
namespace {

std::optional<LockKind> kind_of(uint8_t type) {
  switch (type) {
    case 'P':
      return LockKind::kPut;
    case 'D':
      return LockKind::kDelete;
    case 'L':
      return LockKind::kLock;
    case 'S':
      return LockKind::kPessimistic;
    default:
      return std::nullopt;
  }
}

char type_of(LockKind kind) {
  switch (kind) {
    case LockKind::kPut:
      return 'P';
    case LockKind::kDelete:
      return 'D';
    case LockKind::kLock:
      return 'L';
    case LockKind::kPessimistic:
      return 'S';
    case LockKind::kShared:
      break;
  }
  CHECK(false, "lock kind {}", static_cast<int>(kind));
  return 0;
}

bool get_secondaries(ByteView& in, std::vector<Bytes>& secondaries) {
  uint64_t n = 0;
  if (!codec::get_var_u64(in, n) || n > in.size()) return false;  // each takes a byte at least
  secondaries.reserve(n);
  for (uint64_t i = 0; i < n; ++i) {
    ByteView key;
    if (!codec::get_compact_bytes(in, key)) return false;
    secondaries.emplace_back(key);
  }
  return true;
}

bool get_rollback_ts(ByteView& in, std::vector<Timestamp>& rollback_ts) {
  uint64_t n = 0;
  if (!codec::get_var_u64(in, n) || n > in.size() / 8) return false;
  rollback_ts.resize(n);
  for (auto& ts : rollback_ts) {
    if (!record::get_ts(in, ts)) return false;
  }
  return true;
}

// Reads the part that `tag` announces. False: damaged.
bool get_part(uint8_t tag, ByteView& in, Lock& lock, bool& is_known) {
  switch (tag) {
    case 'v':
      return record::get_short_value(in, lock.short_value);
    case 'f':
      return record::get_ts(in, lock.for_update_ts);
    case 't':
      return codec::get_u64_be(in, lock.txn_size);
    case 'c':
      return record::get_ts(in, lock.min_commit_ts);
    case 'a':
      lock.use_async_commit = true;
      return get_secondaries(in, lock.secondaries);
    case 'r':
      return get_rollback_ts(in, lock.rollback_ts);
    case 'l':
      return record::get_last_change(in, lock.last_change);
    case 's':
      return codec::get_var_u64(in, lock.txn_source);
    case 'F':
      lock.locked_with_conflict = true;
      return true;
    case 'g':
      return codec::get_u64_be(in, lock.generation);
    default:
      is_known = false;
      return true;
  }
}

}  // namespace

Bytes Lock::encode() const {
  CHECK(secondaries.empty() || use_async_commit, "{} secondaries without async commit", secondaries.size());
  Bytes out;
  out.push_back(type_of(kind));
  codec::put_compact_bytes(out, primary);
  codec::put_var_u64(out, start_ts.value);
  codec::put_var_u64(out, ttl_ms);
  if (short_value) record::put_short_value(out, *short_value);
  if (for_update_ts.is_set()) record::put_tagged_u64(out, 'f', for_update_ts.value);
  if (txn_size != 0) record::put_tagged_u64(out, 't', txn_size);
  if (min_commit_ts.is_set()) record::put_tagged_u64(out, 'c', min_commit_ts.value);
  if (use_async_commit) {
    out.push_back('a');
    codec::put_var_u64(out, secondaries.size());
    for (const auto& key : secondaries) codec::put_compact_bytes(out, key);
  }
  if (!rollback_ts.empty()) {
    out.push_back('r');
    codec::put_var_u64(out, rollback_ts.size());
    for (Timestamp ts : rollback_ts) codec::put_u64_be(out, ts.value);
  }
  record::put_last_change(out, last_change);
  if (txn_source != 0) {
    out.push_back('s');
    codec::put_var_u64(out, txn_source);
  }
  if (locked_with_conflict) out.push_back('F');
  if (generation != 0) record::put_tagged_u64(out, 'g', generation);
  return out;
}

engine::Result<Lock> Lock::decode(ByteView bytes) {
  const auto damaged = [&] { return Err(record::corruption("lock record", bytes)); };
  ByteView in = bytes;
  uint8_t type = 0;
  if (!codec::get_u8(in, type)) return damaged();
  const auto kind = kind_of(type);
  ByteView primary;
  Lock lock;
  if (!kind || !codec::get_compact_bytes(in, primary) || !record::get_var_ts(in, lock.start_ts)) return damaged();
  lock.kind = *kind;
  lock.primary = Bytes(primary);
  if (in.empty()) return lock;  // old records end here, or after the ttl
  if (!codec::get_var_u64(in, lock.ttl_ms)) return damaged();
  bool is_known = true;
  uint8_t tag = 0;
  while (is_known && codec::get_u8(in, tag)) {
    if (!get_part(tag, in, lock, is_known)) return damaged();
  }
  return lock;
}

LockInfo Lock::info(ByteView user_key) const {
  return {.primary = primary,
          .start_ts = start_ts,
          .key = Bytes(user_key),
          .ttl_ms = ttl_ms,
          .txn_size = txn_size,
          .kind = kind,
          .for_update_ts = for_update_ts,
          .use_async_commit = use_async_commit,
          .min_commit_ts = min_commit_ts,
          .secondaries = secondaries};
}

}  // namespace cairn::mvcc
