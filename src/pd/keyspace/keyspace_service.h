// KeyspaceService: keyspaces are found, listed and change their states. The rules are keyspaces.h's; here they are
// asked one decision at a time. Owned by NodeCore, on "pd". Tests: node_keyspace_test.cc.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "api/keyspace.h"
#include "pd/keyspace/keyspaces.h"
#include "pd/member/leadership.h"

namespace cairn::pd {

class KeyspaceService {
 public:
  // `wanted`: made beside DEFAULT if they are not there.
  KeyspaceService(Leadership& leadership, std::vector<std::string> wanted)
      : leadership_(leadership), wanted_(std::move(wanted)), lane_(leadership.executor(), 1) {}

  // Makes those that are not there; empty, or why it could not.
  runtime::Task<std::string> make_missing(uint64_t leadership);

  // The keyspace as it is now, or why not. Runs on "pd".
  using Done = std::function<void(Result<keyspacepb::KeyspaceMeta, std::string>)>;
  void create(std::string name, std::map<std::string, std::string> config, Done done);
  void change_state(const std::string& name, keyspacepb::KeyspaceState state, Done done);
  void change_config(const std::string& name, KeyspaceConfigChange changes, Done done);

#define CAIRN_DECLARE(Rpc, method, Req, Resp) void method(api::Call<Req, Resp> call);
  CAIRN_KEYSPACE_UNARY(CAIRN_DECLARE)
#undef CAIRN_DECLARE

 private:
  // Decides on the records as they are when its turn comes, and commits.
  using Decide = std::function<Result<KeyspaceChange, std::string>()>;
  runtime::Task<void> serve(Decide decide, Done done);
  runtime::Task<void> serve_update_keyspace_state(
      api::Call<keyspacepb::UpdateKeyspaceStateRequest, keyspacepb::UpdateKeyspaceStateResponse> call);

  Leadership& leadership_;
  const std::vector<std::string> wanted_;
  runtime::Semaphore lane_;
};

}  // namespace cairn::pd
