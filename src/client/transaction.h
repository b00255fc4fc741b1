// One optimistic transaction: reads see the snapshot of its start timestamp and its own writes; writes stay in memory
// until commit() sends them in two phases. A handle; copies share the transaction. Used on the client's executor, one
// call at a time. A transaction that is dropped has written nothing.
//
// commit():  lock all keys (prewrite) -> commit timestamp -> commit the primary key: the moment of truth -> commit the
// others, in the background unless Options say otherwise; whoever meets one of them earlier asks at the primary.
// Tests: transaction_test.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "client/error.h"
#include "runtime/task.h"

namespace cairn::client {

struct Core;

struct KeyValue {
  Bytes key;
  Bytes value;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

class Transaction {
 public:
  // Made by Client::begin().
  Transaction(std::shared_ptr<Core> core, Timestamp start_ts);

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

  // Once. Returns the commit timestamp; 0 if there was nothing to write. Any error but Undetermined: nothing is written
  // and its locks are being removed.
  runtime::Task<Outcome<Timestamp>> commit();
  // Forgets the writes. Only needed to be explicit.
  void rollback();

  // Defined in transaction_state.h.
  struct State;

 private:
  std::shared_ptr<State> state_;
};

}  // namespace cairn::client
