// What a transaction keeps between calls, shared by its handles and the tasks that work for it. On the client's
// executor.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "client/core.h"
#include "client/transaction.h"

namespace cairn::client {

// One buffered write.
struct Buffered {
  enum class Op : uint8_t { kPut, kInsert, kDelete, kLock };
  Op op = Op::kPut;
  Bytes value;
};

// A lock that a pessimistic transaction holds.
struct HeldLock {
  Timestamp for_update_ts;
  bool exists = false;       // the key, when it was locked
  bool is_by_force = false;  // a copy of the request that comes late locks whatever is newer: the prewrite must find
                             // just this lock
};

struct Transaction::State {
  State(CorePtr c, Timestamp ts, TransactionOptions o)
      : core(std::move(c)), options(o), start_ts(ts), began(core->deps.clock.now()), for_update_ts(ts) {}

  CorePtr core;
  TransactionOptions options;
  Timestamp start_ts;
  Instant began{};                   // by the client's clock
  std::map<Bytes, Buffered> writes;  // by user key
  std::set<Timestamp> passed_locks;  // transactions whose locks this one's reads may pass over
  bool is_over = false;              // committed or rolled back

  // Of a pessimistic transaction:
  Timestamp for_update_ts;         // newest moment at which it looked at a key to lock it
  Bytes primary;                   // the first key it locked; empty: none yet
  std::map<Bytes, HeldLock> held;  // by user key; each has an entry in `writes` too
  bool heart_beats = false;        // a task keeps its locks alive while it holds any
};

using TransactionState = std::shared_ptr<Transaction::State>;

}  // namespace cairn::client
