// NodeCore: the actor behind pd::Node. All of it runs on the executor "pd". It ties the pure parts together: what a
// call needs of the durable state goes through the group as one transaction; what heartbeats say stays in memory.
//
// Serving: the state below is valid while `serving_`, which begins when leadership has begun, the state is loaded and
// the first bound of timestamps is saved, and ends with the leadership. Changes of the same record wait for one another
// in a lane (a semaphore of one), so that a decision rests on what the one before it left.
//
// Files: node_core.cc (life, leadership, admission), node_tso.cc (timestamps and ids), node_cluster.cc (members,
// bootstrap), node_stores.cc, node_regions.cc (heartbeats, routing, splits), node_schedule.cc (operators), node_gc.cc,
// node_keyspace.cc, node_etcd.cc. Tests: those with NodeTest (testing/node_fixture.h).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pd/cluster/region_scan.h"
#include "pd/cluster/region_tree.h"
#include "pd/cluster/stores.h"
#include "pd/gc/gc_owner.h"
#include "pd/gc/gc_state.h"
#include "pd/meta/etcd_limits.h"
#include "pd/meta/keys.h"
#include "pd/meta/lease_deadlines.h"
#include "pd/meta/meta_group.h"
#include "pd/node/node.h"
#include "pd/node/node_metrics.h"
#include "pd/schedule/operator_controller.h"
#include "pd/tso/id_allocator.h"
#include "pd/tso/tso.h"
#include "runtime/async.h"
#include "runtime/random.h"

namespace cairn::pd {

class NodeCore : public std::enable_shared_from_this<NodeCore> {
 public:
  NodeCore(Options options, Dependencies dependencies, std::shared_ptr<runtime::Executor> executor);

  void start(std::function<void(api::Status)> on_ready);
  void stop(std::function<void()> on_done);
  void receive(ByteView message) { group_.receive(message); }

#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call);
  CAIRN_PD_UNARY(CAIRN_DECLARE)
  CAIRN_PD_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE
  // The same of the etcd API, which has other names for the same words.
#define CAIRN_DECLARE(Service, Rpc, method, Req, Resp) void etcd_##method(api::Call<Req, Resp> call);
  CAIRN_ETCD_UNARY(CAIRN_DECLARE)
  CAIRN_ETCD_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE

#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call);
  CAIRN_KEYSPACE_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE
#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call);
  CAIRN_ADMIN_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE
#define CAIRN_DECLARE(Rpc, method, Req, Resp) void meta_##method(api::Call<Req, Resp> call);
  CAIRN_META_STORAGE_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE

  // How replicas are placed from now on.
  void reconfigure(const ScheduleConfig& schedule) { options_.schedule = schedule; }

  void open_stream(uint64_t stream, api::RegionHeartbeatSink sink);
  void region_heartbeat(uint64_t stream, pdpb::RegionHeartbeatRequest request);
  void close_stream(uint64_t stream);
  // Whether it is for this node to collect garbage.
  void ask_gc_turn(std::function<void(api::GcTurn)> done);

 private:
  template <class T>
  using Task = runtime::Task<T>;

  // --- life (node_core.cc)
  void on_leadership(bool leads);
  Task<void> begin_leadership(uint64_t leadership);
  Task<bool> choose_cluster_id(uint64_t leadership);
  void load_cluster();
  void end_leadership();
  void ready(api::Status status);
  void arm_timer();
  void on_timer();
  // The node cannot serve what the disk holds: tells who started it, and whoever ends the process.
  void fail_start(api::Status status);
  // Commits one transaction of PD's own records, or another command of the store.
  Task<CommandResult> commit(MetaTxn txn);
  Task<CommandResult> run(Bytes command);
  // Runs `story` as a task of this node; false, and it is dropped, if the node stops. A task keeps the node alive:
  // where an executor is killed under it, both stay behind, untouched.
  bool spawn(Task<void> story);
  static Task<void> run_counted(std::shared_ptr<NodeCore> self, Task<void> story);
  void notify_stopped();

