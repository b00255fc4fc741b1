// Garbage collection of raw data, in compactions and by hand, on one store alone.
//
// V1TTL: a value that has expired is dropped as it passes a compaction.
//
// V2, of the versions of a key, newest first:
//   above the safe point          stays
//   the first one at or below it  stays if it is live; dead (a tombstone, or expired) it goes, but last: with it alone
//                                 out of the way, an older version in a file that this compaction does not see would
//                                 come to light
//   older ones                    go
// So a compaction drops older ones, which the first one stands over, and names keys with a dead one as leftovers;
// collect_versions() then takes away all that is at or below the safe point of such a key in one batch. The same
// division as in mvcc/gc_filter.h. Pure but for what it tells. Tests: gc_test.cc.
#pragma once

#include <cstdint>
#include <functional>

#include "base/ids.h"
#include "engine/kv_engine.h"
#include "rawkv/value.h"

namespace cairn::rawkv {

// Whether a data key ('z' + engine key) is of V2's raw data.
bool is_raw_data_key(ByteView data_key);

class VersionRule {
 public:
  VersionRule(Timestamp safe_point, uint64_t now_s) : safe_point_(safe_point), now_s_(now_s) {}

  enum class Fate : uint8_t { kStays, kGoes, kGoesLast };
  // Versions of one key, newest first; begin_key() before each key.
  void begin_key() { has_first_ = false; }
  Fate judge(Timestamp ts, const StoredValue& value);

 private:
  Timestamp safe_point_;
  uint64_t now_s_;
  bool has_first_ = false;  // at or below the safe point
};

// Of V2, for the default column family. Pairs that are no raw versions stay.
class VersionFilter final : public engine::CompactionFilter {
 public:
  // Precondition: the safe point is set. `on_leftover` is told data keys without timestamp, on the engine's thread.
  VersionFilter(Timestamp safe_point, uint64_t now_s, std::function<void(ByteView key)> on_leftover);
  Verdict judge(ByteView data_key, ByteView value) override;

 private:
  VersionRule rule_;
  std::function<void(ByteView)> on_leftover_;
  Bytes key_;  // the current one, without timestamp
};

// Of V1TTL, for every column family.
class ExpiryFilter final : public engine::CompactionFilter {
 public:
  explicit ExpiryFilter(uint64_t now_s) : now_s_(now_s) {}
  Verdict judge(ByteView data_key, ByteView value) override;

 private:
  uint64_t now_s_;
};

struct CollectedVersions {
  size_t versions = 0;
  bool is_done = true;  // nothing more is to be collected of the key at this safe point
};

// Adds to the batch the deletion of the versions of a leftover that may go, at most about `changes_max`, oldest ones
// first where the order matters. `data_key` has no timestamp. The batch must be written before anything else changes
// the key.
engine::Result<CollectedVersions> collect_versions(const engine::Snapshot& snapshot, ByteView data_key,
                                                   Timestamp safe_point, uint64_t now_s, size_t changes_max,
                                                   engine::WriteBatch& batch);

}  // namespace cairn::rawkv
