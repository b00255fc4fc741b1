// cairnpb.Members as a C++ interface: how PD's members join, leave and hand over leadership. Implemented by a PD node
// (pd/), called by `cairn pd --join` and `cairn ctl pd`. rpc/ serves the list: X(RpcName, method, Request, Response).
#pragma once

#include "api/call.h"
#include "cairnpb.pb.h"

// clang-format off
#define CAIRN_MEMBERS_UNARY(X)                                                                                \
  X(JoinGroup, join_group, cairnpb::JoinGroupRequest, cairnpb::JoinGroupResponse)                             \
  X(RemoveMember, remove_member, cairnpb::RemoveMemberRequest, cairnpb::RemoveMemberResponse)                 \
  X(TransferLeader, transfer_leader, cairnpb::TransferLeaderRequest, cairnpb::TransferLeaderResponse)
// clang-format on

namespace cairn::api {

class Members {
 public:
  virtual ~Members() = default;

#define CAIRN_DECLARE(Rpc, method, Req, Resp) virtual void method(Call<Req, Resp> call) = 0;
  CAIRN_MEMBERS_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE
};

}  // namespace cairn::api
