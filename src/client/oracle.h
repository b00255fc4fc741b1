// Timestamps from PD, many callers per request: while one request is under way, callers gather for the next. A
// timestamp is never handed out twice, and each is allocated after its caller asked.
// Owned by the client's Core, used on its executor. Tests: client_test.cc.
#pragma once

#include <memory>
#include <vector>

#include "client/error.h"
#include "runtime/async.h"
#include "runtime/task.h"

namespace cairn::client {

struct Core;

struct Oracle {
  std::vector<runtime::Promise<Outcome<Timestamp>>> waiting;
  bool is_asking = false;
};

// Timestamps asked for in one request at most.
inline constexpr size_t kTimestampsPerRequestMax = 10000;

// A fresh timestamp, greater than all handed out by PD before the call.
runtime::Task<Outcome<Timestamp>> fresh_timestamp(std::shared_ptr<Core> core);

}  // namespace cairn::client
