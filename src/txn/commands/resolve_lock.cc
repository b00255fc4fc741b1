// KvResolveLock: carries the known fate of transactions to their locks. The scheduler walks a whole region in steps of
// keys_concerned() and compute_step().
#include <algorithm>

#include "txn/actions/commit_key.h"
#include "txn/actions/distinct.h"
#include "txn/actions/rollback.h"
#include "txn/computation.h"

namespace cairn::txn {
namespace {

const ResolveLock::Txn* txn_of(const ResolveLock& command, Timestamp start_ts) {
  auto it = std::find_if(command.txns.begin(), command.txns.end(),
                         [&](const ResolveLock::Txn& txn) { return txn.start_ts == start_ts; });
  return it == command.txns.end() ? nullptr : &*it;
}

// Those of the transactions that hold the key.
std::vector<ResolveLock::Txn> txns_in(const ResolveLock& command, const LockRecord& record) {
  std::vector<ResolveLock::Txn> txns;
  const auto add = [&](Timestamp start_ts) {
    if (const auto* txn = txn_of(command, start_ts)) txns.push_back(*txn);
  };
  if (const auto* shared = std::get_if<SharedLocks>(&record)) {
    for (const auto& [start_ts, lock] : shared->locks()) add(start_ts);
  } else {
    add(std::get<Lock>(record).start_ts);
  }
  return txns;
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
  for (const Key& key : distinct_keys(command.keys)) {
    TRY(resolve(c, key, command.txns.front()));
  }
  return ResolveLockResult{};
}

engine::Result<std::vector<Key>> keys_concerned(const ResolveLock& command, const engine::RegionSnapshot& snapshot,
                                                ByteView from, size_t limit) {
  MvccReader reader(snapshot);
  std::vector<Key> keys;
  TRY(reader.walk_locks(from, {}, [&](const Key& key, const LockRecord& record) {
    if (!txns_in(command, record).empty()) keys.push_back(key);
    return keys.size() < limit ? MvccReader::Walk::kGoOn : MvccReader::Walk::kStop;
  }));
  return keys;
}

mvcc::Result<ResolveLockResult> compute_step(const ResolveLock& command, const std::vector<Key>& keys, Computation& c) {
  for (const auto& key : keys) {
    TRY_ASSIGN(const auto existing, c.load_lock(key));
    if (!existing) continue;  // somebody else resolved it since it was found
    for (const auto& txn : txns_in(command, *existing)) {
      TRY(resolve(c, key, txn));
    }
  }
  return ResolveLockResult{};
}

}  // namespace cairn::txn
