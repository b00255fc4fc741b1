// Garbage collection bounds: the rules are gc_state's, one decision at a time.
#include "pd/node_core.h"

namespace cairn::pd {
namespace {

constexpr uint32_t kNullKeyspace = 0xFFFFFFFF;

template <class Request>
bool is_null_keyspace(const Request& request) {
  const auto& scope = request.keyspace_scope();
  return !scope.has_keyspace_identity() && (!scope.has_keyspace_id() || scope.keyspace_id() == kNullKeyspace);
}

void fill_barrier(const std::string& id, const GcBarrier& barrier, uint64_t now_s, auto& out) {
  out.set_barrier_id(id);
  out.set_barrier_ts(barrier.ts);
  out.set_ttl_seconds(barrier.ttl(now_s));
}

void fill_state(const GcRecords& records, uint64_t now_s, bool with_barriers, pdpb::GCState& out) {
  out.set_txn_safe_point(records.txn_safe_point);
  out.set_gc_safe_point(records.gc_safe_point);
  if (!with_barriers) return;
  for (const auto& [id, barrier] : records.barriers) {
    if (!barrier.is_expired(now_s)) fill_barrier(id, barrier, now_s, *out.add_gc_barriers());
  }
}

const std::string kNotKeyspaceLevel = "keyspace-level gc is not enabled, the keyspace has no gc state of its own";

}  // namespace

GcRecords NodeCore::gc_records() const { return GcRecords::load(group_.store(), keys_); }

template <class Call, class Decide>
runtime::Task<void> NodeCore::serve_gc(Call call, Decide decide) {
  co_await gc_lane_.acquire();
  if (!serving_ || !group_.is_leader()) {
    call.finish(MetaGroup::not_leader());
  } else {
    GcResult<MetaTxn> writes = decide(gc_records(), call.request(), call.response());
    if (!writes.ok()) {
      refuse(std::move(call), pdpb::UNKNOWN, std::move(writes).error());
    } else if (writes->request().success().empty()) {
      finish(std::move(call));
    } else {
      auto result = co_await commit(std::move(*writes));
      if (result.status.ok()) {
        finish(std::move(call));
      } else {
        call.finish(std::move(result.status));
      }
    }
  }
  gc_lane_.release();
}

void NodeCore::get_gc_safe_point(api::Call<pdpb::GetGCSafePointRequest, pdpb::GetGCSafePointResponse> call) {
  if (!admit_bootstrapped(call)) return;
  call.response().set_safe_point(gc_records().gc_safe_point);
  finish(std::move(call));
}

void NodeCore::update_gc_safe_point(api::Call<pdpb::UpdateGCSafePointRequest, pdpb::UpdateGCSafePointResponse> call) {
  if (!admit_bootstrapped(call)) return;
  spawn(serve_gc(std::move(call),
                 [keys = keys_](const GcRecords& records, const pdpb::UpdateGCSafePointRequest& request,
                                pdpb::UpdateGCSafePointResponse& response) -> GcResult<MetaTxn> {
                   TRY_ASSIGN(auto move, pd::update_gc_safe_point(records, keys, request.safe_point()));
                   response.set_new_safe_point(move.new_value);
                   return std::move(move.writes);
                 }));
}

void NodeCore::advance_gc_safe_point(
    api::Call<pdpb::AdvanceGCSafePointRequest, pdpb::AdvanceGCSafePointResponse> call) {
  if (!admit_bootstrapped(call)) return;
  spawn(serve_gc(std::move(call),
                 [keys = keys_](const GcRecords& records, const pdpb::AdvanceGCSafePointRequest& request,
                                pdpb::AdvanceGCSafePointResponse& response) -> GcResult<MetaTxn> {
                   if (!is_null_keyspace(request)) return Err(kNotKeyspaceLevel);
                   TRY_ASSIGN(auto move, pd::advance_gc_safe_point(records, keys, request.target()));
                   response.set_old_gc_safe_point(move.old_value);
                   response.set_new_gc_safe_point(move.new_value);
                   return std::move(move.writes);
                 }));
}

void NodeCore::advance_txn_safe_point(
    api::Call<pdpb::AdvanceTxnSafePointRequest, pdpb::AdvanceTxnSafePointResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const auto now_s = wall_seconds();
  spawn(serve_gc(std::move(call),
                 [keys = keys_, now_s](const GcRecords& records, const pdpb::AdvanceTxnSafePointRequest& request,
                                       pdpb::AdvanceTxnSafePointResponse& response) -> GcResult<MetaTxn> {
                   if (!is_null_keyspace(request)) return Err(kNotKeyspaceLevel);
                   TRY_ASSIGN(auto move, pd::advance_txn_safe_point(records, keys, request.target(), now_s));
                   response.set_old_txn_safe_point(move.old_value);
                   response.set_new_txn_safe_point(move.new_value);
                   response.set_blocker_description(move.blocker_description);
                   return std::move(move.writes);
                 }));
}

void NodeCore::update_service_gc_safe_point(
    api::Call<pdpb::UpdateServiceGCSafePointRequest, pdpb::UpdateServiceGCSafePointResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const auto now_s = wall_seconds();
  spawn(serve_gc(std::move(call),
                 [keys = keys_, now_s](const GcRecords& records, const pdpb::UpdateServiceGCSafePointRequest& request,
                                       pdpb::UpdateServiceGCSafePointResponse& response) -> GcResult<MetaTxn> {
                   TRY_ASSIGN(auto out, update_service_safe_point(records, keys, request.service_id(),
                                                                  request.safe_point(), request.ttl(), now_s));
                   response.set_service_id(out.service_id);
                   response.set_ttl(out.ttl);
                   response.set_min_safe_point(out.min_safe_point);
                   return std::move(out.writes);
                 }));
}

void NodeCore::set_gc_barrier(api::Call<pdpb::SetGCBarrierRequest, pdpb::SetGCBarrierResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const auto now_s = wall_seconds();
  spawn(serve_gc(std::move(call),
                 [keys = keys_, now_s](const GcRecords& records, const pdpb::SetGCBarrierRequest& request,
                                       pdpb::SetGCBarrierResponse& response) -> GcResult<MetaTxn> {
                   TRY_ASSIGN(auto change, set_barrier(records, keys.barrier_prefix(), request.barrier_id(),
                                                       request.barrier_ts(), request.ttl_seconds(), now_s));
                   fill_barrier(request.barrier_id(), *change.barrier, now_s, *response.mutable_new_barrier_info());
                   return std::move(change.writes);
                 }));
}

void NodeCore::delete_gc_barrier(api::Call<pdpb::DeleteGCBarrierRequest, pdpb::DeleteGCBarrierResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const auto now_s = wall_seconds();
  spawn(
      serve_gc(std::move(call),
               [keys = keys_, now_s](const GcRecords& records, const pdpb::DeleteGCBarrierRequest& request,
                                     pdpb::DeleteGCBarrierResponse& response) -> GcResult<MetaTxn> {
                 TRY_ASSIGN(auto change, delete_barrier(records.barriers, keys.barrier_prefix(), request.barrier_id()));
                 if (change.barrier) {
                   fill_barrier(request.barrier_id(), *change.barrier, now_s, *response.mutable_deleted_barrier_info());
                 }
                 return std::move(change.writes);
               }));
}

void NodeCore::get_gc_state(api::Call<pdpb::GetGCStateRequest, pdpb::GetGCStateResponse> call) {
  if (!admit(call)) return;
  auto& state = *call.response().mutable_gc_state();
  *state.mutable_keyspace_scope() = call.request().keyspace_scope();
  fill_state(gc_records(), wall_seconds(), !call.request().exclude_gc_barriers(), state);
  finish(std::move(call));
}

void NodeCore::get_all_keyspaces_gc_states(
    api::Call<pdpb::GetAllKeyspacesGCStatesRequest, pdpb::GetAllKeyspacesGCStatesResponse> call) {
  if (!admit(call)) return;
  const auto records = gc_records();
  const auto now_s = wall_seconds();
  auto& state = *call.response().add_gc_states();
  state.mutable_keyspace_scope()->set_keyspace_id(kNullKeyspace);
  fill_state(records, now_s, !call.request().exclude_gc_barriers(), state);
  if (!call.request().exclude_global_gc_barriers()) {
    for (const auto& [id, barrier] : records.global_barriers) {
      if (!barrier.is_expired(now_s)) fill_barrier(id, barrier, now_s, *call.response().add_global_gc_barriers());
    }
  }
  finish(std::move(call));
}

}  // namespace cairn::pd
