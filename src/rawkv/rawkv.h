// The raw API: keys and values without transactions. Reads are functions over one region's snapshot, for any thread;
// those that may take long are tasks in slices (runtime/slices.h): who awaits them owns what it passes by reference,
// and looks first whether the slices were given up, as they are not answered then. Writes are tasks of RawWriter, one
// per shard, on the shard's executor.
//
// Keys are user keys; api_version.h says how they and their values are stored. Answers carry `error` texts where TiKV
// answers with the `error` field; region errors and broken engines are Failure.
//
// Versions of API V2. A write puts a new version under its key; a deletion puts a tombstone; a read takes the newest.
// So the newest must always be the one that was acknowledged last: a shard gives a write its timestamp and proposes it
// in one go, on its executor, and under a new leader timestamps begin above one that was fetched after its election
// (RegionSnapshot::max_ts_synced_at), hence above all that an earlier leader can have used (INV-RAW-NEWEST).
// Tests: rawkv_test.cc, scan_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "engine/error.h"
#include "engine/region_store.h"
#include "rawkv/api_version.h"
#include "rawkv/causal_timestamps.h"
#include "runtime/clock.h"
#include "runtime/latches.h"
#include "runtime/slices.h"
#include "runtime/task.h"

namespace cairn::rawkv {

struct Config {
  ApiVersion api_version = ApiVersion::kV1;
  CausalTimestampOptions causal_timestamps;  // of V2
  size_t max_key_size = 8u << 10;
  size_t answer_bytes_max = size_t{1} << 30;  // a read whose answer would be larger is refused
};

// What the request itself got wrong: the text of the `error` field of the response.
struct InvalidRequest {
  std::string text;
};

using Failure = std::variant<InvalidRequest, engine::RegionError, engine::Error>;
template <class T>
using Answer = Result<T, Failure>;

struct KvPair {
  Bytes key;
  Bytes value;
  friend bool operator==(const KvPair&, const KvPair&) = default;
};

// A range of keys, end excluded; an empty end is no bound.
struct KeyRange {
  Bytes start;
  Bytes end;
};

// Reads. `cf` is the name in the request: "" is "default", and all that V2 knows. `now_s` is the wall clock in seconds,
// for expiry.
class RawReader {
 public:
  RawReader(const engine::RegionSnapshot& snapshot, const Config& config, uint64_t now_s)
      : snapshot_(snapshot), config_(config), now_s_(now_s) {}

  // RawGet; none: not_found.
  Answer<std::optional<Bytes>> get(ByteView cf, ByteView key) const;
  // RawBatchGet: the pairs that exist, in the order asked.
  runtime::Task<Answer<std::vector<KvPair>>> batch_get(ByteView cf, const std::vector<Bytes>& keys,
                                                       runtime::Slices& slices) const;
  // RawScan: forward [start, end); reverse from start (excluded; empty: the region's end) down to end (included).
  struct Scan {
    Bytes start;
    Bytes end;
    uint32_t limit = 0;
    bool key_only = false;
    bool reverse = false;
  };
  runtime::Task<Answer<std::vector<KvPair>>> scan(ByteView cf, const Scan& scan, runtime::Slices& slices) const;
  // RawBatchScan: each range up to `each_limit` pairs, one after another.
  struct BatchScan {
    std::vector<KeyRange> ranges;
    uint32_t each_limit = 0;
    bool key_only = false;
    bool reverse = false;
  };
  runtime::Task<Answer<std::vector<KvPair>>> batch_scan(ByteView cf, const BatchScan& scan,
                                                        runtime::Slices& slices) const;
  // RawGetKeyTTL: seconds left, 0 for no expiry; none: not_found.
  Answer<std::optional<uint64_t>> key_ttl(ByteView cf, ByteView key) const;
  // RawChecksum (CRC64 XOR) over the ranges of the default column family.
  struct Checksum {
    uint64_t checksum = 0;
    uint64_t kvs = 0;
    uint64_t bytes = 0;
  };
  runtime::Task<Answer<Checksum>> checksum(const std::vector<KeyRange>& ranges, runtime::Slices& slices) const;

