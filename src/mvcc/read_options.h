// At which timestamp, and by which rules, versions are read.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"

namespace cairn::mvcc {

// SI: a conflicting lock is an error. RC: locks are ignored. RcCheckTs: as RC, but anything newer than the read
// timestamp, committed or about to be, is a write conflict, so the client may take a fresh timestamp.
// Numbers are those of kvrpcpb.IsolationLevel.
enum class IsolationLevel : uint8_t { kSi = 0, kRc = 1, kRcCheckTs = 2 };

struct ReadOptions {
  Timestamp read_ts;  // the maximum: the newest version
  IsolationLevel isolation = IsolationLevel::kSi;
  std::vector<Timestamp> resolved_locks;   // start_ts of transactions that do not concern this read
  std::vector<Timestamp> committed_locks;  // start_ts of transactions to be read as committed below read_ts
  bool is_replica_read = false;
  bool need_commit_ts = false;
  bool fill_cache = true;
};

}  // namespace cairn::mvcc
