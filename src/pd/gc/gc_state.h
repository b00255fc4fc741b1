// The rules of garbage collection bounds. The txn safe point: transactions that started before it may not read. The gc
// safe point, never above it: versions below it may be deleted. Barriers hold the txn safe point back for a while or
// for ever. Pure: the records as they stand go in, a decision and its writes come out; the owner lets one decision
// follow another. There is one state for all keyspaces. Tests: gc_state_test.cc.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "pd/meta/keys.h"
#include "pd/meta/meta_store.h"
#include "pdpb.pb.h"

namespace cairn::pd {

inline constexpr int64_t kForever = INT64_MAX;

// The service whose safe point is the txn safe point: whoever moves it owns the garbage.
inline constexpr const char* kGcWorker = "gc_worker";

// Anybody may set these, and each decision looks at all of them.
inline constexpr size_t kBarriersMax = 1024;  // of either kind
inline constexpr size_t kBarrierIdBytesMax = 512;
inline constexpr size_t kServersMax = 8192;

struct GcBarrier {
  uint64_t ts = 0;
  int64_t expires_at = kForever;  // Unix seconds
  bool is_expired(uint64_t now_s) const { return expires_at != kForever && expires_at <= static_cast<int64_t>(now_s); }
  int64_t ttl(uint64_t now_s) const {
    return expires_at == kForever ? kForever : expires_at - static_cast<int64_t>(now_s);
  }
  friend bool operator==(const GcBarrier&, const GcBarrier&) = default;
};

// All of it, as the meta store holds it.
struct GcRecords {
  uint64_t txn_safe_point = 0;
  uint64_t gc_safe_point = 0;
  std::map<std::string, GcBarrier> barriers;
  std::map<std::string, GcBarrier> global_barriers;
  // Of the SQL servers that tell the start of their oldest transaction: the lowest, and who tells it.
  struct OldestStart {
    std::string key;
    uint64_t ts = 0;
  };
  std::optional<OldestStart> oldest_start;
  bool has_too_many_servers = false;  // more than kServersMax keys: nobody knows which is the lowest

  // Precondition: find_damaged_gc_record() found none when the store was opened.
  static GcRecords load(const MetaStore& store, const Keys& keys);
};
// The key of a record that is not of the form.
std::optional<Bytes> find_damaged_gc_record(const OwnRecords& records, const Keys& keys);

template <class T>
using GcResult = Result<T, std::string>;

struct TxnSafePointMove {
  uint64_t old_value = 0;
  uint64_t new_value = 0;
  std::string blocker_id;  // empty: reached the target
  std::string blocker_description;
  MetaTxn writes;
};
// Error: the target lies below the present one.
GcResult<TxnSafePointMove> advance_txn_safe_point(const GcRecords& records, const Keys& keys, uint64_t target,
                                                  uint64_t now_s);

struct GcSafePointMove {
  uint64_t old_value = 0;
  uint64_t new_value = 0;
  MetaTxn writes;
};
// Error: below the present one, or above the txn safe point.
GcResult<GcSafePointMove> advance_gc_safe_point(const GcRecords& records, const Keys& keys, uint64_t target);
// The old call: a target below the present one changes nothing.
GcResult<GcSafePointMove> update_gc_safe_point(const GcRecords& records, const Keys& keys, uint64_t target);

struct BarrierChange {
  std::optional<GcBarrier> barrier;  // as it stands now, or as it stood before it was deleted
  MetaTxn writes;
};
// `barriers`: those under `prefix`. Those that have expired make room where there are too many.
GcResult<BarrierChange> set_barrier(const std::map<std::string, GcBarrier>& barriers, uint64_t txn_safe_point,
                                    const Bytes& prefix, const std::string& id, uint64_t ts, int64_t ttl_s,
                                    uint64_t now_s);
GcResult<BarrierChange> delete_barrier(const std::map<std::string, GcBarrier>& barriers, const Bytes& prefix,
                                       const std::string& id);

struct ServiceSafePoint {
  std::string service_id;
  int64_t ttl = kForever;
  uint64_t min_safe_point = 0;
  MetaTxn writes;
};
// The old call, in terms of the above.
GcResult<ServiceSafePoint> update_service_safe_point(const GcRecords& records, const Keys& keys,
                                                     const std::string& service, uint64_t ts, int64_t ttl_s,
                                                     uint64_t now_s);

}  // namespace cairn::pd
