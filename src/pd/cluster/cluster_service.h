// ClusterService: the cluster's record and its stores: bootstrap, registration, heartbeats, removal. Owned by NodeCore,
// on "pd". Files: cluster_service.cc (the cluster), cluster_stores.cc. Tests: node_stores_test.cc, node_test.cc.
#pragma once

#include <functional>
#include <optional>

#include "api/admin.h"
#include "api/pd.h"
#include "pd/cluster/region_tree.h"
#include "pd/cluster/stores.h"
#include "pd/config.h"
#include "pd/keyspace/keyspace_service.h"
#include "pd/member/leadership.h"

namespace cairn::pd {

class ClusterService {
 public:
  // `on_registered` runs when a store has registered itself.
  ClusterService(Leadership& leadership, const ScheduleConfig& config, RegionTree& regions, KeyspaceService& keyspaces,
                 std::function<void()> on_registered)
      : leadership_(leadership),
        config_(config),
        regions_(regions),
        keyspaces_(keyspaces),
        on_registered_(std::move(on_registered)),
        stores_(config),
        lane_(leadership.executor(), 1) {}

  // A leadership begins: loads what the meta store holds; no region is known yet.
  void begin();
  // Stores that have given away or taken over enough change their states; now and then.
  void advance_store_states();
  const Stores& stores() const { return stores_; }

  void is_bootstrapped(api::Call<pdpb::IsBootstrappedRequest, pdpb::IsBootstrappedResponse> call);
  void bootstrap(api::Call<pdpb::BootstrapRequest, pdpb::BootstrapResponse> call);
  void get_cluster_config(api::Call<pdpb::GetClusterConfigRequest, pdpb::GetClusterConfigResponse> call);
  void put_cluster_config(api::Call<pdpb::PutClusterConfigRequest, pdpb::PutClusterConfigResponse> call);
  void get_store(api::Call<pdpb::GetStoreRequest, pdpb::GetStoreResponse> call);
  void put_store(api::Call<pdpb::PutStoreRequest, pdpb::PutStoreResponse> call);
  void get_all_stores(api::Call<pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse> call);
  void store_heartbeat(api::Call<pdpb::StoreHeartbeatRequest, pdpb::StoreHeartbeatResponse> call);
  void report_min_resolved_ts(api::Call<pdpb::ReportMinResolvedTsRequest, pdpb::ReportMinResolvedTsResponse> call);
#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call);
  CAIRN_ADMIN_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE

 private:
  template <class T>
  using Task = runtime::Task<T>;

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
  Task<void> advance_store_state(StoreId store, metapb::NodeState to);

  Leadership& leadership_;
  const ScheduleConfig& config_;
  RegionTree& regions_;
  KeyspaceService& keyspaces_;
  const std::function<void()> on_registered_;
  std::optional<metapb::Cluster> cluster_;  // none before the bootstrap
  Stores stores_;
  runtime::Semaphore lane_;
};

}  // namespace cairn::pd
