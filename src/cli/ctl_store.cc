#include "cli/ctl_store.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "cairnpb.pb.h"
#include "cli/pd_leader.h"

namespace cairn::cli {
namespace {

int list_stores(PdLeader& pd) {
  const auto response = pd.ask<cairnpb::ListStoresResponse>("/cairnpb.Admin/ListStores", cairnpb::ListStoresRequest());
  if (!response.ok()) return PdLeader::complain(response.error());
  for (const auto& status : response->stores()) {
    const auto& store = status.store();
    fmt::print(R"({{"id":{},"address":{},"state_name":{},"node_state":{},"physically_destroyed":{},"version":{},)"
               R"("region_count":{},"leader_count":{},"capacity":{},"available":{},"last_heartbeat":{}}})"
               "\n",
               store.id(), PdLeader::quoted(store.address()), PdLeader::quoted(status.state_name()),
               PdLeader::quoted(metapb::NodeState_Name(store.node_state())), store.physically_destroyed(),
               PdLeader::quoted(store.version()), status.region_count(), status.leader_count(), status.capacity(),
               status.available(), store.last_heartbeat());
  }
  return 0;
}

// Asks for a change and prints `success`.
template <class Resp, class Req>
int change(PdLeader& pd, const char* method, const Req& request, const char* success) {
  const auto response = pd.ask<Resp>(method, request);
  if (!response.ok()) return PdLeader::complain(response.error());
  fmt::print("{}\n", success);
  return 0;
}

}  // namespace

void add_ctl_store_command(CLI::App& ctl, int& exit_code) {
  auto* command = ctl.add_subcommand("store", "the stores of a cluster, a JSON line each; takes stores out of it");
  command->require_subcommand(0, 1);
  auto pd = std::make_shared<std::string>();
  auto id = std::make_shared<uint64_t>(0);
  auto destroyed = std::make_shared<bool>(false);
  auto security = std::make_shared<net::TlsOptions>();
  PdLeader::add_options(*command, *pd, *security);
  auto* list = command->add_subcommand("list", "shows them, as without a word");
  auto* remove = command->add_subcommand("delete", "empties a store; once it is empty it is a Tombstone");
  remove->add_option("id", *id, "the store's id")->required();
  remove->add_flag("--physically-destroyed", *destroyed, "it will never come back: its address is free at once");
  auto* cancel = command->add_subcommand("cancel-delete", "a store that is being emptied stays");
  cancel->add_option("id", *id, "the store's id")->required();
  auto* forget = command->add_subcommand("remove-tombstone", "forgets all Tombstones");
  // Options may stand behind the inner subcommand, too.
  for (auto* inner : {list, remove, cancel, forget}) inner->fallthrough();
  command->callback([=, &exit_code] {
    const auto tls = PdLeader::tls_for(*pd, *security);
    if (!tls.ok()) {
      exit_code = PdLeader::complain(tls.error());
      return;
    }
    PdLeader admin(*pd, *tls);
    if (remove->parsed()) {
      cairnpb::RemoveStoreRequest request;
      request.set_store_id(*id);
      request.set_physically_destroyed(*destroyed);
      exit_code = change<cairnpb::RemoveStoreResponse>(admin, "/cairnpb.Admin/RemoveStore", request,
                                                       "The store is set as Offline.");
    } else if (cancel->parsed()) {
      cairnpb::CancelRemoveStoreRequest request;
      request.set_store_id(*id);
      exit_code = change<cairnpb::CancelRemoveStoreResponse>(admin, "/cairnpb.Admin/CancelRemoveStore", request,
                                                             "The store's state is updated.");
    } else if (forget->parsed()) {
      exit_code = change<cairnpb::RemoveTombstonesResponse>(admin, "/cairnpb.Admin/RemoveTombstones",
                                                            cairnpb::RemoveTombstonesRequest(),
                                                            "Remove tombstone successfully.");
    } else {
      exit_code = list_stores(admin);
    }
  });
}

}  // namespace cairn::cli
