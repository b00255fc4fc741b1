// Keyspaces: the rules are keyspaces.h's, one decision at a time.
#include "base/log.h"
#include "pd/keyspace/keyspaces.h"
#include "pd/node/node_core.h"

namespace cairn::pd {

runtime::Task<std::string> NodeCore::make_keyspaces(uint64_t leadership) {
  std::vector<std::string> names = options_.keyspaces;
  names.insert(names.begin(), kDefaultKeyspaceName);
  for (const auto& name : names) {
    if (find_keyspace(group_.store().own(), keys_, name)) continue;
    auto change = create_keyspace(group_.store().own(), keys_, name, wall_seconds());
    if (!change.ok()) co_return change.error();
    const auto result = co_await commit(std::move(change->writes));
    if (leadership != leadership_) co_return std::string("leadership ended");
    if (!result.status.ok()) co_return result.status.message;
    LOG_INFO("keyspace {} is made, with id {}", name, change->keyspace.id());
  }
  co_return std::string();
}

void NodeCore::load_keyspace(api::Call<keyspacepb::LoadKeyspaceRequest, keyspacepb::LoadKeyspaceResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const auto& name = call.request().name();
  auto keyspace = find_keyspace(group_.store().own(), keys_, name);
  if (!keyspace) return refuse(std::move(call), pdpb::ENTRY_NOT_FOUND, "keyspace " + name + " does not exist");
  *call.response().mutable_keyspace() = std::move(*keyspace);
  finish(std::move(call));
}

void NodeCore::load_keyspace_by_id(
    api::Call<keyspacepb::LoadKeyspaceByIDRequest, keyspacepb::LoadKeyspaceResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const uint32_t id = call.request().id();
  auto keyspace = find_keyspace(group_.store().own(), keys_, id);
  if (!keyspace) return refuse(std::move(call), pdpb::ENTRY_NOT_FOUND, fmt::format("keyspace {} does not exist", id));
  *call.response().mutable_keyspace() = std::move(*keyspace);
  finish(std::move(call));
}

void NodeCore::lookup_keyspace(api::Call<keyspacepb::LookupKeyspaceRequest, keyspacepb::LookupKeyspaceResponse> call) {
  if (!admit_bootstrapped(call)) return;
  if (auto keyspace = find_keyspace(group_.store().own(), keys_, call.request().name())) {
    *call.response().add_keyspaces() = std::move(*keyspace);
  }
  finish(std::move(call));
}

void NodeCore::get_all_keyspaces(
    api::Call<keyspacepb::GetAllKeyspacesRequest, keyspacepb::GetAllKeyspacesResponse> call) {
  if (!admit_bootstrapped(call)) return;
  for (auto& keyspace :
       list_keyspaces(group_.store().own(), keys_, call.request().start_id(), call.request().limit())) {
    *call.response().add_keyspaces() = std::move(keyspace);
  }
  finish(std::move(call));
}

void NodeCore::update_keyspace_state(
    api::Call<keyspacepb::UpdateKeyspaceStateRequest, keyspacepb::UpdateKeyspaceStateResponse> call) {
  if (admit_bootstrapped(call)) spawn(serve_update_keyspace_state(std::move(call)));
}

runtime::Task<void> NodeCore::serve_update_keyspace_state(
    api::Call<keyspacepb::UpdateKeyspaceStateRequest, keyspacepb::UpdateKeyspaceStateResponse> call) {
  co_await cluster_lane_.acquire();
  const uint32_t id = call.request().id();
  auto keyspace = find_keyspace(group_.store().own(), keys_, id);
  if (!serving_) {
    call.finish(MetaGroup::not_leader());
  } else if (!keyspace) {
    refuse(std::move(call), pdpb::ENTRY_NOT_FOUND, fmt::format("keyspace {} does not exist", id));
  } else if (auto change = change_keyspace_state(keys_, std::move(*keyspace), call.request().state(), wall_seconds());
             !change.ok()) {
    refuse(std::move(call), pdpb::UNKNOWN, std::move(change).error());
  } else {
    CommandResult result;
    if (change->writes.has_writes()) result = co_await commit(std::move(change->writes));
    if (result.status.ok()) {
      *call.response().mutable_keyspace() = std::move(change->keyspace);
      finish(std::move(call));
    } else {
      call.finish(std::move(result.status));
    }
  }
  cluster_lane_.release();
}

}  // namespace cairn::pd
