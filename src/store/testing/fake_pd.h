// A PD for the tests of the store: ids, bootstrap, timestamps, heartbeats; commands are given by the test.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/pd.h"

namespace cairn::store {

class FakePd final : public api::Pd {
 public:
  explicit FakePd(uint64_t cluster = 7) : cluster_(cluster) {}

  void get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call) override { finish(call); }
  void is_bootstrapped(api::Call<pdpb::IsBootstrappedRequest, pdpb::IsBootstrappedResponse> call) override {
    call.response().set_bootstrapped(bootstrapped);
    finish(call);
  }
  void bootstrap(api::Call<pdpb::BootstrapRequest, pdpb::BootstrapResponse> call) override {
    if (bootstrapped) {
      call.response().mutable_header()->mutable_error()->set_type(pdpb::ALREADY_BOOTSTRAPPED);
    } else {
      bootstrapped = true;
      regions[call.request().region().id()] = call.request().region();
    }
    finish(call);
  }
  void alloc_id(api::Call<pdpb::AllocIDRequest, pdpb::AllocIDResponse> call) override {
    call.response().set_id(next_id++);
    finish(call);
  }
  void put_store(api::Call<pdpb::PutStoreRequest, pdpb::PutStoreResponse> call) override {
    ++stores_put;
    if (const std::string why = refuses_store ? refuses_store(call.request().store()) : ""; !why.empty()) {
      auto& error = *call.response().mutable_header()->mutable_error();
      error.set_type(pdpb::UNKNOWN);
      error.set_message(why);
    } else {
      stores[call.request().store().id()] = call.request().store();
    }
    finish(call);
  }
  void get_all_stores(api::Call<pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse> call) override {
    if (hides_stores) return finish(call);
    for (const auto& [id, store] : stores) *call.response().add_stores() = store;
    finish(call);
  }
  void store_heartbeat(api::Call<pdpb::StoreHeartbeatRequest, pdpb::StoreHeartbeatResponse> call) override {
    ++store_heartbeats;
    is_stopping[call.request().stats().store_id()] = call.request().stats().is_stopping();
    finish(call);
  }
  void get_region(api::Call<pdpb::GetRegionRequest, pdpb::GetRegionResponse> call) override {
    const auto& key = call.request().region_key();
    for (const auto& [id, region] : regions) {
      if (key < region.start_key() || (!region.end_key().empty() && key >= region.end_key())) continue;
      *call.response().mutable_region() = region;
      *call.response().mutable_leader() = leaders[id];
    }
    finish(call);
  }
  void get_region_by_id(api::Call<pdpb::GetRegionByIDRequest, pdpb::GetRegionResponse> call) override {
    if (regions.contains(call.request().region_id())) {
      *call.response().mutable_region() = regions[call.request().region_id()];
    }
    finish(call);
  }
  void tso(api::Call<pdpb::TsoRequest, pdpb::TsoResponse> call) override {
    call.response().mutable_timestamp()->set_physical(static_cast<int64_t>(next_ts++));
    call.response().set_count(1);
    finish(call);
  }
  void get_gc_safe_point(api::Call<pdpb::GetGCSafePointRequest, pdpb::GetGCSafePointResponse> call) override {
    call.response().set_safe_point(safe_point);
    finish(call);
  }
  void ask_batch_split(api::Call<pdpb::AskBatchSplitRequest, pdpb::AskBatchSplitResponse> call) override {
    ++splits_asked;
    if (refuses_splits) call.response().mutable_header()->mutable_error()->set_type(pdpb::UNKNOWN);
    for (uint32_t i = 0; i < call.request().split_count(); ++i) {
      auto& ids = *call.response().add_ids();
      ids.set_new_region_id(next_id++);
      for (int p = 0; p < call.request().region().peers_size(); ++p) ids.add_new_peer_ids(next_id++);
    }
    finish(call);
  }
  std::unique_ptr<api::RegionHeartbeatStream> open_region_heartbeat(api::RegionHeartbeatSink sink) override {
    struct Stream final : api::RegionHeartbeatStream {
      FakePd* pd;
      explicit Stream(FakePd* p) : pd(p) {}
      void send(pdpb::RegionHeartbeatRequest request) override {
        pd->regions[request.region().id()] = request.region();
        pd->leaders[request.region().id()] = request.leader();
        pd->pending[request.region().id()] = request.pending_peers_size();
        if (pd->on_heartbeat) pd->on_heartbeat(request);
      }
    };
    sinks.push_back(std::move(sink));
    return std::make_unique<Stream>(this);
  }

  // Gives the leader of the region a command.
  void command(uint64_t region, pdpb::RegionHeartbeatResponse response) {
    response.set_region_id(region);
    *response.mutable_region_epoch() = regions[region].region_epoch();
    *response.mutable_target_peer() = leaders[region];
    for (auto& sink : sinks) sink.on_response(response);  // who does not lead ignores it
  }
  void change_peer(uint64_t region, eraftpb::ConfChangeType type, metapb::Peer peer) {
    pdpb::RegionHeartbeatResponse response;
    response.mutable_change_peer()->set_change_type(type);
    *response.mutable_change_peer()->mutable_peer() = std::move(peer);
    command(region, std::move(response));
  }

  bool bootstrapped = false;
  uint64_t next_id = 1;
  uint64_t next_ts = 1000;
  uint64_t safe_point = 0;
  bool refuses_splits = false;
  int splits_asked = 0;
  int stores_put = 0;
  bool hides_stores = false;
  std::function<std::string(const metapb::Store&)> refuses_store;  // why, or nothing
  int store_heartbeats = 0;
  std::map<uint64_t, bool> is_stopping;  // as each store said last
  std::map<uint64_t, metapb::Region> regions;
  std::map<uint64_t, metapb::Peer> leaders;
  std::map<uint64_t, int> pending;
  std::map<uint64_t, metapb::Store> stores;
  std::vector<api::RegionHeartbeatSink> sinks;
  std::function<void(const pdpb::RegionHeartbeatRequest&)> on_heartbeat;  // may give commands

 private:
  template <class Call>
  void finish(Call& call) {
    call.response().mutable_header()->set_cluster_id(cluster_);
    call.finish();
  }
  uint64_t cluster_;
};

}  // namespace cairn::store
