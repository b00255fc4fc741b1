// The service `keyspacepb.Keyspace` as a C++ interface: clients of API V2 ask it for the id that goes before their
// keys. Implemented by pd::Node (keyspace_service.h). What a node leaves out answers UNIMPLEMENTED.
#pragma once

#include "api/call.h"
#include "keyspacepb.pb.h"

// clang-format off
#define CAIRN_KEYSPACE_UNARY(X)                                                                                       \
  X(LoadKeyspace, load_keyspace, keyspacepb::LoadKeyspaceRequest, keyspacepb::LoadKeyspaceResponse)                   \
  X(LoadKeyspaceByID, load_keyspace_by_id, keyspacepb::LoadKeyspaceByIDRequest, keyspacepb::LoadKeyspaceResponse)     \
  X(LookupKeyspace, lookup_keyspace, keyspacepb::LookupKeyspaceRequest, keyspacepb::LookupKeyspaceResponse)           \
  X(UpdateKeyspaceState, update_keyspace_state, keyspacepb::UpdateKeyspaceStateRequest, keyspacepb::UpdateKeyspaceStateResponse) \
  X(GetAllKeyspaces, get_all_keyspaces, keyspacepb::GetAllKeyspacesRequest, keyspacepb::GetAllKeyspacesResponse)
// clang-format on

namespace cairn::api {

class Keyspaces {
 public:
  virtual ~Keyspaces() = default;

#define CAIRN_DECLARE(Rpc, method, Req, Resp) \
  virtual void method(Call<Req, Resp> call) { call.finish({Code::kUnimplemented, #Rpc " is not implemented"}); }
  CAIRN_KEYSPACE_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE
};

}  // namespace cairn::api
