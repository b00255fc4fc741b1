#include "pd/gc/gc_service.h"

#include "pd/gc/gc_owner.h"
#include "pd/gc/gc_state.h"

namespace cairn::pd {
namespace {

constexpr uint32_t kNullKeyspace = 0xFFFFFFFF;

// `scope`: a message that names a keyspace, or none.
template <class Scope>
bool is_null_keyspace(const Scope& scope) {
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

// The old call of services: one of them is the owner of the garbage.
std::string act_of_service(const std::string& service) { return service == kGcWorker ? "the service gc_worker" : ""; }

const std::string kNotKeyspaceLevel = "keyspace-level gc is not enabled, the keyspace has no gc state of its own";

}  // namespace

GcRecords GcService::records() const { return GcRecords::load(leadership_.group().store(), leadership_.keys()); }

std::optional<std::string> GcService::judge_act(const pdpb::RequestHeader& header, const std::string& act,
                                                MetaTxn& writes) {
  const auto ownership = GcOwnership::load(leadership_.group().store(), leadership_.keys());
  const auto now_s = leadership_.wall_seconds();
  if (header.sender_id() != member_id_) {
    remember_other_owner(ownership, leadership_.keys(), act, now_s, writes);
    return std::nullopt;
  }
  return ownership.objection(now_s, takeover_delay_);
}

template <class Call, class Decide>
runtime::Task<void> GcService::serve(Call call, Decide decide, std::string act) {
  co_await lane_.acquire();
  if (!leadership_.can_serve()) {
    call.finish(MetaGroup::not_leader());
    lane_.release();
    co_return;
  }
  // Another owner is remembered even if its call is refused: a SQL server that joins a cluster may ask for less than
  // what was collected already.
  MetaTxn writes;
  std::optional<std::string> refusal;
  if (!act.empty()) refusal = judge_act(call.request().header(), act, writes);
  if (!refusal) {
    GcResult<MetaTxn> decided = decide(records(), call.request(), call.response());
    if (decided.ok()) {
      writes.append(*decided);
    } else {
      refusal = std::move(decided).error();
    }
  }
  api::Status status;
  if (writes.has_writes()) status = (co_await leadership_.commit(std::move(writes))).status;
  if (!status.ok()) {
    call.finish(std::move(status));
  } else if (refusal) {
    leadership_.refuse(std::move(call), pdpb::UNKNOWN, std::move(*refusal));
  } else {
    leadership_.finish(std::move(call));
  }
  lane_.release();
}

void GcService::ask_turn(std::function<void(api::GcTurn)> done) {
  if (leadership_.is_stopping() || !leadership_.can_serve() || !leadership_.is_bootstrapped()) return done({});
  leadership_.spawn(serve_turn(std::move(done)));
}

runtime::Task<void> GcService::serve_turn(std::function<void(api::GcTurn)> done) {
  co_await lane_.acquire();
  api::GcTurn turn;
  turn.is_serving = leadership_.can_serve();
  if (turn.is_serving) {
    const auto ownership = GcOwnership::load(leadership_.group().store(), leadership_.keys());
    turn.cluster = ClusterId(leadership_.cluster_id());
    turn.member = member_id_;
    turn.other_owner = ownership.objection(leadership_.wall_seconds(), takeover_delay_).value_or("");
    const auto known = records();
    turn.txn_safe_point = Timestamp(known.txn_safe_point);
    turn.gc_safe_point = Timestamp(known.gc_safe_point);
    if (!ownership.sql_server.empty()) {
      MetaTxn writes;
      remember_other_owner(ownership, leadership_.keys(), "a SQL server", leadership_.wall_seconds(), writes);
      if (writes.has_writes()) co_await leadership_.commit(std::move(writes));
    }
  }
  lane_.release();
  done(std::move(turn));
}

void GcService::get_gc_safe_point(api::Call<pdpb::GetGCSafePointRequest, pdpb::GetGCSafePointResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  call.response().set_safe_point(records().gc_safe_point);
  leadership_.finish(std::move(call));
}

void GcService::update_gc_safe_point(api::Call<pdpb::UpdateGCSafePointRequest, pdpb::UpdateGCSafePointResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const std::string act = call.request().safe_point() == 0 ? "" : "a caller of UpdateGCSafePoint";  // 0: a question
  leadership_.spawn(serve(
      std::move(call),
      [keys = leadership_.keys()](const GcRecords& records, const pdpb::UpdateGCSafePointRequest& request,
                                  pdpb::UpdateGCSafePointResponse& response) -> GcResult<MetaTxn> {
        TRY_ASSIGN(auto move, pd::update_gc_safe_point(records, keys, request.safe_point()));
        response.set_new_safe_point(move.new_value);
        return std::move(move.writes);
      },
      act));
}

void GcService::advance_gc_safe_point(
    api::Call<pdpb::AdvanceGCSafePointRequest, pdpb::AdvanceGCSafePointResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  leadership_.spawn(serve(
      std::move(call),
      [keys = leadership_.keys()](const GcRecords& records, const pdpb::AdvanceGCSafePointRequest& request,
                                  pdpb::AdvanceGCSafePointResponse& response) -> GcResult<MetaTxn> {
        if (!is_null_keyspace(request.keyspace_scope())) return Err(kNotKeyspaceLevel);
        TRY_ASSIGN(auto move, pd::advance_gc_safe_point(records, keys, request.target()));
        response.set_old_gc_safe_point(move.old_value);
        response.set_new_gc_safe_point(move.new_value);
        return std::move(move.writes);
      },
      "a caller of AdvanceGCSafePoint"));
}

void GcService::advance_txn_safe_point(
    api::Call<pdpb::AdvanceTxnSafePointRequest, pdpb::AdvanceTxnSafePointResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto now_s = leadership_.wall_seconds();
  leadership_.spawn(serve(
      std::move(call),
      [keys = leadership_.keys(), now_s](const GcRecords& records, const pdpb::AdvanceTxnSafePointRequest& request,
                                         pdpb::AdvanceTxnSafePointResponse& response) -> GcResult<MetaTxn> {
        if (!is_null_keyspace(request.keyspace_scope())) return Err(kNotKeyspaceLevel);
        TRY_ASSIGN(auto move, pd::advance_txn_safe_point(records, keys, request.target(), now_s));
        response.set_old_txn_safe_point(move.old_value);
        response.set_new_txn_safe_point(move.new_value);
        response.set_blocker_description(move.blocker_description);
        return std::move(move.writes);
      },
      "a caller of AdvanceTxnSafePoint"));
}

void GcService::update_service_gc_safe_point(
    api::Call<pdpb::UpdateServiceGCSafePointRequest, pdpb::UpdateServiceGCSafePointResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const std::string act = act_of_service(call.request().service_id());
  const auto now_s = leadership_.wall_seconds();
  leadership_.spawn(serve(
      std::move(call),
      [keys = leadership_.keys(), now_s](const GcRecords& records, const pdpb::UpdateServiceGCSafePointRequest& request,
                                         pdpb::UpdateServiceGCSafePointResponse& response) -> GcResult<MetaTxn> {
        TRY_ASSIGN(auto out, update_service_safe_point(records, keys, request.service_id(), request.safe_point(),
                                                       request.ttl(), now_s));
        response.set_service_id(out.service_id);
        response.set_ttl(out.ttl);
        response.set_min_safe_point(out.min_safe_point);
        return std::move(out.writes);
      },
      act));
}

void GcService::set_gc_barrier(api::Call<pdpb::SetGCBarrierRequest, pdpb::SetGCBarrierResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto now_s = leadership_.wall_seconds();
  leadership_.spawn(serve(
      std::move(call),
      [keys = leadership_.keys(), now_s](const GcRecords& records, const pdpb::SetGCBarrierRequest& request,
                                         pdpb::SetGCBarrierResponse& response) -> GcResult<MetaTxn> {
        TRY_ASSIGN(auto change, set_barrier(records.barriers, records.txn_safe_point, keys.barrier_prefix(),
                                            request.barrier_id(), request.barrier_ts(), request.ttl_seconds(), now_s));
        fill_barrier(request.barrier_id(), *change.barrier, now_s, *response.mutable_new_barrier_info());
        return std::move(change.writes);
      }));
}

void GcService::delete_gc_barrier(api::Call<pdpb::DeleteGCBarrierRequest, pdpb::DeleteGCBarrierResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto now_s = leadership_.wall_seconds();
  leadership_.spawn(
      serve(std::move(call),
            [keys = leadership_.keys(), now_s](const GcRecords& records, const pdpb::DeleteGCBarrierRequest& request,
                                               pdpb::DeleteGCBarrierResponse& response) -> GcResult<MetaTxn> {
              TRY_ASSIGN(auto change, delete_barrier(records.barriers, keys.barrier_prefix(), request.barrier_id()));
              if (change.barrier) {
                fill_barrier(request.barrier_id(), *change.barrier, now_s, *response.mutable_deleted_barrier_info());
              }
              return std::move(change.writes);
            }));
}

void GcService::set_global_gc_barrier(
    api::Call<pdpb::SetGlobalGCBarrierRequest, pdpb::SetGlobalGCBarrierResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto now_s = leadership_.wall_seconds();
  leadership_.spawn(
      serve(std::move(call),
            [keys = leadership_.keys(), now_s](const GcRecords& records, const pdpb::SetGlobalGCBarrierRequest& request,
                                               pdpb::SetGlobalGCBarrierResponse& response) -> GcResult<MetaTxn> {
              TRY_ASSIGN(auto change,
                         set_barrier(records.global_barriers, records.txn_safe_point, keys.global_barrier_prefix(),
                                     request.barrier_id(), request.barrier_ts(), request.ttl_seconds(), now_s));
              fill_barrier(request.barrier_id(), *change.barrier, now_s, *response.mutable_new_barrier_info());
              return std::move(change.writes);
            }));
}

void GcService::delete_global_gc_barrier(
    api::Call<pdpb::DeleteGlobalGCBarrierRequest, pdpb::DeleteGlobalGCBarrierResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto now_s = leadership_.wall_seconds();
  leadership_.spawn(serve(
      std::move(call),
      [keys = leadership_.keys(), now_s](const GcRecords& records, const pdpb::DeleteGlobalGCBarrierRequest& request,
                                         pdpb::DeleteGlobalGCBarrierResponse& response) -> GcResult<MetaTxn> {
        TRY_ASSIGN(auto change,
                   delete_barrier(records.global_barriers, keys.global_barrier_prefix(), request.barrier_id()));
        if (change.barrier) {
          fill_barrier(request.barrier_id(), *change.barrier, now_s, *response.mutable_deleted_barrier_info());
        }
        return std::move(change.writes);
      }));
}

void GcService::get_gc_state(api::Call<pdpb::GetGCStateRequest, pdpb::GetGCStateResponse> call) {
  if (!leadership_.admit(call)) return;
  auto& state = *call.response().mutable_gc_state();
  *state.mutable_keyspace_scope() = call.request().keyspace_scope();
  fill_state(records(), leadership_.wall_seconds(), !call.request().exclude_gc_barriers(), state);
  leadership_.finish(std::move(call));
}

void GcService::get_all_keyspaces_gc_states(
    api::Call<pdpb::GetAllKeyspacesGCStatesRequest, pdpb::GetAllKeyspacesGCStatesResponse> call) {
  if (!leadership_.admit(call)) return;
  const auto known = records();
  const auto now_s = leadership_.wall_seconds();
  auto& state = *call.response().add_gc_states();
  state.mutable_keyspace_scope()->set_keyspace_id(kNullKeyspace);
  fill_state(known, now_s, !call.request().exclude_gc_barriers(), state);
  if (!call.request().exclude_global_gc_barriers()) {
    for (const auto& [id, barrier] : known.global_barriers) {
      if (!barrier.is_expired(now_s)) fill_barrier(id, barrier, now_s, *call.response().add_global_gc_barriers());
    }
  }
  leadership_.finish(std::move(call));
}

// The calls of clients that work in a keyspace, of the time before the states above: no keyspace has a state of its
// own, so what anybody may do falls to the cluster's, and what only an owner does is refused.

void GcService::get_gc_safe_point_v2(api::Call<pdpb::GetGCSafePointV2Request, pdpb::GetGCSafePointV2Response> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  call.response().set_safe_point(records().gc_safe_point);
  leadership_.finish(std::move(call));
}

void GcService::get_all_gc_safe_point_v2(
    api::Call<pdpb::GetAllGCSafePointV2Request, pdpb::GetAllGCSafePointV2Response> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  call.response().set_revision(leadership_.group().store().revision());
  leadership_.finish(std::move(call));
}

void GcService::update_gc_safe_point_v2(
    api::Call<pdpb::UpdateGCSafePointV2Request, pdpb::UpdateGCSafePointV2Response> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  if (!is_null_keyspace(call.request())) return leadership_.refuse(std::move(call), pdpb::UNKNOWN, kNotKeyspaceLevel);
  const std::string act = call.request().safe_point() == 0 ? "" : "a caller of UpdateGCSafePointV2";
  leadership_.spawn(serve(
      std::move(call),
      [keys = leadership_.keys()](const GcRecords& records, const pdpb::UpdateGCSafePointV2Request& request,
                                  pdpb::UpdateGCSafePointV2Response& response) -> GcResult<MetaTxn> {
        TRY_ASSIGN(auto move, pd::update_gc_safe_point(records, keys, request.safe_point()));
        response.set_new_safe_point(move.new_value);
        return std::move(move.writes);
      },
      act));
}

void GcService::update_service_safe_point_v2(
    api::Call<pdpb::UpdateServiceSafePointV2Request, pdpb::UpdateServiceSafePointV2Response> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const std::string act = act_of_service(call.request().service_id());
  if (!act.empty() && !is_null_keyspace(call.request())) {
    return leadership_.refuse(std::move(call), pdpb::UNKNOWN, kNotKeyspaceLevel);
  }
  const auto now_s = leadership_.wall_seconds();
  leadership_.spawn(serve(
      std::move(call),
      [keys = leadership_.keys(), now_s](const GcRecords& records, const pdpb::UpdateServiceSafePointV2Request& request,
                                         pdpb::UpdateServiceSafePointV2Response& response) -> GcResult<MetaTxn> {
        TRY_ASSIGN(auto out, update_service_safe_point(records, keys, request.service_id(), request.safe_point(),
                                                       request.ttl(), now_s));
        response.set_service_id(out.service_id);
        response.set_ttl(static_cast<int64_t>(out.ttl));
        response.set_min_safe_point(out.min_safe_point);
        return std::move(out.writes);
      },
      act));
}

}  // namespace cairn::pd
