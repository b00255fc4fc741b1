#include "cli/ctl_store.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <future>
#include <memory>
#include <string>

#include "cairnpb.pb.h"
#include "rpc/client.h"

namespace cairn::cli {
namespace {

constexpr Duration kTimeout = std::chrono::seconds(10);

// PD's leader, as the tool asks it.
class Admin {
 public:
  // `tls` may be null.
  Admin(std::string pd, std::shared_ptr<net::Tls> tls) : pd_(std::move(pd)), loop_(std::move(tls)) {}

  // The answer to one call, or in words why there is none. PD's refusals stand in the header.
  template <class Resp, class Req>
  Result<Resp, std::string> ask(const char* method, Req request) {
    if (cluster_id_ == 0) {
      TRY_ASSIGN(const auto members, call<pdpb::GetMembersResponse>("/pdpb.PD/GetMembers", pdpb::GetMembersRequest()));
      cluster_id_ = members.header().cluster_id();
      if (members.leader().client_urls_size() > 0) pd_ = members.leader().client_urls(0);
    }
    request.mutable_header()->set_cluster_id(cluster_id_);
    TRY_ASSIGN(auto response, call<Resp>(method, request));
    if (response.header().has_error()) return Err(response.header().error().message());
    return response;
  }

 private:
  template <class Resp, class Req>
  Result<Resp, std::string> call(const char* method, const Req& request) {
    auto promise = std::make_shared<std::promise<api::Reply<Resp>>>();
    auto future = promise->get_future();
    rpc::call_unary<Resp>(*loop_.channel(pd_), method, request, kTimeout,
                          [promise](api::Reply<Resp> reply) { promise->set_value(std::move(reply)); });
    auto reply = future.get();
    if (!reply.ok()) return Err(fmt::format("PD at {}: {}", pd_, reply.error().message));
    return std::move(*reply);
  }

  std::string pd_;
  uint64_t cluster_id_ = 0;
  rpc::ClientLoop loop_;
};

int complain(const std::string& what) {
  std::fprintf(stderr, "cairn ctl: %s\n", what.c_str());
  return 1;
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (static_cast<unsigned char>(c) < 0x20) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      out += c;
    }
  }
  return out + '"';
}

int list_stores(Admin& admin) {
  const auto response =
      admin.ask<cairnpb::ListStoresResponse>("/cairnpb.Admin/ListStores", cairnpb::ListStoresRequest());
  if (!response.ok()) return complain(response.error());
  for (const auto& status : response->stores()) {
    const auto& store = status.store();
    fmt::print(R"({{"id":{},"address":{},"state_name":{},"node_state":{},"physically_destroyed":{},"version":{},)"
               R"("region_count":{},"leader_count":{},"capacity":{},"available":{},"last_heartbeat":{}}})"
               "\n",
               store.id(), quoted(store.address()), quoted(status.state_name()),
               quoted(metapb::NodeState_Name(store.node_state())), store.physically_destroyed(),
               quoted(store.version()), status.region_count(), status.leader_count(), status.capacity(),
               status.available(), store.last_heartbeat());
  }
  return 0;
}

// Asks for a change and prints `success`.
template <class Resp, class Req>
int change(Admin& admin, const char* method, const Req& request, const char* success) {
  const auto response = admin.ask<Resp>(method, request);
  if (!response.ok()) return complain(response.error());
  fmt::print("{}\n", success);
  return 0;
}

// Null: plain text. An https URL is enough for TLS: then the system's CAs are trusted.
Result<std::shared_ptr<net::Tls>, std::string> tls_for(const std::string& pd, const net::TlsOptions& security) {
  if (!security.is_on() && !pd.starts_with("https://")) return std::shared_ptr<net::Tls>();
  if (security.cert_path.empty() != security.key_path.empty())
    return Err(std::string("--cert and --key belong together"));
  return net::Tls::open(security);
}

}  // namespace

void add_ctl_store_command(CLI::App& ctl, int& exit_code) {
  auto* command = ctl.add_subcommand("store", "the stores of a cluster, a JSON line each; takes stores out of it");
  command->require_subcommand(0, 1);
  auto pd = std::make_shared<std::string>("http://127.0.0.1:2379");
  auto id = std::make_shared<uint64_t>(0);
  auto destroyed = std::make_shared<bool>(false);
  auto security = std::make_shared<net::TlsOptions>();
  command->add_option("--pd,-u", *pd, "PD's client address")->capture_default_str();
  command->add_option("--cacert", security->ca_path, "the CAs that PD's certificate is checked against (PEM)");
  command->add_option("--cert", security->cert_path, "the certificate to show to PD (PEM)");
  command->add_option("--key", security->key_path, "its key (PEM)");
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
    const auto tls = tls_for(*pd, *security);
    if (!tls.ok()) {
      exit_code = complain(tls.error());
      return;
    }
    Admin admin(*pd, *tls);
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
