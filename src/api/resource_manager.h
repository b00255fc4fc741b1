// The service `resource_manager.ResourceManager` as a C++ interface: SQL servers keep to the rates of resource groups.
// Implemented by pd::Node (resource_service.h). rpc/ serves the lists: X(RpcName, method, Request, Response).
// AcquireTokenBuckets is a stream on the wire, with one answer for each request, in order; here it is a call.
#pragma once

#include "api/call.h"
#include "resource_manager.pb.h"

// clang-format off
#define CAIRN_RESOURCE_UNARY(X)                                                                                                \
  X(ListResourceGroups, list_resource_groups, resource_manager::ListResourceGroupsRequest, resource_manager::ListResourceGroupsResponse) \
  X(GetResourceGroup, get_resource_group, resource_manager::GetResourceGroupRequest, resource_manager::GetResourceGroupResponse) \
  X(AddResourceGroup, add_resource_group, resource_manager::PutResourceGroupRequest, resource_manager::PutResourceGroupResponse) \
  X(ModifyResourceGroup, modify_resource_group, resource_manager::PutResourceGroupRequest, resource_manager::PutResourceGroupResponse) \
  X(DeleteResourceGroup, delete_resource_group, resource_manager::DeleteResourceGroupRequest, resource_manager::DeleteResourceGroupResponse)

#define CAIRN_RESOURCE_ORDERED(X)                                                                                              \
  X(AcquireTokenBuckets, acquire_token_buckets, resource_manager::TokenBucketsRequest, resource_manager::TokenBucketsResponse)
// clang-format on

namespace cairn::api {

class ResourceManager {
 public:
  virtual ~ResourceManager() = default;

#define CAIRN_DECLARE(Rpc, method, Req, Resp) virtual void method(Call<Req, Resp> call) = 0;
  CAIRN_RESOURCE_UNARY(CAIRN_DECLARE)
  CAIRN_RESOURCE_ORDERED(CAIRN_DECLARE)
#undef CAIRN_DECLARE
};

}  // namespace cairn::api
