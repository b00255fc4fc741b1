#include "txn/computation.h"

#include "base/redact.h"

namespace cairn::txn {

engine::Result<std::optional<LockRecord>> Computation::load_lock(const Key& key) {
  const auto changed = shared_changes.find(key.user);
  if (changed == shared_changes.end()) return reader.load_lock_record(key);
  if (changed->second.locks.empty()) return std::optional<LockRecord>();
  return std::optional<LockRecord>(changed->second.locks);
}

void Computation::put_shared(const Key& key, SharedLocks locks) {
  auto& change = shared_changes.try_emplace(key.user, SharedChange{key, {}, {}}).first->second;
  change.locks = std::move(locks);
}

void Computation::release_lock(const Key& key, const LockRecord& record, Timestamp start_ts, Timestamp commit_ts) {
  CHECK(mvcc::lock_of(record, start_ts), "transaction {} gives back a lock on {} that it has not", start_ts,
        log::user_text(key.user));
  if (const auto* shared = std::get_if<SharedLocks>(&record)) {
    SharedLocks rest = *shared;
    rest.remove(start_ts);
    put_shared(key, std::move(rest));
    shared_changes.at(key.user).last = Released{key.user, start_ts, commit_ts};
    return;
  }
  txn.remove_lock(key);
  released.push_back({key.user, start_ts, commit_ts});
}

void Computation::start_over() {
  txn.clear();
  guards.clear();
  released.clear();
  acquired.clear();
  shared_changes.clear();
  committed.clear();
}

std::vector<LockInfo> Computation::finish() {
  std::vector<LockInfo> held;
  for (auto& [user_key, change] : shared_changes) {
    if (!change.locks.empty()) {
      txn.put_shared_locks(change.key, change.locks);
      held.push_back(change.locks.info(user_key));
      continue;
    }
    CHECK(change.last.has_value(), "the locks on {} are gone, and nobody had one", log::user_text(user_key));
    txn.remove_lock(change.key);
    released.push_back(std::move(*change.last));
  }
  shared_changes.clear();
  for (const auto& [key, lock] : acquired) held.push_back(lock.info(key.user));
  return held;
}

}  // namespace cairn::txn
