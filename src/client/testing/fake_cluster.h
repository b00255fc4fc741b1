// A cluster for the client's tests: a PD that knows a fixed set of regions, and stores that share one small model of
// data (raw pairs, and transactions by Percolator's rules). Each store checks leadership and epoch as a real one does,
// and can be told to refuse, fail or swallow its next requests.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/pd.h"
#include "api/tikv.h"
#include "client/client.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::client::testing {

struct FakeRegion {
  metapb::Region meta;
  uint64_t leader_store = 1;
};

// Peers of a region have the ids 100 * region + store.
FakeRegion make_region(uint64_t id, Bytes start, Bytes end, uint64_t version, std::vector<uint64_t> stores,
                       uint64_t leader_store);

struct FakeLock {
  uint64_t start_ts = 0;
  std::string primary;
  uint64_t ttl_ms = 0;
  uint64_t min_commit_ts = 0;
  std::optional<Bytes> value;  // none: a delete
  bool is_lock_only = false;
  bool is_pessimistic = false;
  uint64_t for_update_ts = 0;
  bool is_async = false;
  std::vector<Bytes> secondaries;
};
struct FakeVersion {
  uint64_t start_ts = 0;
  std::optional<Bytes> value;
  bool changes_value = true;
};
struct FakeRow {
  std::optional<FakeLock> lock;
  std::map<uint64_t, FakeVersion> versions;  // by commit timestamp
  std::set<uint64_t> rolled_back;
};

// What all stores and the PD see.
struct FakeWorld {
  std::vector<FakeRegion> regions;  // as the stores know them
  std::vector<FakeRegion> pd_view;  // as PD knows them
  std::map<Bytes, Bytes> raw;
  std::map<Bytes, FakeRow> rows;
  uint64_t next_ts = uint64_t{1000} << 18;
  runtime::Executor* tso_answers_on = nullptr;  // set: timestamps come a millisecond later
  int tso_requests = 0;
  int region_requests = 0;

  uint64_t tso() { return ++next_ts; }
  FakeRegion* find(uint64_t id);
};

class FakePd : public api::Pd {
 public:
  explicit FakePd(FakeWorld& world) : world_(world) {}
  void tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) override;
  void get_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) override;
  void get_prev_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) override;
  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink) override {
    return nullptr;
  }

 private:
  FakeWorld& world_;
};

// What happens to the next requests, one each; then all is well.
struct Trouble {
  errorpb::Error region_error;        // set: the answer
  std::optional<api::Status> status;  // set: the call fails
  bool is_lost_before = false;        // never executed, never answered
  bool is_lost_after = false;         // executed, never answered
};

class FakeStore : public api::Tikv {
 public:
  FakeStore(FakeWorld& world, uint64_t id) : world_(world), id_(id) {}

  std::deque<Trouble> troubles;
  std::map<std::string, int> calls;
  // A store that never commits in one phase, or asynchronously.
  bool refuses_one_pc = false;
  bool refuses_async = false;
  // Asking for a lock of this key would close a circle.
  Bytes deadlock_at;
  // Runs before a request of that name is executed.
  std::map<std::string, std::function<void()>> before;

#define CAIRN_DECLARE(name, Req, Resp) void name(api::Call<kvrpcpb::Req, kvrpcpb::Resp> call) override
  CAIRN_DECLARE(raw_get, RawGetRequest, RawGetResponse);
  CAIRN_DECLARE(raw_put, RawPutRequest, RawPutResponse);
  CAIRN_DECLARE(raw_batch_put, RawBatchPutRequest, RawBatchPutResponse);
  CAIRN_DECLARE(raw_scan, RawScanRequest, RawScanResponse);
  CAIRN_DECLARE(raw_compare_and_swap, RawCASRequest, RawCASResponse);
  CAIRN_DECLARE(kv_get, GetRequest, GetResponse);
  CAIRN_DECLARE(kv_batch_get, BatchGetRequest, BatchGetResponse);
  CAIRN_DECLARE(kv_scan, ScanRequest, ScanResponse);
  CAIRN_DECLARE(kv_prewrite, PrewriteRequest, PrewriteResponse);
  CAIRN_DECLARE(kv_commit, CommitRequest, CommitResponse);
  CAIRN_DECLARE(kv_batch_rollback, BatchRollbackRequest, BatchRollbackResponse);
  CAIRN_DECLARE(kv_check_txn_status, CheckTxnStatusRequest, CheckTxnStatusResponse);
  CAIRN_DECLARE(kv_check_secondary_locks, CheckSecondaryLocksRequest, CheckSecondaryLocksResponse);
  CAIRN_DECLARE(kv_resolve_lock, ResolveLockRequest, ResolveLockResponse);
  CAIRN_DECLARE(kv_pessimistic_lock, PessimisticLockRequest, PessimisticLockResponse);
  CAIRN_DECLARE(kv_pessimistic_rollback, PessimisticRollbackRequest, PessimisticRollbackResponse);
  CAIRN_DECLARE(kv_txn_heart_beat, TxnHeartBeatRequest, TxnHeartBeatResponse);
#undef CAIRN_DECLARE

 private:
  // Runs `execute(request, response)` unless a trouble or the region says otherwise.
  template <class Call, class Execute>
  void serve(const char* name, Call call, Execute execute);
  std::optional<errorpb::Error> check(const kvrpcpb::Context& context);

  FakeWorld& world_;
  uint64_t id_;
  std::vector<std::shared_ptr<void>> swallowed_;  // calls that are never answered
};

// A client in front of three such stores, on a simulated loop.
class FakeCluster {
 public:
  explicit FakeCluster(Options options = {});

  FakeWorld world;
  runtime::SimLoop loop{7};
  runtime::SimClock clock{loop};
  runtime::SimExecutors executors{loop, clock, "client"};
  std::shared_ptr<runtime::Executor> executor = executors.make("client");
  FakePd pd{world};
  std::map<uint64_t, std::unique_ptr<FakeStore>> stores;
  std::unique_ptr<Client> client;

  // Runs the task to its end on the client's executor.
  template <class T>
  T run(runtime::Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    runtime::spawn(*executor, keep(std::move(task), result));
    const bool ended = loop.run_until([result] { return result->has_value(); }, 120s);
    CHECK(ended, "the task does not end");
    return std::move(**result);
  }
  // Lets what runs in the background come to its end.
  void settle() { loop.run_for(60s); }

 private:
  template <class T>
  static runtime::Task<void> keep(runtime::Task<T> task, std::shared_ptr<std::optional<T>> to) {
    to->emplace(co_await std::move(task));
  }
};

}  // namespace cairn::client::testing
