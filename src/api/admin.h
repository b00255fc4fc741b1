// cairnpb.Admin as a C++ interface: operations on a cluster that real PD serves over HTTP only. Implemented by a PD
// node (pd/), called by `cairn ctl store`. rpc/ serves the list: X(RpcName, method, Request, Response).
#pragma once

#include "api/call.h"
#include "cairnpb.pb.h"

// clang-format off
#define CAIRN_ADMIN_UNARY(X)                                                                                          \
  X(ListStores, list_stores, cairnpb::ListStoresRequest, cairnpb::ListStoresResponse)                                 \
  X(RemoveStore, remove_store, cairnpb::RemoveStoreRequest, cairnpb::RemoveStoreResponse)                             \
  X(CancelRemoveStore, cancel_remove_store, cairnpb::CancelRemoveStoreRequest, cairnpb::CancelRemoveStoreResponse)    \
  X(RemoveTombstones, remove_tombstones, cairnpb::RemoveTombstonesRequest, cairnpb::RemoveTombstonesResponse)
// clang-format on

namespace cairn::api {

class Admin {
 public:
  virtual ~Admin() = default;

#define CAIRN_DECLARE(Rpc, method, Req, Resp) virtual void method(Call<Req, Resp> call) = 0;
  CAIRN_ADMIN_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE
};

}  // namespace cairn::api
