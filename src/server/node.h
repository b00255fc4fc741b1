// A whole storage node without a network: the services Tikv and Deadlock over a store of regions. rpc/ puts it on a
// port, the simulator connects clients to it directly.
//
//   call ──▶ context.cc   who asks what of which region, until when; is the request well formed?
//         ──▶ a read:      reads.cc, raw.cc: on the calling thread while the region's lease holds and the cache has all
//                          that is asked for (point reads), on the read pool (what needs the disk, scans, batches),
//                          by way of the shard's read index if there is no lease
//         ──▶ a write:     txn_writes.cc, raw.cc: a task on the region's shard
//         ──▶ errors.cc    what went wrong, as errorpb and kvrpcpb say it
//         ──▶ call.finish()
//
// The node decides nothing about data: txn/ and rawkv/ do. It holds no mutable state of its own but metrics, so calls
// may come from any thread.
//
// Life: the node must outlive every call it was given; stop the store's executors before it dies. Calls that were
// under way then finish with UNAVAILABLE when their tasks are dropped.
// Tests: node_test.cc, errors_test.cc, context_test.cc.
#pragma once

#include <cstdint>
#include <memory>

#include "api/deadlock.h"
#include "api/tikv.h"
#include "base/ids.h"
#include "rawkv/api_version.h"
#include "rawkv/causal_timestamps.h"
#include "runtime/clock.h"
#include "runtime/slices.h"

namespace cairn::store {
class Store;
}

namespace cairn::server {

using rawkv::ApiVersion;

struct NodeOptions {
  ClusterId cluster;                                // requests that name another one are refused; unset: not checked
  ApiVersion api_version = ApiVersion::kV1;         // the store's: storage.api-version, storage.enable-ttl
  rawkv::CausalTimestampOptions causal_timestamps;  // causal-ts.*
  size_t key_bytes_max = 8 * 1024;                  // storage.max-key-size, of a user key
  size_t answer_bytes_max = size_t{1} << 30;        // a read whose answer would be larger is refused
  Duration slow_after = 1s;                         // slow-log-threshold; 0: nothing is logged
  size_t plan_bytes_max = size_t{1} << 29;          // memory of one plan of the coprocessor
  size_t plans_bytes_max = size_t{1} << 31;         // and of all together: beyond it, ServerIsBusy
  size_t pool_reads_max = 4000;                     // on the read pool, or waiting for it; more: ServerIsBusy
  runtime::SliceLimits read_slices;                 // after which a read on the pool lets others have their turn
};

class Node : public api::Tikv, public api::Deadlock {
 public:
  // `store` and `clock` must outlive the node.
  Node(store::Store& store, const runtime::Clock& clock, NodeOptions options);
  ~Node() override;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // NodeOptions::pool_reads_max, from now on. Any thread.
  void set_pool_reads_max(size_t reads);

  // NodeOptions::slow_after, from now on. Any thread.
  void set_slow_after(Duration threshold);

  // What every family of handlers works with; defined in parts.h, of no interest to others.
  struct Parts;

#define CAIRN_DECLARE(Rpc, method, Req, Resp, ...) void method(api::Call<Req, Resp> call) override;
  CAIRN_TIKV_BATCHED(CAIRN_DECLARE)
  CAIRN_TIKV_UNARY_ONLY(CAIRN_DECLARE)
#undef CAIRN_DECLARE
  std::optional<kvrpcpb::HealthFeedback> health_feedback() override;
  void get_wait_for_entries(api::Call<deadlock::WaitForEntriesRequest, deadlock::WaitForEntriesResponse> call) override;
  std::unique_ptr<api::DeadlockStream> open_detect(api::DeadlockSink sink) override;

 private:
  std::unique_ptr<Parts> parts_;
};

}  // namespace cairn::server
