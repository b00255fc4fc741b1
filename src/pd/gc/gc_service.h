// GcService: the bounds of garbage collection and who moves them. The rules are gc_state's and gc_owner's; here they
// are asked one decision at a time. Owned by NodeCore, on "pd". Tests: node_gc_test.cc.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "api/gc_turn.h"
#include "api/pd.h"
#include "pd/gc/gc_state.h"
#include "pd/member/leadership.h"

namespace cairn::pd {

class GcService {
 public:
  // `takeover_delay`: see Options::gc_takeover_delay.
  GcService(Leadership& leadership, uint64_t member_id, Duration takeover_delay)
      : leadership_(leadership),
        member_id_(member_id),
        takeover_delay_(takeover_delay),
        lane_(leadership.executor(), 1) {}

  // Whether it is for this node to collect garbage.
  void ask_turn(std::function<void(api::GcTurn)> done);

  void get_gc_safe_point(api::Call<pdpb::GetGCSafePointRequest, pdpb::GetGCSafePointResponse> call);
  void update_gc_safe_point(api::Call<pdpb::UpdateGCSafePointRequest, pdpb::UpdateGCSafePointResponse> call);
  void update_service_gc_safe_point(
      api::Call<pdpb::UpdateServiceGCSafePointRequest, pdpb::UpdateServiceGCSafePointResponse> call);
  void advance_gc_safe_point(api::Call<pdpb::AdvanceGCSafePointRequest, pdpb::AdvanceGCSafePointResponse> call);
  void advance_txn_safe_point(api::Call<pdpb::AdvanceTxnSafePointRequest, pdpb::AdvanceTxnSafePointResponse> call);
  void set_gc_barrier(api::Call<pdpb::SetGCBarrierRequest, pdpb::SetGCBarrierResponse> call);
  void delete_gc_barrier(api::Call<pdpb::DeleteGCBarrierRequest, pdpb::DeleteGCBarrierResponse> call);
  void set_global_gc_barrier(api::Call<pdpb::SetGlobalGCBarrierRequest, pdpb::SetGlobalGCBarrierResponse> call);
  void delete_global_gc_barrier(
      api::Call<pdpb::DeleteGlobalGCBarrierRequest, pdpb::DeleteGlobalGCBarrierResponse> call);
  void get_gc_state(api::Call<pdpb::GetGCStateRequest, pdpb::GetGCStateResponse> call);
  void get_all_keyspaces_gc_states(
      api::Call<pdpb::GetAllKeyspacesGCStatesRequest, pdpb::GetAllKeyspacesGCStatesResponse> call);
  void get_gc_safe_point_v2(api::Call<pdpb::GetGCSafePointV2Request, pdpb::GetGCSafePointV2Response> call);
  void get_all_gc_safe_point_v2(api::Call<pdpb::GetAllGCSafePointV2Request, pdpb::GetAllGCSafePointV2Response> call);
  void update_gc_safe_point_v2(api::Call<pdpb::UpdateGCSafePointV2Request, pdpb::UpdateGCSafePointV2Response> call);
  void update_service_safe_point_v2(
      api::Call<pdpb::UpdateServiceSafePointV2Request, pdpb::UpdateServiceSafePointV2Response> call);

 private:
  GcRecords records() const;
  // Decides on the records as they are when its turn comes, commits, and answers. `act`: the name of what only the
  // owner of the garbage does; empty for what anybody may do.
  template <class Call, class Decide>
  runtime::Task<void> serve(Call call, Decide decide, std::string act = {});
  // The own collector's act is refused (the answer says why) while another is the owner; any other's act makes it so.
  std::optional<std::string> judge_act(const pdpb::RequestHeader& header, const std::string& act, MetaTxn& writes);
  runtime::Task<void> serve_turn(std::function<void(api::GcTurn)> done);

  Leadership& leadership_;
  const uint64_t member_id_;
  const Duration takeover_delay_;
  runtime::Semaphore lane_;
};

}  // namespace cairn::pd