 private:
  bool is_in_region(ByteView engine_key) const;
  Failure not_in_region(ByteView engine_key) const;
  // The stored bytes under the key, in V2 of its newest version.
  engine::Result<std::optional<Bytes>> newest(engine::Cf cf, ByteView engine_key) const;
  Answer<std::optional<Bytes>> get_live(engine::Cf cf, ByteView key, uint64_t* expires_s) const;
  // The pairs of an answer so far.
  struct Gathered {
    std::vector<KvPair> pairs;
    size_t bytes = 0;
  };
  // Refused if the answer is larger than it may be: a part of it is not passed off as the whole.
  Answer<void> add(KvPair pair, Gathered& out) const;
  runtime::Task<Answer<void>> append_scan(engine::Cf cf, const Scan& scan, runtime::Slices& slices,
                                          Gathered& out) const;

  const engine::RegionSnapshot& snapshot_;
  const Config& config_;
  uint64_t now_s_;
};

struct RawPut {
  std::string cf;
  Bytes key;
  Bytes value;
  uint64_t ttl_s = 0;
  bool for_cas = false;  // excludes compare-and-swap of the same key
};
struct RawBatchPut {
  std::string cf;
  std::vector<KvPair> pairs;
  std::vector<uint64_t> ttls_s;  // none, one for all, or one each
  bool for_cas = false;
};
struct RawDelete {
  std::string cf;
  std::vector<Bytes> keys;  // RawDelete: one
  bool for_cas = false;
};
struct RawDeleteRange {
  std::string cf;
  KeyRange range;
};
struct RawCompareAndSwapResult {
  bool succeed = false;
  std::optional<Bytes> previous;
};
struct RawCompareAndSwap {
  std::string cf;
  Bytes key;
  std::optional<Bytes> expected;  // none: must not exist
  Bytes value;
  bool del = false;  // on success the key is deleted instead of put
  uint64_t ttl_s = 0;
};

// Writes, one per shard, on its executor. Commands that are atomic (compare-and-swap, for_cas) hold their keys'
// latches; plain writes go straight to replication.
class RawWriter {
 public:
  // `timestamps` is where those of V2 come from (unused else). All must outlive the writer, and the writer its running
  // tasks.
  RawWriter(engine::RegionStore& store, const runtime::Clock& clock, Config config, FetchTimestamps timestamps);

  runtime::Task<Answer<void>> put(RawPut command, engine::RegionRequest request);
  runtime::Task<Answer<void>> batch_put(RawBatchPut command, engine::RegionRequest request);
  runtime::Task<Answer<void>> del(RawDelete command, engine::RegionRequest request);
  runtime::Task<Answer<void>> delete_range(RawDeleteRange command, engine::RegionRequest request);
  runtime::Task<Answer<RawCompareAndSwapResult>> compare_and_swap(RawCompareAndSwap command,
                                                                  engine::RegionRequest request);

 private:
  runtime::Task<Answer<void>> write(std::vector<Bytes> latch_keys, std::vector<engine::Modify> changes,
                                    engine::RegionRequest request);
  // Proposes the changes; in V2 each put gets its timestamp first. `snapshot`: the view that they follow from, if any.
  runtime::Task<Answer<void>> propose(std::vector<engine::Modify> changes, engine::RegionSnapshotPtr snapshot,
                                      engine::RegionRequest request);
  // The change that takes a key away: in V2 a tombstone.
  engine::Modify deletion(engine::Cf cf, ByteView key) const;

  engine::RegionStore& store_;
  const runtime::Clock& clock_;
  const Config config_;
  runtime::Latches latches_;
  CausalTimestamps timestamps_;
};

}  // namespace cairn::rawkv
