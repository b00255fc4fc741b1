// The native client: raw keys and transactions over api/ alone, for applications, the simulator's workloads
// and benchmarks. One client lives on one executor: call its methods there, or spawn tasks that use it there. Handles
// share what is below; it lives until the last task that uses it has ended.
//
//   Client, Transaction      what applications call
//   two_phase, pessimistic, snapshot, locks, raw     the stories, as tasks
//   send                     one request to the region of a key: locate, try, react, wait, until the budget is spent
//   RegionCache, region_reaction, Backoff    decisions, pure
//   Oracle                   timestamps, many callers per request to PD
//
// Tests: client_test.cc, transaction_test.cc, pessimistic_test.cc, region_cache_test.cc.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "api/pd.h"
#include "api/tikv.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "base/time.h"
#include "client/error.h"
#include "client/transaction.h"
#include "runtime/clock.h"
#include "runtime/executor.h"
#include "runtime/random.h"
#include "runtime/task.h"

namespace cairn::client {

struct Options {
  ClusterId cluster;             // named in each request; unset: not checked by the servers
  bool is_api_v2 = false;        // the stores are of API V2: keys are whole, with mode and keyspace in front
  Duration try_timeout = 2s;     // of one attempt of one call
  Duration budget = 20s;         // of one operation with all its attempts
  Duration backoff_first = 2ms;  // between attempts; doubles, with jitter
  Duration backoff_max = 500ms;
  Duration lock_ttl = 3s;           // of a transaction's locks, counted from its commit()
  Duration managed_lock_ttl = 20s;  // of a pessimistic transaction's locks; a heartbeat renews it at half time
  bool await_secondaries = false;   // commit() returns only once all keys are committed, not just the primary
  // Whether a raw write whose answer was lost is sent again. The first one may then still take effect after a later
  // write, so the raw API would no longer be linearizable; else such a write ends as Undetermined.
  bool repeat_lost_raw_writes = false;
  uint32_t scan_page = 256;             // pairs per request of a scan
  size_t batch_keys_max = 512;          // keys per request of a batch
  size_t batch_bytes_max = 256 * 1024;  // bytes of keys and values per request of a write batch, about
};

// The service of a store; nothing if the store is not reachable now. The pointer must stay good as long as the client.
using Connect = std::function<api::Tikv*(StoreId)>;

struct Deps {
  api::Pd& pd;
  Connect connect;
  runtime::Executor& executor;
  const runtime::Clock& clock;
  runtime::Random random;
};

// What compare-and-swap found, and whether it wrote.
struct Swapped {
  bool swapped = false;
  std::optional<Bytes> previous;
};

class Client {
 public:
  // What `deps` refers to must outlive the client and its tasks.
  Client(Deps deps, Options options);

  // A fresh timestamp from PD, greater than all handed out before the call.
  runtime::Task<Outcome<Timestamp>> timestamp();

  // A transaction at a fresh timestamp, or at one in the past: then for reading.
  runtime::Task<Outcome<Transaction>> begin(TransactionOptions options = {});
  Transaction begin_at(Timestamp start_ts);

  // The raw API: single keys are linearizable, except that a swap is atomic only against other swaps (TiKV's rule:
  // plain writes take no latch). Batches are atomic per region only. `ttl_seconds` 0: for ever.
  runtime::Task<Outcome<std::optional<Bytes>>> raw_get(Bytes key);
  runtime::Task<Outcome<std::map<Bytes, Bytes>>> raw_batch_get(std::vector<Bytes> keys);
  runtime::Task<Outcome<void>> raw_put(Bytes key, Bytes value, uint64_t ttl_seconds = 0);
  runtime::Task<Outcome<void>> raw_batch_put(std::vector<KeyValue> pairs, uint64_t ttl_seconds = 0);
  runtime::Task<Outcome<void>> raw_delete(Bytes key);
  runtime::Task<Outcome<void>> raw_batch_delete(std::vector<Bytes> keys);
  // Up to `limit` pairs of [begin, end) in key order; an empty `end` is no bound.
  runtime::Task<Outcome<std::vector<KeyValue>>> raw_scan(Bytes begin, Bytes end, uint32_t limit);
  // The last `limit` pairs of [begin, end), greatest key first.
  runtime::Task<Outcome<std::vector<KeyValue>>> raw_reverse_scan(Bytes begin, Bytes end, uint32_t limit);
  runtime::Task<Outcome<void>> raw_delete_range(Bytes begin, Bytes end);
  // Writes `value` (or deletes, if it is nothing) if the stored value is `expected` (nothing: no value is stored).
  runtime::Task<Outcome<Swapped>> raw_compare_and_swap(Bytes key, std::optional<Bytes> expected,
                                                       std::optional<Bytes> value);

 private:
  std::shared_ptr<Core> core_;
};

}  // namespace cairn::client
