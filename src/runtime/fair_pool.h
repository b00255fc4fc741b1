// A bounded pool that many clients share, over an executor of many threads: each piece of work has a lane, an executor
// of its own, and the order among lanes is that of FairQueue. The executor beneath gets one turn for each job that
// waits; whoever gets the turn runs the job whose turn it is by then.
//
// Thread-safe. Tests: fair_pool_test.cc.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "runtime/clock.h"
#include "runtime/executor.h"

namespace cairn::runtime {

class FairPool {
 public:
  // Both must outlive the pool's lanes. At most `lanes_max` are under way at once.
  FairPool(Executor& pool, const Clock& clock, size_t lanes_max);
  ~FairPool();
  FairPool(const FairPool&) = delete;
  FairPool& operator=(const FairPool&) = delete;

  // A lane for work of that client, until it is let go of; nullptr: there are too many.
  std::shared_ptr<Executor> admit(uint64_t client) const;
  // Those that are under way stay.
  void set_lanes_max(size_t lanes_max);

 private:
  class Core;
  class Lane;
  class Turn;
  std::shared_ptr<Core> core_;
};

}  // namespace cairn::runtime
