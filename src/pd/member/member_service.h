// MemberService: who the members are and who leads. Any member answers. Owned by NodeCore, on "pd". Tests:
// node_test.cc.
#pragma once

#include "api/pd.h"
#include "pd/config.h"
#include "pd/member/leadership.h"

namespace cairn::pd {

class MemberService {
 public:
  MemberService(Leadership& leadership, const Options& options) : leadership_(leadership), options_(options) {}

  void get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call);
  void get_cluster_info(api::Call<pdpb::GetClusterInfoRequest, pdpb::GetClusterInfoResponse> call);
  void is_snapshot_recovering(api::Call<pdpb::IsSnapshotRecoveringRequest, pdpb::IsSnapshotRecoveringResponse> call);

 private:
  void fill_member(const MemberInfo& member, pdpb::Member& out) const;

  Leadership& leadership_;
  const Options& options_;
};

}  // namespace cairn::pd
