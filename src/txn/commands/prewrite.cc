// KvPrewrite and KvFlush: checks all keys, then locks them (two phases), or locks them with a commit
// timestamp already bounded (async commit), or commits them at once (1PC).
//
// Async commit and 1PC fall back to two phases if a commit timestamp would pass max_commit_ts, if a key turns out to be
// prewritten without them, or if it is shared; the answer then has neither timestamp and no lock is left with an
// async-commit mark.
#include <algorithm>

#include "txn/actions/commit_key.h"
#include "txn/actions/distinct.h"
#include "txn/actions/prewrite_key.h"
#include "txn/computation.h"

namespace cairn::txn {
namespace {

// The commit timestamp of the transaction on this key, if it is committed: an earlier attempt got through and its
// answer was lost.
engine::Result<std::optional<Timestamp>> own_commit_ts(Computation& c, const Prewrite& command, const Key& key) {
  TRY_ASSIGN(auto record, c.reader.commit_record(key, command.start_ts));
  const auto* committed = std::get_if<mvcc::CommittedAt>(&record);
  return committed ? std::optional(committed->commit_ts) : std::nullopt;
}

PrewriteResult already_committed(const Prewrite& command, Timestamp commit_ts) {
  return {.errors = {}, .min_commit_ts = commit_ts, .one_pc_commit_ts = command.try_one_pc ? commit_ts : Timestamp()};
}

// Whether the error may come from the transaction's own commit.
bool may_be_own_commit(const KeyError& error, Timestamp start_ts) {
  if (const auto* conflict = std::get_if<mvcc::WriteConflict>(&error)) return conflict->conflict_commit_ts > start_ts;
  return std::holds_alternative<mvcc::KeyIsLocked>(error) ||
         std::holds_alternative<mvcc::PessimisticLockNotFound>(error);
}

// What checking all keys came to.
struct Checked {
  std::vector<PrewrittenKey> keys;        // each once, but for those with nothing to do
  bool has_nothing_to_do = false;         // one of the mutations has
  std::vector<KeyError> errors;           // not empty: write nothing
  std::optional<Timestamp> committed_at;  // the transaction is committed: write nothing, report success
};

mvcc::Result<Checked> check_all(const Prewrite& command, Computation& c) {
  Checked checked;
  std::optional<KeyError> assertion_failed;
  for (const auto& mutation : command.mutations) {
    auto key = prewrite_key(c, command, mutation);
    if (key.ok()) {
      if (key->kind == PrewrittenKey::Kind::kNothingToDo) {
        checked.has_nothing_to_do = true;  // another mutation of the key may have something
      } else {
        checked.keys.push_back(std::move(*key));
      }
      continue;
    }
    auto* error = std::get_if<KeyError>(&key.error());
    if (!error) return Err(std::move(key).error());
    if (may_be_own_commit(*error, command.start_ts)) {
      TRY_ASSIGN(checked.committed_at, own_commit_ts(c, command, Key::from_user(mutation.key)));
      if (checked.committed_at) return checked;
    }
    if (std::holds_alternative<mvcc::KeyIsLocked>(*error)) {
      checked.errors.push_back(std::move(*error));  // the client resolves them all at once
    } else if (std::holds_alternative<mvcc::AssertionFailed>(*error)) {
      if (!assertion_failed) assertion_failed = std::move(*error);  // any other error says more
    } else {
      return Err(std::move(*error));
    }
  }
  if (checked.errors.empty() && assertion_failed) return Err(std::move(*assertion_failed));
  keep_last_of_each_key(checked.keys, [](const PrewrittenKey& key) { return key.key.user; });
  return checked;
}

// Bounds the commit timestamp from below by all that was read, and publishes the lock so that later readers see it.
// False: it would pass max_commit_ts.
bool publish(const Prewrite& command, PrewrittenKey& key, Computation& c) {
  Lock& lock = key.lock;
  lock.use_async_commit = command.use_async_commit;
  lock.is_one_pc = command.try_one_pc;
  if (command.use_async_commit && key.key.user == command.primary) lock.secondaries = command.secondaries;
  auto guard = c.concurrency.publish(key.key.user, [&](Timestamp max_ts) -> std::optional<Lock> {
    const Timestamp min_commit_ts = std::max({lock.min_commit_ts, Timestamp(max_ts.next()),
                                              Timestamp(lock.start_ts.next()), Timestamp(lock.for_update_ts.next())});
    if (command.max_commit_ts.is_set() && min_commit_ts > command.max_commit_ts) return std::nullopt;
    lock.min_commit_ts = min_commit_ts;
    return lock;
  });
  if (!guard) return false;
  c.guards.push_back(std::move(*guard));
  return true;
}

void fall_back(std::vector<PrewrittenKey>& keys, Computation& c) {
  c.guards.clear();
  for (auto& key : keys) {
    if (key.kind != PrewrittenKey::Kind::kWrite) continue;
    key.lock.use_async_commit = false;
    key.lock.is_one_pc = false;
    key.lock.secondaries.clear();
  }
}

// The largest lower bound of the commit timestamp over all keys, each published; 0 if the request falls back.
Timestamp bound_commit_ts(const Prewrite& command, Checked& checked, Computation& c) {
  Timestamp bound;
  if (checked.has_nothing_to_do) bound = std::max(command.min_commit_ts, Timestamp(command.start_ts.next()));
  for (auto& key : checked.keys) {
    Timestamp of_key;
    if (key.kind == PrewrittenKey::Kind::kDuplicate) {
      if (key.lock.use_async_commit && !command.try_one_pc) of_key = key.lock.min_commit_ts;
    } else if (!key.shared && publish(command, key, c)) {
      of_key = key.lock.min_commit_ts;
    }
    if (!of_key.is_set()) return {};
    bound = std::max(bound, of_key);
  }
  return bound;
}

}  // namespace

mvcc::Result<PrewriteResult> compute(const Prewrite& command, Computation& c) {
  TRY_ASSIGN(Checked checked, check_all(command, c));
  if (checked.committed_at) return already_committed(command, *checked.committed_at);
  if (!checked.errors.empty()) return PrewriteResult{.errors = std::move(checked.errors)};

  PrewriteResult result;
  if (command.use_async_commit || command.try_one_pc) {
    const Timestamp bound = bound_commit_ts(command, checked, c);
    if (!bound.is_set()) {
      fall_back(checked.keys, c);
    } else if (command.try_one_pc) {
      result.one_pc_commit_ts = bound;
    } else {
      result.min_commit_ts = bound;
    }
  }
  c.is_one_pc = result.one_pc_commit_ts.is_set();
  if (c.is_one_pc) c.committed.emplace_back(command.start_ts, result.one_pc_commit_ts);

  for (auto& prewritten : checked.keys) {
    if (prewritten.kind != PrewrittenKey::Kind::kWrite) continue;
    const Key& key = prewritten.key;
    if (prewritten.drops_long_value) c.txn.remove_value(key, command.start_ts);
    if (prewritten.long_value) c.txn.put_value(key, command.start_ts, std::move(*prewritten.long_value));
    if (prewritten.shared) {
      SharedLocks shared = std::move(*prewritten.shared);
      shared.put(std::move(prewritten.lock));
      c.put_shared(key, std::move(shared));
    } else if (c.is_one_pc) {
      c.txn.put_write(key, result.one_pc_commit_ts, committed_write(prewritten.lock, result.one_pc_commit_ts));
      if (prewritten.replaces_pessimistic) {
        c.release_lock(key, LockRecord(prewritten.lock), command.start_ts, result.one_pc_commit_ts);
      }
    } else {
      c.txn.put_lock(key, prewritten.lock);
    }
  }
  return result;
}

}  // namespace cairn::txn
