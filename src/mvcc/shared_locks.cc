#include "mvcc/shared_locks.h"

#include "mvcc/record.h"

namespace cairn::mvcc {
namespace {

constexpr uint8_t kClosedFlag = 1;

bool may_be_shared(const Lock& lock) { return lock.kind == LockKind::kLock || lock.kind == LockKind::kPessimistic; }

// Reads the locks that follow tag 'h'. False: damaged.
bool get_locks(ByteView& in, std::map<Timestamp, Lock>& locks) {
  uint64_t n = 0;
  if (!codec::get_var_u64(in, n) || n > in.size()) return false;  // each takes a byte at least
  for (uint64_t i = 0; i < n; ++i) {
    ByteView bytes;
    if (!codec::get_compact_bytes(in, bytes)) return false;
    auto lock = Lock::decode(bytes);
    if (!lock.ok() || !may_be_shared(*lock)) return false;
    const Timestamp start_ts = lock->start_ts;
    if (!locks.emplace(start_ts, std::move(*lock)).second) return false;
  }
  return true;
}

}  // namespace

const Lock* SharedLocks::find(Timestamp start_ts) const {
  const auto found = locks_.find(start_ts);
  return found == locks_.end() ? nullptr : &found->second;
}

void SharedLocks::put(Lock lock) {
  CHECK(may_be_shared(lock), "a lock of kind {} is not shared", static_cast<int>(lock.kind));
  CHECK(!is_closed_ || locks_.contains(lock.start_ts), "transaction {} joins a lock that is closed", lock.start_ts);
  const Timestamp start_ts = lock.start_ts;
  locks_.insert_or_assign(start_ts, std::move(lock));
}

LockInfo SharedLocks::info(ByteView user_key) const {
  LockInfo info{.primary = {}, .start_ts = {}, .key = Bytes(user_key), .kind = LockKind::kShared};
  for (const auto& [start_ts, lock] : locks_) info.shared.push_back(lock.info(user_key));
  return info;
}

Bytes SharedLocks::encode() const {
  CHECK(!locks_.empty(), "a shared lock that nobody holds is not written");
  Bytes out = "H";
  if (is_closed_) {
    record::put_tag(out, 'i');
    out.push_back(static_cast<char>(kClosedFlag));
  }
  record::put_tag(out, 'h');
  codec::put_var_u64(out, locks_.size());
  for (const auto& [start_ts, lock] : locks_) codec::put_compact_bytes(out, lock.encode());
  return out;
}

engine::Result<SharedLocks> SharedLocks::decode(ByteView bytes) {
  const auto damaged = [&] { return Err(record::corruption("record of shared locks", bytes)); };
  ByteView in = bytes;
  uint8_t type = 0;
  if (!codec::get_u8(in, type) || type != 'H') return damaged();
  SharedLocks shared;
  for (uint8_t tag = 0; codec::get_u8(in, tag);) {
    if (tag == 'i') {
      uint8_t flags = 0;
      if (!codec::get_u8(in, flags) || (flags & ~kClosedFlag) != 0) return damaged();
      shared.is_closed_ = flags == kClosedFlag;
    } else if (tag == 'h') {
      shared.locks_.clear();
      if (!get_locks(in, shared.locks_)) return damaged();
    } else {
      break;  // newer writers append
    }
  }
  return shared;
}

engine::Result<LockRecord> decode_lock_record(ByteView bytes) {
  if (is_shared_record(bytes)) {
    TRY_ASSIGN(auto shared, SharedLocks::decode(bytes));
    return LockRecord(std::move(shared));
  }
  TRY_ASSIGN(auto lock, Lock::decode(bytes));
  return LockRecord(std::move(lock));
}

LockInfo lock_info(const LockRecord& record, ByteView user_key) {
  return std::visit([&](const auto& locks) { return locks.info(user_key); }, record);
}

const Lock* lock_of(const LockRecord& record, Timestamp start_ts) {
  if (const auto* shared = std::get_if<SharedLocks>(&record)) return shared->find(start_ts);
  const auto& lock = std::get<Lock>(record);
  return lock.start_ts == start_ts ? &lock : nullptr;
}

}  // namespace cairn::mvcc
