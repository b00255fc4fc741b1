// The service `pdpb.PD` as a C++ interface: a PD node implements it (pd/), stores and clients call it.
//
// CAIRN_PD_UNARY lists what is built. Tso and QueryRegion are streams on the wire, but each request has exactly one
// answer, in order; here they are calls, and rpc/ keeps the order. RegionHeartbeat is a real two-way stream.
#pragma once

#include <functional>
#include <memory>

#include "api/call.h"
#include "pdpb.pb.h"

// clang-format off
#define CAIRN_PD_UNARY(X)                                                                                       \
  X(GetClusterInfo, get_cluster_info, pdpb::GetClusterInfoRequest, pdpb::GetClusterInfoResponse)                \
  X(GetMembers, get_members, pdpb::GetMembersRequest, pdpb::GetMembersResponse)                                 \
  X(Bootstrap, bootstrap, pdpb::BootstrapRequest, pdpb::BootstrapResponse)                                      \
  X(IsBootstrapped, is_bootstrapped, pdpb::IsBootstrappedRequest, pdpb::IsBootstrappedResponse)                 \
  X(AllocID, alloc_id, pdpb::AllocIDRequest, pdpb::AllocIDResponse)                                             \
  X(IsSnapshotRecovering, is_snapshot_recovering, pdpb::IsSnapshotRecoveringRequest, pdpb::IsSnapshotRecoveringResponse) \
  X(GetStore, get_store, pdpb::GetStoreRequest, pdpb::GetStoreResponse)                                         \
  X(PutStore, put_store, pdpb::PutStoreRequest, pdpb::PutStoreResponse)                                         \
  X(GetAllStores, get_all_stores, pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse)                        \
  X(StoreHeartbeat, store_heartbeat, pdpb::StoreHeartbeatRequest, pdpb::StoreHeartbeatResponse)                 \
  X(GetRegion, get_region, pdpb::GetRegionRequest, pdpb::GetRegionResponse)                                     \
  X(GetPrevRegion, get_prev_region, pdpb::GetRegionRequest, pdpb::GetRegionResponse)                            \
  X(GetRegionByID, get_region_by_id, pdpb::GetRegionByIDRequest, pdpb::GetRegionResponse)                       \
  X(ScanRegions, scan_regions, pdpb::ScanRegionsRequest, pdpb::ScanRegionsResponse)                             \
  X(BatchScanRegions, batch_scan_regions, pdpb::BatchScanRegionsRequest, pdpb::BatchScanRegionsResponse)        \
  X(AskSplit, ask_split, pdpb::AskSplitRequest, pdpb::AskSplitResponse)                                         \
  X(ReportSplit, report_split, pdpb::ReportSplitRequest, pdpb::ReportSplitResponse)                             \
  X(AskBatchSplit, ask_batch_split, pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse)                    \
  X(ReportBatchSplit, report_batch_split, pdpb::ReportBatchSplitRequest, pdpb::ReportBatchSplitResponse)        \
  X(GetClusterConfig, get_cluster_config, pdpb::GetClusterConfigRequest, pdpb::GetClusterConfigResponse)        \
  X(PutClusterConfig, put_cluster_config, pdpb::PutClusterConfigRequest, pdpb::PutClusterConfigResponse)        \
  X(ScatterRegion, scatter_region, pdpb::ScatterRegionRequest, pdpb::ScatterRegionResponse)                     \
  X(GetGCSafePoint, get_gc_safe_point, pdpb::GetGCSafePointRequest, pdpb::GetGCSafePointResponse)               \
  X(UpdateGCSafePoint, update_gc_safe_point, pdpb::UpdateGCSafePointRequest, pdpb::UpdateGCSafePointResponse)   \
  X(UpdateServiceGCSafePoint, update_service_gc_safe_point, pdpb::UpdateServiceGCSafePointRequest, pdpb::UpdateServiceGCSafePointResponse) \
  X(GetGCState, get_gc_state, pdpb::GetGCStateRequest, pdpb::GetGCStateResponse)                                \
  X(GetAllKeyspacesGCStates, get_all_keyspaces_gc_states, pdpb::GetAllKeyspacesGCStatesRequest, pdpb::GetAllKeyspacesGCStatesResponse) \
  X(AdvanceGCSafePoint, advance_gc_safe_point, pdpb::AdvanceGCSafePointRequest, pdpb::AdvanceGCSafePointResponse) \
  X(AdvanceTxnSafePoint, advance_txn_safe_point, pdpb::AdvanceTxnSafePointRequest, pdpb::AdvanceTxnSafePointResponse) \
  X(SetGCBarrier, set_gc_barrier, pdpb::SetGCBarrierRequest, pdpb::SetGCBarrierResponse)                        \
  X(DeleteGCBarrier, delete_gc_barrier, pdpb::DeleteGCBarrierRequest, pdpb::DeleteGCBarrierResponse)            \
  X(SetGlobalGCBarrier, set_global_gc_barrier, pdpb::SetGlobalGCBarrierRequest, pdpb::SetGlobalGCBarrierResponse) \
  X(DeleteGlobalGCBarrier, delete_global_gc_barrier, pdpb::DeleteGlobalGCBarrierRequest, pdpb::DeleteGlobalGCBarrierResponse) \
  X(GetGCSafePointV2, get_gc_safe_point_v2, pdpb::GetGCSafePointV2Request, pdpb::GetGCSafePointV2Response)      \
  X(GetAllGCSafePointV2, get_all_gc_safe_point_v2, pdpb::GetAllGCSafePointV2Request, pdpb::GetAllGCSafePointV2Response) \
  X(UpdateGCSafePointV2, update_gc_safe_point_v2, pdpb::UpdateGCSafePointV2Request, pdpb::UpdateGCSafePointV2Response) \
  X(UpdateServiceSafePointV2, update_service_safe_point_v2, pdpb::UpdateServiceSafePointV2Request, pdpb::UpdateServiceSafePointV2Response) \
  X(GetOperator, get_operator, pdpb::GetOperatorRequest, pdpb::GetOperatorResponse)                             \
  X(GetMinTS, get_min_ts, pdpb::GetMinTSRequest, pdpb::GetMinTSResponse)                                        \
  X(ReportMinResolvedTS, report_min_resolved_ts, pdpb::ReportMinResolvedTsRequest, pdpb::ReportMinResolvedTsResponse)

