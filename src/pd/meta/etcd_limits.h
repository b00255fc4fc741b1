// What of the etcd API is refused before it goes into the log: requests, keys, a key space or a log that are too large.
// Pure. Tests: etcd_limits_test.cc.
#pragma once

#include "api/status.h"
#include "base/bytes.h"
#include "etcd/rpc.pb.h"
#include "pd/config.h"

namespace cairn::pd {

// What there is already.
struct EtcdUsage {
  uint64_t store_bytes = 0;
  uint64_t log_bytes = 0;
  size_t proposals = 0;  // that wait to be applied
};

// Whether a write may be proposed, in etcd's words. Puts need room in the key space; deletions make it.
api::Status check_limits(const etcdserverpb::TxnRequest& txn, const EtcdLimits& limits, const EtcdUsage& usage);
// Likewise a new lease.
api::Status check_lease_limits(const EtcdLimits& limits, const EtcdUsage& usage);

}  // namespace cairn::pd
