// A DeadlockClient over a graph of its own, which answers at once: for the tests of one scheduler.
#pragma once

#include "runtime/clock.h"
#include "txn/deadlock.h"

namespace cairn::txn::testing {

class LocalDeadlocks final : public DeadlockClient {
 public:
  // `ttl`: the longest wait.
  LocalDeadlocks(const runtime::Clock& clock, Duration ttl) : clock_(clock), detector_(ttl) {}
  runtime::Task<std::optional<DeadlockCycle>> detect(WaitForEdge wait, runtime::Executor&) override {
    co_return detector_.detect(wait, clock_.now());
  }
  void clean_up_wait_for(const WaitForEdge& wait) override {
    detector_.clean_up_wait_for(wait.txn, wait.wait_for, wait.key_hash);
  }

 private:
  const runtime::Clock& clock_;
  DeadlockDetector detector_;
};

}  // namespace cairn::txn::testing