// Streams of question and answer, in order.
#define CAIRN_PD_ORDERED(X)                                                                                     \
  X(Tso, tso, pdpb::TsoRequest, pdpb::TsoResponse)                                                              \
  X(QueryRegion, query_region, pdpb::QueryRegionRequest, pdpb::QueryRegionResponse)
// clang-format on

namespace cairn::api {

// One store's stream of region heartbeats, the store's end. Messages may be lost when the stream breaks; a leader
// reports again at its next interval.
class RegionHeartbeatStream {
 public:
  virtual ~RegionHeartbeatStream() = default;
  virtual void send(pdpb::RegionHeartbeatRequest request) = 0;
};

// The other end's sink: PD's commands to that store. `on_closed` is called once, when no more will come.
struct RegionHeartbeatSink {
  std::function<void(pdpb::RegionHeartbeatResponse)> on_response;
  std::function<void(Status)> on_closed;
};

class Pd {
 public:
  virtual ~Pd() = default;

#define CAIRN_DECLARE(Rpc, method, Req, Resp) \
  virtual void method(Call<Req, Resp> call) { call.finish({Code::kUnimplemented, #Rpc " is not implemented"}); }
  CAIRN_PD_UNARY(CAIRN_DECLARE)
  CAIRN_PD_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE

  // Opens a stream; the returned end closes it when it dies. The sink is called on the server's or transport's thread.
  virtual std::unique_ptr<RegionHeartbeatStream> open_region_heartbeat(RegionHeartbeatSink sink) = 0;
};

}  // namespace cairn::api
