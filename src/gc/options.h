// How garbage is collected. Plain values; whoever makes the collector reads them from its configuration.
#pragma once

#include <cstdint>

#include "base/time.h"

namespace cairn::gc {

struct Options {
  Duration life_time = std::chrono::minutes(10);  // how long an old version can be read at least
  Duration run_interval = std::chrono::minutes(1);
  // How long clients may go on with the txn safe point that they know before they ask again (client-go: 100 s). Only
  // what has been out of bounds for so long is given up for deletion.
  Duration client_cache_time = std::chrono::seconds(100);
  // How long a transaction that keeps its locks alive holds the safe points back; older ones are rolled back.
  Duration hold_max = std::chrono::hours(24);
  uint32_t locks_per_page = 1024;
  size_t judged_at_once = 16;  // transactions
};

}  // namespace cairn::gc
