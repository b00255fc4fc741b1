// Walks all regions and ends what lingers: for each lock of a transaction that began at or before a timestamp, asks at
// its primary key what became of the transaction and gives the lock that fate. Transactions whose locks are kept alive
// are left alone and told of. Tests: collector_test.cc.
#pragma once

#include <functional>
#include <optional>

#include "client/core.h"
#include "client/error.h"
#include "gc/options.h"

namespace cairn::gc {

struct Swept {
  // Of all transactions met that live on: the earliest one's start. None: nothing at or before the bound is left.
  std::optional<Timestamp> oldest_alive;
  // Locks.
  uint64_t committed = 0;
  uint64_t rolled_back = 0;
  uint64_t left = 0;
};

// `up_to`: concerns transactions that began at or before it. `no_mercy_to`: those that began at or before this one are
// rolled back even if they live. `goes_on` is asked between two pages; false gives the sweep up.
runtime::Task<client::Outcome<Swept>> sweep(client::CorePtr core, Options options, Timestamp up_to,
                                            Timestamp no_mercy_to, std::function<bool()> goes_on);

}  // namespace cairn::gc
