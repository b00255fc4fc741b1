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

struct Transaction::State {
  State(CorePtr c, Timestamp ts) : core(std::move(c)), start_ts(ts), began(core->deps.clock.now()) {}

  CorePtr core;
  Timestamp start_ts;
  Instant began{};                   // by the client's clock
  std::map<Bytes, Buffered> writes;  // by user key
  std::set<Timestamp> passed_locks;  // transactions whose locks this one's reads may pass over
  bool is_over = false;              // committed or rolled back
};

using TransactionState = std::shared_ptr<Transaction::State>;

}  // namespace cairn::client
