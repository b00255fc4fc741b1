// One transaction: reads see the snapshot of its start timestamp and its own writes; writes stay in memory until
// commit() sends them in two phases. A handle; copies share the transaction. Used on the client's executor, one call at
// a time. A transaction that is dropped has written nothing; locks that it held expire.
//
// commit():  lock all keys (prewrite) -> commit timestamp -> commit the primary key: the moment of truth -> commit the
// others, in the background unless Options say otherwise; whoever meets one of them earlier asks at the primary.
// Async commit saves the second step: with all locks there the transaction is committed, at the greatest timestamp that
// the stores named. One phase saves the locks too, if one request holds all keys.
//
// A pessimistic transaction locks keys before it writes them (lock_keys) and thereby reads what is newest; a heartbeat
// keeps its locks alive until it is over. Tests: transaction_test.cc, pessimistic_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "client/error.h"
#include "runtime/task.h"

namespace cairn::client {

struct Core;

struct KeyValue {
  Bytes key;
  Bytes value;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

// How a transaction works; the default is optimistic and in two phases.
struct TransactionOptions {
  bool is_pessimistic = false;
  // Wishes: the stores or the size of the transaction may say no, then it commits in two phases.
  bool use_async_commit = false;
  bool try_one_pc = false;
  // With one of these, commits without asking PD for one more timestamp: transactions that saw one another's effects
  // are in order, others need not be in that of their calls ("causal consistency").
  bool is_causal = false;
};

// How lock_keys() locks.
struct LockOptions {
  // Time to wait for others' locks; nothing: as long as the client's budget for one operation. 0: not at all.
  std::optional<Duration> wait_max;
  bool return_values = false;
  // Lock only keys that exist; needs `return_values`.
  bool only_if_exists = false;
  // Take the lock even where a version is newer than the statement (and say so), instead of trying anew at a newer
  // timestamp: whoever waited for the lock then has it as soon as it is free.
  bool force = false;
};

// What a key held when it was locked.
struct LockedKey {
  bool exists = false;
  std::optional<Bytes> value;  // if it was asked for, or locked over a newer version
  Timestamp newer_commit_ts;   // of `force`: the version that was newer than the statement; 0: none was
};

class Transaction {
 public:
  // Made by Client::begin().
  Transaction(std::shared_ptr<Core> core, Timestamp start_ts, TransactionOptions options);

  Timestamp start_ts() const;

  // Nothing if the key does not exist in the snapshot, the transaction's own writes included.
  runtime::Task<Outcome<std::optional<Bytes>>> get(Bytes key);
  // Keys that do not exist are absent from the answer.
  runtime::Task<Outcome<std::map<Bytes, Bytes>>> batch_get(std::vector<Bytes> keys);
  // Up to `limit` pairs of [begin, end) in key order; an empty `end` is no bound.
  runtime::Task<Outcome<std::vector<KeyValue>>> scan(Bytes begin, Bytes end, uint32_t limit);
  // The last `limit` pairs of [begin, end), greatest key first.
  runtime::Task<Outcome<std::vector<KeyValue>>> reverse_scan(Bytes begin, Bytes end, uint32_t limit);

  void put(Bytes key, Bytes value);
  // As put(), but commit() fails with AlreadyExists if the key exists.
  void insert(Bytes key, Bytes value);
  void del(Bytes key);
  // Makes commit() fail with Conflict if another transaction wrote the key since the start: a read that counts as
  // write.
  void lock(Bytes key);

  // Locks the keys for a pessimistic transaction; all or none of them, except keys it has locked before. What it tells
  // is the newest state, under the lock, whatever the snapshot shows. Keys that are locked and never written end as
  // lock(). Errors: LockWaitTimeout, Deadlock, RolledBack and those of every operation.
  runtime::Task<Outcome<std::map<Bytes, LockedKey>>> lock_keys(std::vector<Bytes> keys, LockOptions options = {});

  // Once. Returns the commit timestamp; 0 if there was nothing to write. Any error but Undetermined: nothing is written
  // and its locks are being removed.
  runtime::Task<Outcome<Timestamp>> commit();
  // Forgets the writes, and releases the locks in the background.
  void rollback();

  // Defined in transaction_state.h.
  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace cairn::client
