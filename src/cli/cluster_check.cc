#include "cli/cluster_check.h"

#include <algorithm>
#include <future>

#include "pdpb.pb.h"
#include "rpc/client.h"

namespace cairn::cli {

struct ClusterCheck::State {
  explicit State(std::shared_ptr<net::Tls> tls) : loop(std::move(tls)) {}

  std::vector<std::string> pd_addresses;
  std::string leader;  // of PD
  std::vector<std::string> store_addresses;
  rpc::ClientLoop loop;
  uint64_t cluster_id = 0;

  template <class Resp, class Req>
  api::Reply<Resp> ask(const char* method, const Req& request) {
    auto promise = std::make_shared<std::promise<api::Reply<Resp>>>();
    auto future = promise->get_future();
    rpc::call_unary<Resp>(*loop.channel(leader), method, request, std::chrono::seconds(2),
                          [promise](api::Reply<Resp> reply) { promise->set_value(std::move(reply)); });
    return future.get();
  }
};

ClusterCheck::ClusterCheck(std::vector<std::string> pd_addresses, std::vector<std::string> store_addresses,
                           std::shared_ptr<net::Tls> tls)
    : state_(std::make_unique<State>(std::move(tls))) {
  state_->pd_addresses = std::move(pd_addresses);
  state_->store_addresses = std::move(store_addresses);
}

ClusterCheck::~ClusterCheck() = default;

namespace {

std::string missing_stores(const pdpb::GetAllStoresResponse& known, const std::vector<std::string>& addresses) {
  const auto is_up = [&](const std::string& address) {
    return std::any_of(known.stores().begin(), known.stores().end(), [&](const metapb::Store& store) {
      return store.address() == address && store.state() == metapb::StoreState::Up;
    });
  };
  std::string missing;
  for (const auto& address : addresses) {
    if (!is_up(address)) missing += (missing.empty() ? "the store at " : ", ") + address;
  }
  return missing.empty() ? "" : missing + ": PD has not heard of it";
}

std::string missing_of(const pdpb::Region& region, size_t replicas) {
  const std::string name = "region " + std::to_string(region.region().id());
  const auto& peers = region.region().peers();
  const auto voters = std::count_if(peers.begin(), peers.end(),
                                    [](const metapb::Peer& peer) { return peer.role() == metapb::PeerRole::Voter; });
  if (region.leader().id() == 0) return name + " has no leader";
  if (static_cast<size_t>(voters) < replicas || voters != peers.size()) {
    return name + " has " + std::to_string(voters) + " of " + std::to_string(replicas) + " replicas";
  }
  if (!region.down_peers().empty()) return "replicas of " + name + " are down";
  if (!region.pending_peers().empty()) return "replicas of " + name + " have to catch up";
  return "";
}

}  // namespace

std::string ClusterCheck::what_is_missing() {
  std::string no_pd;
  bool is_led = false;
  // All of them are to answer, and to agree on the leader.
  for (const auto& address : state_->pd_addresses) {
    state_->leader = address;
    const auto members = state_->ask<pdpb::GetMembersResponse>("/pdpb.PD/GetMembers", pdpb::GetMembersRequest());
    if (!members.ok()) return "PD at " + address + " does not answer yet";
    if (members->leader().client_urls().empty()) return "PD at " + address + " knows no leader yet";
    state_->cluster_id = members->header().cluster_id();
    no_pd = members->leader().client_urls(0);
    is_led = true;
  }
  if (!is_led) return "there is no PD";
  state_->leader = no_pd;
  no_pd = "PD at " + state_->leader + " does not answer yet";
  pdpb::GetAllStoresRequest all_stores;
  all_stores.mutable_header()->set_cluster_id(state_->cluster_id);
  all_stores.set_exclude_tombstone_stores(true);
  auto stores = state_->ask<pdpb::GetAllStoresResponse>("/pdpb.PD/GetAllStores", all_stores);
  if (!stores.ok()) return no_pd;
  if (auto missing = missing_stores(*stores, state_->store_addresses); !missing.empty()) return missing;

  pdpb::ScanRegionsRequest all_regions;
  all_regions.mutable_header()->set_cluster_id(state_->cluster_id);
  auto regions = state_->ask<pdpb::ScanRegionsResponse>("/pdpb.PD/ScanRegions", all_regions);
  if (!regions.ok()) return no_pd;
  if (regions->regions().empty()) return "PD has not heard of any region";
  for (const auto& region : regions->regions()) {
    auto missing = missing_of(region, std::min<size_t>(3, state_->store_addresses.size()));
    if (!missing.empty()) return missing;
  }
  return "";
}

}  // namespace cairn::cli
