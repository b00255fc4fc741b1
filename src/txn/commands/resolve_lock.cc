// KvResolveLock: carries the known fate of transactions to their locks. The scheduler walks a whole region in steps of
// locks_concerned() and compute_step().
#include <algorithm>

#include "txn/actions/commit_key.h"
#include "txn/actions/rollback.h"
#include "txn/computation.h"

namespace cairn::txn {
namespace {

const ResolveLock::Txn* txn_of(const ResolveLock& command, Timestamp start_ts) {
  auto it = std::find_if(command.txns.begin(), command.txns.end(),
                         [&](const ResolveLock::Txn& txn) { return txn.start_ts == start_ts; });
  return it == command.txns.end() ? nullptr : &*it;
}

mvcc::Result<void> resolve(Computation& c, const Key& key, const ResolveLock::Txn& txn) {
  if (txn.commit_ts.is_set()) {
    TRY(commit_key(c, key, txn.start_ts, txn.commit_ts));
    if (c.committed.empty() || c.committed.back().first != txn.start_ts) {
      c.committed.emplace_back(txn.start_ts, txn.commit_ts);
    }
    return {};
  }
  TRY_ASSIGN(auto committed_at, cleanup(c, key, txn.start_ts, Timestamp(), Protection::kUnprotected));
  if (committed_at) return Err(KeyError(mvcc::Committed{key.user, txn.start_ts, *committed_at}));
  return {};
}

}  // namespace

std::optional<KeyError> check_fates(const ResolveLock& command) {
  for (const auto& txn : command.txns) {
    if (txn.commit_ts.is_set() && txn.commit_ts <= txn.start_ts) {
      return mvcc::Aborted{fmt::format("InvalidTxnTso start_ts={} commit_ts={}", txn.start_ts, txn.commit_ts)};
    }
  }
  return std::nullopt;
}

mvcc::Result<ResolveLockResult> compute(const ResolveLock& command, Computation& c) {
  if (auto error = check_fates(command)) return Err(std::move(*error));
  CHECK(command.keys.empty() || command.txns.size() == 1, "{} keys for {} transactions", command.keys.size(),
        command.txns.size());
  for (const auto& key : command.keys) {
    TRY(resolve(c, Key::from_user(key), command.txns.front()));
  }
  return ResolveLockResult{};
}

engine::Result<FoundLocks> locks_concerned(const ResolveLock& command, const engine::RegionSnapshot& snapshot,
                                           ByteView from, size_t limit) {
  MvccReader reader(snapshot);
  return reader.scan_locks(
      from, {}, [&](const Lock& lock) { return txn_of(command, lock.start_ts) != nullptr; }, limit);
}

mvcc::Result<ResolveLockResult> compute_step(const ResolveLock& command, const std::vector<Key>& keys, Computation& c) {
  for (const auto& key : keys) {
    TRY_ASSIGN(auto lock, c.reader.load_lock(key));
    const auto* txn = lock ? txn_of(command, lock->start_ts) : nullptr;
    if (!txn) continue;  // somebody else resolved it since it was found
    TRY(resolve(c, key, *txn));
  }
  return ResolveLockResult{};
}

}  // namespace cairn::txn
