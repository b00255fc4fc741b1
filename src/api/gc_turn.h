// What the collector of garbage (gc/) asks the PD node beside it before each round. No message of the wire: the two
// live in one process.
#pragma once

#include <functional>
#include <string>

#include "base/ids.h"

namespace cairn::api {

struct GcTurn {
  bool is_serving = false;  // the node leads and the cluster is bootstrapped; else the rest means nothing
  ClusterId cluster;
  uint64_t member = 0;      // marks the collector's own calls, as header.sender_id
  std::string other_owner;  // why the round must not be; empty: it may
  Timestamp txn_safe_point;
  Timestamp gc_safe_point;
};

// `done` may come on any thread; it is dropped uncalled if the node dies.
using AskGcTurn = std::function<void(std::function<void(GcTurn)> done)>;

}  // namespace cairn::api
