#include "cli/cluster_check.h"

#include <algorithm>
#include <future>

#include "pdpb.pb.h"
#include "rpc/client.h"

namespace cairn::cli {

struct ClusterCheck::State {
  std::string pd_address;
  int stores;
  rpc::ClientLoop loop;
  uint64_t cluster_id = 0;

  template <class Resp, class Req>
  api::Reply<Resp> ask(const char* method, const Req& request) {
    auto promise = std::make_shared<std::promise<api::Reply<Resp>>>();
    auto future = promise->get_future();
    rpc::call_unary<Resp>(*loop.channel(pd_address), method, request, std::chrono::seconds(2),
                          [promise](api::Reply<Resp> reply) { promise->set_value(std::move(reply)); });
    return future.get();
  }
};

ClusterCheck::ClusterCheck(const std::string& pd_address, int stores) : state_(std::make_unique<State>()) {
  state_->pd_address = pd_address;
  state_->stores = stores;
}

ClusterCheck::~ClusterCheck() = default;

bool ClusterCheck::is_ready() {
  if (state_->cluster_id == 0) {
    auto members = state_->ask<pdpb::GetMembersResponse>("/pdpb.PD/GetMembers", pdpb::GetMembersRequest());
    if (!members.ok()) return false;
    state_->cluster_id = members->header().cluster_id();
  }
  pdpb::GetAllStoresRequest all_stores;
  all_stores.mutable_header()->set_cluster_id(state_->cluster_id);
  all_stores.set_exclude_tombstone_stores(true);
  auto stores = state_->ask<pdpb::GetAllStoresResponse>("/pdpb.PD/GetAllStores", all_stores);
  if (!stores.ok() || stores->stores_size() < state_->stores) return false;

  pdpb::ScanRegionsRequest all_regions;
  all_regions.mutable_header()->set_cluster_id(state_->cluster_id);
  auto regions = state_->ask<pdpb::ScanRegionsResponse>("/pdpb.PD/ScanRegions", all_regions);
  if (!regions.ok() || regions->regions().empty()) return false;
  const int replicas = std::min(3, state_->stores);
  return std::all_of(regions->regions().begin(), regions->regions().end(), [&](const pdpb::Region& region) {
    const auto& peers = region.region().peers();
    const bool all_vote = std::all_of(peers.begin(), peers.end(),
                                      [](const metapb::Peer& peer) { return peer.role() == metapb::PeerRole::Voter; });
    return peers.size() >= replicas && all_vote && region.leader().id() != 0 && region.pending_peers().empty() &&
           region.down_peers().empty();
  });
}

}  // namespace cairn::cli
