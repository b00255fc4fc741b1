#include "pd/member/member_service.h"

namespace cairn::pd {

void MemberService::fill_member(const MemberInfo& member, pdpb::Member& out) const {
  out.set_name(member.name);
  out.set_member_id(member.id);
  for (const auto& url : member.client_urls) out.add_client_urls(url);
  for (const auto& url : member.peer_urls) out.add_peer_urls(url);
  out.set_binary_version("v" + options_.version);
  if (member.id == options_.member_id) out.set_deploy_path(options_.deploy_path);
}

void MemberService::get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call) {
  // Any member answers, as soon as it knows the cluster's id and who leads.
  const uint64_t leader = leadership_.is_serving() ? options_.member_id : leadership_.group().leader();
  if (leadership_.cluster_id() == 0) leadership_.set_cluster(number_of(leadership_.own().value(kClusterIdKey)));
  if (leadership_.is_stopping() || leadership_.cluster_id() == 0) {
    call.finish({api::Code::kUnavailable, "server not started, no leader"});
    return;
  }
  for (const auto& member : options_.members) {
    fill_member(member, *call.response().add_members());
    if (member.id != leader) continue;
    fill_member(member, *call.response().mutable_leader());
    fill_member(member, *call.response().mutable_etcd_leader());
  }
  leadership_.finish(std::move(call));
}

void MemberService::get_cluster_info(api::Call<pdpb::GetClusterInfoRequest, pdpb::GetClusterInfoResponse> call) {
  call.response().add_servicemodes(pdpb::PD_SVC_MODE);
  for (const auto& member : options_.members) {
    for (const auto& url : member.client_urls) call.response().add_tso_urls(url);
  }
  leadership_.finish(std::move(call));
}

void MemberService::is_snapshot_recovering(
    api::Call<pdpb::IsSnapshotRecoveringRequest, pdpb::IsSnapshotRecoveringResponse> call) {
  leadership_.finish(std::move(call));
}

}  // namespace cairn::pd