  // --- admission (node_core.cc): each answers the call and returns false if it may not go on
  template <class Call>
  bool admit(Call& call, bool check_cluster_id = true);
  // Likewise, and the cluster must be bootstrapped.
  template <class Call>
  bool admit_bootstrapped(Call& call);
  template <class Call>
  void finish(Call call) {
    call.response().mutable_header()->set_cluster_id(cluster_id_);
    call.finish();
  }
  template <class Call>
  void refuse(Call call, pdpb::Error error) {
    *call.response().mutable_header()->mutable_error() = std::move(error);
    finish(std::move(call));
  }
  template <class Call>
  void refuse(Call call, pdpb::ErrorType type, std::string message) {
    pdpb::Error error;
    error.set_type(type);
    error.set_message(std::move(message));
    refuse(std::move(call), std::move(error));
  }

  // --- timestamps and ids (node_tso.cc)
  uint64_t wall_ms() const { return dependencies_.clock.wall_now().ms(); }
  void save_tso_bound();
  void on_tso_bound_saved(uint64_t leadership, uint64_t bound_ms, CommandResult result);
  void drain_tso();
  // Arranges that those who wait are looked at again.
  void wait_for_tso();
  bool answer_tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse>& call);
  std::optional<uint64_t> allocate_ids(uint64_t count);
  Task<Result<uint64_t, api::Status>> take_ids(uint64_t count);
  Task<void> serve_alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call);

  // --- cluster and stores (node_cluster.cc)
  Task<void> serve_bootstrap(api::Call<pdpb::BootstrapRequest, pdpb::BootstrapResponse> call);
  Task<void> serve_put_store(api::Call<pdpb::PutStoreRequest, pdpb::PutStoreResponse> call);
  Task<void> serve_put_cluster_config(api::Call<pdpb::PutClusterConfigRequest, pdpb::PutClusterConfigResponse> call);
  Task<api::Status> save_store(metapb::Store record);
  // Saves a store's record as `change` makes it of what is there now.
  template <class Call, class Change>
  Task<void> serve_store_change(Call call, Change change);
  Task<void> serve_remove_tombstones(
      api::Call<cairnpb::RemoveTombstonesRequest, cairnpb::RemoveTombstonesResponse> call);
  Task<void> save_heartbeat(StoreId store);
  void advance_store_states();
  Task<void> advance_store_state(StoreId store, metapb::NodeState to);
  void fill_member(const MemberInfo& member, pdpb::Member& out) const;

  // --- regions (node_regions.cc)
  template <class Region>
  static void fill_region(const RegionInfo& region, Region& out);
  // Serves a scan: a small one at once, a large one in slices. `fill` puts one region into the response.
  template <class Call, class Fill>
  void scan_for(Call call, RegionScan scan, Fill fill);
  template <class Call, class Fill>
  Task<void> serve_wide_scan(Call call, RegionScan scan, Fill fill);
  // Finishes the call if the scan ended with an error.
  template <class Call>
  void end_scan(Call& call, const RegionScan& scan);
  Task<void> serve_ask_split(api::Call<pdpb::AskSplitRequest, pdpb::AskSplitResponse> call);
  Task<void> serve_ask_batch_split(api::Call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse> call);
  // Why the region may not be split as it is described; empty if it may.
  std::string refuse_split(const metapb::Region& region) const;
  void send_to_store(StoreId store, pdpb::RegionHeartbeatResponse response);

  // --- scheduling (node_schedule.cc)
  ClusterView view() const;
  void check_region(const RegionPtr& region, ClusterView& cluster);
  void patrol();
  void dispatch(const RegionInfo& region);

  // --- garbage collection (node_gc.cc)
  GcRecords gc_records() const;
  uint64_t wall_seconds() const { return dependencies_.clock.wall_now().seconds(); }
  // Decides on the records as they are when its turn comes, commits, and answers. `act`: the name of what only the
  // owner of the garbage does; empty for what anybody may do.
  template <class Call, class Decide>
  Task<void> serve_gc(Call call, Decide decide, std::string act = {});
  // The own collector's act is refused (the answer says why) while another is the owner; any other's act makes it so.
  std::optional<std::string> judge_gc_act(const pdpb::RequestHeader& header, const std::string& act, MetaTxn& writes);
  Task<void> serve_gc_turn(std::function<void(api::GcTurn)> done);

  // --- keyspaces (node_keyspace.cc)
  // Makes DEFAULT and those of the options that are not there; empty, or why it could not.
  Task<std::string> make_keyspaces(uint64_t leadership);
  Task<void> serve_update_keyspace_state(
      api::Call<keyspacepb::UpdateKeyspaceStateRequest, keyspacepb::UpdateKeyspaceStateResponse> call);

  // --- etcd (node_etcd.cc)
  template <class Header>
  void fill_etcd_header(Header* header, int64_t revision) const;
  template <class Call>
  bool admit_etcd(Call& call);
  template <class Call>
  void propose_etcd(Call call, Bytes command, std::function<void(Call&, CommandResult&)> fill);
  EtcdUsage etcd_usage() const;
  // Why the transaction does not go into the log.
  api::Status judge_txn(const etcdserverpb::TxnRequest& txn) const;
  template <class Call>
  void propose_etcd_txn(Call call, const etcdserverpb::TxnRequest& txn,
                        std::function<void(Call&, CommandResult&)> fill);
  template <class Call>
  void finish_meta(Call call, const api::Status& status);
  template <class Call>
  void propose_meta(Call call, const etcdserverpb::TxnRequest& txn, std::function<void(Call&, CommandResult&)> fill);
  void expire_leases();
  void refresh_lease(int64_t id);

  Options options_;
  Dependencies dependencies_;
  std::shared_ptr<runtime::Executor> executor_;
  std::shared_ptr<runtime::Executor> log_executor_;
  std::shared_ptr<runtime::Executor> scan_executor_;  // builds large answers of immutable parts
  runtime::Random random_;
  MetaGroup group_;
  int running_tasks_ = 0;
  bool log_idle_ = false;  // stopping, and no write is under way any more
  std::function<void()> on_stopped_;
  NodeMetrics metrics_;

  bool started_ = false;
  bool stopping_ = false;
  std::function<void(api::Status)> on_ready_;
  runtime::TimerId timer_;
  Instant next_patrol_;
  Instant next_lease_check_;

  // Valid while serving.
  bool serving_ = false;
  uint64_t leadership_ = 0;  // counts them: an answer of an earlier one is not for this one
  uint64_t cluster_id_ = 0;
  Keys keys_;
  std::optional<metapb::Cluster> cluster_;  // none before the bootstrap
  Stores stores_;
  RegionTree regions_;
  OperatorController operators_;
  std::optional<Bytes> patrol_at_;
  LeaseDeadlines lease_deadlines_;

  TsoOracle tso_;
  bool saving_tso_ = false;
  bool tso_retry_armed_ = false;
  std::deque<api::Call<pdpb::TsoRequest, pdpb::TsoResponse>> tso_waiting_;
  IdAllocator ids_;
  bool saving_ids_ = false;
  runtime::Semaphore ids_lane_;
  runtime::Semaphore cluster_lane_;
  runtime::Semaphore gc_lane_;
  runtime::Semaphore scan_lane_;
  int wide_scans_ = 0;  // under way or waiting

  struct Stream {
    api::RegionHeartbeatSink sink;
    StoreId store;  // told by the first report
  };
  std::map<uint64_t, Stream> streams_;
};

template <class Call>
bool NodeCore::admit(Call& call, bool check_cluster_id) {
  if (!serving_ || stopping_ || !group_.is_leader()) {
    call.finish(MetaGroup::not_leader());
    return false;
  }
  const uint64_t asked = call.request().header().cluster_id();
  if (check_cluster_id && asked != cluster_id_) {
    call.finish(
        {api::Code::kFailedPrecondition, fmt::format("mismatch cluster id, need {} but got {}", cluster_id_, asked)});
    return false;
  }
  return true;
}

template <class Call>
bool NodeCore::admit_bootstrapped(Call& call) {
  if (!admit(call)) return false;
  if (cluster_) return true;
  refuse(std::move(call), pdpb::NOT_BOOTSTRAPPED, "cluster is not bootstrapped");
  return false;
}

}  // namespace cairn::pd
