#include "pd/keyspace/keyspace_service.h"

#include "base/log.h"
#include "pd/keyspace/keyspaces.h"

namespace cairn::pd {

runtime::Task<std::string> KeyspaceService::make_missing(uint64_t leadership) {
  std::vector<std::string> names = wanted_;
  names.insert(names.begin(), kDefaultKeyspaceName);
  for (const auto& name : names) {
    if (find_keyspace(leadership_.own(), leadership_.keys(), name)) continue;
    auto change = create_keyspace(leadership_.own(), leadership_.keys(), name, leadership_.wall_seconds());
    if (!change.ok()) co_return change.error();
    const auto result = co_await leadership_.commit(std::move(change->writes));
    if (leadership != leadership_.number()) co_return std::string("leadership ended");
    if (!result.status.ok()) co_return result.status.message;
    LOG_INFO("keyspace {} is made, with id {}", name, change->keyspace.id());
  }
  co_return std::string();
}

void KeyspaceService::load_keyspace(api::Call<keyspacepb::LoadKeyspaceRequest, keyspacepb::LoadKeyspaceResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto& name = call.request().name();
  auto keyspace = find_keyspace(leadership_.own(), leadership_.keys(), name);
  if (!keyspace)
    return leadership_.refuse(std::move(call), pdpb::ENTRY_NOT_FOUND, "keyspace " + name + " does not exist");
  *call.response().mutable_keyspace() = std::move(*keyspace);
  leadership_.finish(std::move(call));
}

void KeyspaceService::load_keyspace_by_id(
    api::Call<keyspacepb::LoadKeyspaceByIDRequest, keyspacepb::LoadKeyspaceResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const uint32_t id = call.request().id();
  auto keyspace = find_keyspace(leadership_.own(), leadership_.keys(), id);
  if (!keyspace)
    return leadership_.refuse(std::move(call), pdpb::ENTRY_NOT_FOUND, fmt::format("keyspace {} does not exist", id));
  *call.response().mutable_keyspace() = std::move(*keyspace);
  leadership_.finish(std::move(call));
}

void KeyspaceService::lookup_keyspace(
    api::Call<keyspacepb::LookupKeyspaceRequest, keyspacepb::LookupKeyspaceResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  if (auto keyspace = find_keyspace(leadership_.own(), leadership_.keys(), call.request().name())) {
    *call.response().add_keyspaces() = std::move(*keyspace);
  }
  leadership_.finish(std::move(call));
}

void KeyspaceService::get_all_keyspaces(
    api::Call<keyspacepb::GetAllKeyspacesRequest, keyspacepb::GetAllKeyspacesResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  for (auto& keyspace :
       list_keyspaces(leadership_.own(), leadership_.keys(), call.request().start_id(), call.request().limit())) {
    *call.response().add_keyspaces() = std::move(keyspace);
  }
  leadership_.finish(std::move(call));
}

void KeyspaceService::update_keyspace_state(
    api::Call<keyspacepb::UpdateKeyspaceStateRequest, keyspacepb::UpdateKeyspaceStateResponse> call) {
  if (leadership_.admit_bootstrapped(call)) leadership_.spawn(serve_update_keyspace_state(std::move(call)));
}

runtime::Task<void> KeyspaceService::serve(Decide decide, Done done) {
  co_await lane_.acquire();
  if (!leadership_.is_serving()) {
    lane_.release();
    co_return done(Err(MetaGroup::not_leader().message));
  }
  auto change = decide();
  Result<keyspacepb::KeyspaceMeta, std::string> outcome = Err(std::string());
  if (!change.ok()) {
    outcome = Err(change.error());
  } else {
    CommandResult result;
    result.txn.set_succeeded(true);  // where there is nothing to write
    if (change->writes.has_writes()) result = co_await leadership_.commit(std::move(change->writes));
    if (!result.status.ok()) {
      outcome = Err(result.status.message);
    } else if (!result.txn.succeeded()) {
      outcome = Err(std::string("the keyspace was changed meanwhile"));
    } else {
      outcome = std::move(change->keyspace);
    }
  }
  lane_.release();
  done(std::move(outcome));
}

void KeyspaceService::create(std::string name, std::map<std::string, std::string> config, Done done) {
  leadership_.spawn(serve(
      [this, name = std::move(name), config = std::move(config)] {
        return create_keyspace(leadership_.own(), leadership_.keys(), name, leadership_.wall_seconds(), config);
      },
      std::move(done)));
}

void KeyspaceService::change_state(const std::string& name, keyspacepb::KeyspaceState state, Done done) {
  leadership_.spawn(serve(
      [this, name, state]() -> Result<KeyspaceChange, std::string> {
        auto keyspace = find_keyspace(leadership_.own(), leadership_.keys(), name);
        if (!keyspace) return Err(std::string("keyspace does not exist"));
        return change_keyspace_state(leadership_.own(), leadership_.keys(), std::move(*keyspace), state,
                                     leadership_.wall_seconds());
      },
      std::move(done)));
}

void KeyspaceService::change_config(const std::string& name, KeyspaceConfigChange changes, Done done) {
  leadership_.spawn(serve(
      [this, name, changes = std::move(changes)]() -> Result<KeyspaceChange, std::string> {
        auto keyspace = find_keyspace(leadership_.own(), leadership_.keys(), name);
        if (!keyspace) return Err(std::string("keyspace does not exist"));
        return change_keyspace_config(leadership_.own(), leadership_.keys(), std::move(*keyspace), changes);
      },
      std::move(done)));
}

runtime::Task<void> KeyspaceService::serve_update_keyspace_state(
    api::Call<keyspacepb::UpdateKeyspaceStateRequest, keyspacepb::UpdateKeyspaceStateResponse> call) {
  co_await lane_.acquire();
  const uint32_t id = call.request().id();
  auto keyspace = find_keyspace(leadership_.own(), leadership_.keys(), id);
  if (!leadership_.is_serving()) {
    call.finish(MetaGroup::not_leader());
  } else if (!keyspace) {
    leadership_.refuse(std::move(call), pdpb::ENTRY_NOT_FOUND, fmt::format("keyspace {} does not exist", id));
  } else if (auto change = change_keyspace_state(leadership_.own(), leadership_.keys(), std::move(*keyspace),
                                                 call.request().state(), leadership_.wall_seconds());
             !change.ok()) {
    leadership_.refuse(std::move(call), pdpb::UNKNOWN, std::move(change).error());
  } else {
    CommandResult result;
    result.txn.set_succeeded(true);  // where there is nothing to write
    if (change->writes.has_writes()) result = co_await leadership_.commit(std::move(change->writes));
    if (result.status.ok() && !result.txn.succeeded()) {
      leadership_.refuse(std::move(call), pdpb::UNKNOWN, "the keyspace was changed meanwhile");
    } else if (result.status.ok()) {
      *call.response().mutable_keyspace() = std::move(change->keyspace);
      leadership_.finish(std::move(call));
    } else {
      call.finish(std::move(result.status));
    }
  }
  lane_.release();
}

}  // namespace cairn::pd
