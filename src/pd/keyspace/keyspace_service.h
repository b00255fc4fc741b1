// KeyspaceService: keyspaces are found, listed and change their states. The rules are keyspaces.h's; here they are
// asked one decision at a time. Owned by NodeCore, on "pd". Tests: node_keyspace_test.cc.
#pragma once

#include <string>
#include <vector>

#include "api/keyspace.h"
#include "pd/member/leadership.h"

namespace cairn::pd {

class KeyspaceService {
 public:
  // `wanted`: made beside DEFAULT if they are not there.
  KeyspaceService(Leadership& leadership, std::vector<std::string> wanted)
      : leadership_(leadership), wanted_(std::move(wanted)), lane_(leadership.executor(), 1) {}

  // Makes those that are not there; empty, or why it could not.
  runtime::Task<std::string> make_missing(uint64_t leadership);

#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call);
  CAIRN_KEYSPACE_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE

 private:
  runtime::Task<void> serve_update_keyspace_state(
      api::Call<keyspacepb::UpdateKeyspaceStateRequest, keyspacepb::UpdateKeyspaceStateResponse> call);

  Leadership& leadership_;
  const std::vector<std::string> wanted_;
  runtime::Semaphore lane_;
};

}  // namespace cairn::pd
