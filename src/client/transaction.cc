#include "client/transaction.h"

#include <algorithm>
#include <iterator>

#include "client/pessimistic.h"
#include "client/snapshot.h"
#include "client/transaction_state.h"
#include "client/two_phase.h"
#include "runtime/async.h"

namespace cairn::client {
namespace {

using Pairs = std::vector<KeyValue>;

// What the transaction itself wrote to the key: nothing if it did not; an inner nothing if it deleted it.
std::optional<std::optional<Bytes>> own_value(const Transaction::State& txn, const Bytes& key) {
  const auto it = txn.writes.find(key);
  if (it == txn.writes.end() || it->second.op == Buffered::Op::kLock) return std::nullopt;
  if (it->second.op == Buffered::Op::kDelete) return std::optional<Bytes>();
  return std::optional<Bytes>(it->second.value);
}

runtime::Task<Outcome<std::optional<Bytes>>> get_through(TransactionState txn, Bytes key) {
  if (auto own = own_value(*txn, key)) co_return std::move(*own);
  co_return co_await snapshot_get(std::move(txn), std::move(key));
}

runtime::Task<Outcome<std::map<Bytes, Bytes>>> batch_get_through(TransactionState txn, std::vector<Bytes> keys) {
  std::map<Bytes, Bytes> found;
  std::vector<Bytes> asked;
  for (auto& key : keys) {
    if (auto own = own_value(*txn, key)) {
      if (*own) found.emplace(std::move(key), std::move(**own));
    } else {
      asked.push_back(std::move(key));
    }
  }
  if (!asked.empty()) {
    CO_TRY_ASSIGN(auto rest, co_await snapshot_batch_get(txn, std::move(asked)));
    found.merge(rest);
  }
  co_return found;
}

// Lays the transaction's writes of [begin, end) over the pairs that the snapshot has there.
Pairs overlay(const Transaction::State& txn, Pairs pairs, const Bytes& begin, const Bytes& end, Direction direction) {
  std::map<Bytes, Bytes> merged;
  for (auto& pair : pairs) merged.emplace(std::move(pair.key), std::move(pair.value));
  for (auto it = txn.writes.lower_bound(begin); it != txn.writes.end() && (end.empty() || it->first < end); ++it) {
    auto own = own_value(txn, it->first);
    if (!own) continue;
    if (*own) {
      merged[it->first] = std::move(**own);
    } else {
      merged.erase(it->first);
    }
  }
  Pairs out;
  for (auto& [key, value] : merged) out.push_back({key, std::move(value)});
  if (direction == Direction::kReverse) std::reverse(out.begin(), out.end());
  return out;
}

runtime::Task<Outcome<Pairs>> scan_through(TransactionState txn, Bytes begin, Bytes end, uint32_t limit,
                                           Direction direction) {
  Pairs out;
  while (out.size() < limit && (end.empty() || begin < end)) {
    const uint32_t ask_for = std::min(txn->core->options.scan_page, limit);
    CO_TRY_ASSIGN(auto page, co_await snapshot_scan_page(txn, begin, end, ask_for, direction));
    // The page speaks for the part of the range up to where the next one goes on.
    const bool is_forward = direction == Direction::kForward;
    const Bytes part_begin = is_forward || page.is_last ? begin : page.next;
    const Bytes part_end = !is_forward || page.is_last ? end : page.next;
    auto pairs = overlay(*txn, std::move(page.pairs), part_begin, part_end, direction);
    std::move(pairs.begin(), pairs.end(), std::back_inserter(out));
    if (page.is_last) break;
    (is_forward ? begin : end) = std::move(page.next);
  }
  if (out.size() > limit) out.resize(limit);
  co_return out;
}

runtime::Task<Outcome<Timestamp>> commit_once(TransactionState txn) {
  if (std::exchange(txn->is_over, true)) co_return Err(Error(Refused{"the transaction is over"}));
  if (txn->writes.empty()) co_return Timestamp();
  if (txn->start_ts.is_max()) co_return Err(Error(Refused{"a transaction at the maximum timestamp only reads"}));
  for (const auto& [key, lock] : txn->held) {
    // The key was seen under its lock, so the store need not look again.
    if (!lock.exists || txn->writes.at(key).op != Buffered::Op::kInsert) continue;
    Bytes existing = key;  // release_all() ends what `key` refers to
    release_all(txn);
    co_return Err(Error(AlreadyExists{std::move(existing)}));
  }
  auto outcome = co_await commit_two_phase(txn);
  txn->held.clear();  // the heartbeat ends
  co_return outcome;
}

}  // namespace

Transaction::Transaction(std::shared_ptr<Core> core, Timestamp start_ts, TransactionOptions options)
    : state_(std::make_shared<State>(std::move(core), start_ts, options)) {}

Timestamp Transaction::start_ts() const { return state_->start_ts; }

runtime::Task<Outcome<std::optional<Bytes>>> Transaction::get(Bytes key) { return get_through(state_, std::move(key)); }

runtime::Task<Outcome<std::map<Bytes, Bytes>>> Transaction::batch_get(std::vector<Bytes> keys) {
  return batch_get_through(state_, std::move(keys));
}

runtime::Task<Outcome<Pairs>> Transaction::scan(Bytes begin, Bytes end, uint32_t limit) {
  return scan_through(state_, std::move(begin), std::move(end), limit, Direction::kForward);
}

runtime::Task<Outcome<Pairs>> Transaction::reverse_scan(Bytes begin, Bytes end, uint32_t limit) {
  return scan_through(state_, std::move(begin), std::move(end), limit, Direction::kReverse);
}

void Transaction::put(Bytes key, Bytes value) {
  auto& write = state_->writes[std::move(key)];
  // A key that this transaction inserts, deletes nothing of and overwrites must still not exist.
  if (write.op != Buffered::Op::kInsert) write.op = Buffered::Op::kPut;
  write.value = std::move(value);
}

void Transaction::insert(Bytes key, Bytes value) {
  const auto it = state_->writes.find(key);
  // After its own delete the key does not exist for this transaction, whatever the store holds.
  const bool own_delete = it != state_->writes.end() && it->second.op == Buffered::Op::kDelete;
  state_->writes.insert_or_assign(std::move(key),
                                  Buffered{own_delete ? Buffered::Op::kPut : Buffered::Op::kInsert, std::move(value)});
}

void Transaction::del(Bytes key) {
  state_->writes.insert_or_assign(std::move(key), Buffered{Buffered::Op::kDelete, {}});
}

void Transaction::lock(Bytes key) { state_->writes.try_emplace(std::move(key), Buffered{Buffered::Op::kLock, {}}); }

runtime::Task<Outcome<std::map<Bytes, LockedKey>>> Transaction::lock_keys(std::vector<Bytes> keys,
                                                                          LockOptions options) {
  return lock_pessimistic(state_, std::move(keys), options);
}

runtime::Task<Outcome<Timestamp>> Transaction::commit() { return commit_once(state_); }

void Transaction::rollback() {
  if (!std::exchange(state_->is_over, true)) release_all(state_);
  state_->writes.clear();
}

}  // namespace cairn::client
