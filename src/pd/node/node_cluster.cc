// Members, bootstrap, the cluster's record.
#include "base/codec.h"
#include "base/log.h"
#include "pd/node/node_core.h"

namespace cairn::pd {
namespace {

// Why this pair cannot begin a cluster; empty if it can.
std::string refuse_bootstrap(const pdpb::BootstrapRequest& request) {
  const auto& store = request.store();
  const auto& region = request.region();
  if (store.id() == 0) return "invalid zero store id";
  if (!region.start_key().empty() || !region.end_key().empty()) return "invalid first region key range, must be empty";
  if (region.id() == 0) return "invalid zero region id";
  if (region.peers_size() != 1) return "invalid first region peer count, must be 1";
  if (region.peers(0).store_id() != store.id()) return "invalid peer store id";
  if (region.peers(0).id() == 0) return "invalid zero peer id";
  return {};
}

}  // namespace

void NodeCore::fill_member(const MemberInfo& member, pdpb::Member& out) const {
  out.set_name(member.name);
  out.set_member_id(member.id);
  for (const auto& url : member.client_urls) out.add_client_urls(url);
  for (const auto& url : member.peer_urls) out.add_peer_urls(url);
  out.set_binary_version("v" + options_.version);
  if (member.id == options_.member_id) out.set_deploy_path(options_.deploy_path);
}

void NodeCore::get_members(api::Call<pdpb::GetMembersRequest, pdpb::GetMembersResponse> call) {
  // Any member answers, as soon as it knows the cluster's id and who leads.
  const uint64_t leader = serving_ ? options_.member_id : group_.leader();
  if (cluster_id_ == 0) {
    if (auto value = group_.store().own().value(kClusterIdKey)) {
      ByteView in = *value;
      uint64_t id = 0;
      if (codec::get_u64_be(in, id)) cluster_id_ = id;
    }
  }
  if (stopping_ || cluster_id_ == 0) {
    call.finish({api::Code::kUnavailable, "server not started, no leader"});
    return;
  }
  for (const auto& member : options_.members) {
    fill_member(member, *call.response().add_members());
    if (member.id != leader) continue;
    fill_member(member, *call.response().mutable_leader());
    fill_member(member, *call.response().mutable_etcd_leader());
  }
  finish(std::move(call));
}

void NodeCore::get_cluster_info(api::Call<pdpb::GetClusterInfoRequest, pdpb::GetClusterInfoResponse> call) {
  call.response().add_servicemodes(pdpb::PD_SVC_MODE);
  for (const auto& member : options_.members) {
    for (const auto& url : member.client_urls) call.response().add_tso_urls(url);
  }
  finish(std::move(call));
}

void NodeCore::is_snapshot_recovering(
    api::Call<pdpb::IsSnapshotRecoveringRequest, pdpb::IsSnapshotRecoveringResponse> call) {
  finish(std::move(call));
}

void NodeCore::is_bootstrapped(api::Call<pdpb::IsBootstrappedRequest, pdpb::IsBootstrappedResponse> call) {
  if (!admit(call)) return;
  call.response().set_bootstrapped(cluster_.has_value());
  finish(std::move(call));
}

void NodeCore::bootstrap(api::Call<pdpb::BootstrapRequest, pdpb::BootstrapResponse> call) {
  if (admit(call)) spawn(serve_bootstrap(std::move(call)));
}

runtime::Task<void> NodeCore::serve_bootstrap(api::Call<pdpb::BootstrapRequest, pdpb::BootstrapResponse> call) {
  co_await cluster_lane_.acquire();
  const uint64_t leadership = leadership_;
  const auto reason = refuse_bootstrap(call.request());
  if (!serving_) {
    call.finish(MetaGroup::not_leader());
  } else if (cluster_) {
    refuse(std::move(call), pdpb::ALREADY_BOOTSTRAPPED, "cluster is already bootstrapped");
  } else if (!reason.empty()) {
    refuse(std::move(call), pdpb::UNKNOWN, reason);
  } else if (auto store = stores_.put(call.request().store()); !store.ok()) {
    refuse(std::move(call), std::move(store).error());
  } else {
    metapb::Cluster cluster;
    cluster.set_id(cluster_id_);
    cluster.set_max_peer_count(options_.schedule.max_replicas);
    const auto version = stores_.version_with(*store);
    Bytes time;
    codec::put_u64_be(time, static_cast<uint64_t>(dependencies_.clock.wall_now().since_epoch.count()));
    const auto& region = call.request().region();
    MetaTxn txn;
    txn.if_absent(keys_.cluster())
        .put(keys_.cluster(), cluster.SerializeAsString())
        .put(keys_.bootstrap_time(), time)
        .put(keys_.store(store->id()), store->SerializeAsString())
        .put(keys_.region(region.id()), region.SerializeAsString())
        .put(keys_.cluster_version(), version.to_string());
    auto result = co_await commit(std::move(txn));
    if (!result.status.ok() || leadership != leadership_) {
      call.finish(result.status.ok() ? MetaGroup::not_leader() : result.status);
    } else {
      CHECK(result.txn.succeeded(), "the cluster was bootstrapped by another path");
      cluster_ = cluster;
      stores_.set(*store, dependencies_.clock.now());
      stores_.set_cluster_version(version);
      auto first = std::make_shared<RegionInfo>();
      first->meta = region;
      const auto put = regions_.put(std::move(first));
      CHECK(put.ok(), "the first region: {}", put.error());
      LOG_INFO("cluster {} is bootstrapped by store {}", cluster_id_, store->id());
      const std::string lack = co_await make_keyspaces(leadership);
      if (!lack.empty()) LOG_ERROR("not all keyspaces could be made: {}", lack);
      finish(std::move(call));
    }
  }
  cluster_lane_.release();
}

void NodeCore::get_cluster_config(api::Call<pdpb::GetClusterConfigRequest, pdpb::GetClusterConfigResponse> call) {
  if (!admit_bootstrapped(call)) return;
  *call.response().mutable_cluster() = *cluster_;
  finish(std::move(call));
}

void NodeCore::put_cluster_config(api::Call<pdpb::PutClusterConfigRequest, pdpb::PutClusterConfigResponse> call) {
  if (admit_bootstrapped(call)) spawn(serve_put_cluster_config(std::move(call)));
}

runtime::Task<void> NodeCore::serve_put_cluster_config(
    api::Call<pdpb::PutClusterConfigRequest, pdpb::PutClusterConfigResponse> call) {
  co_await cluster_lane_.acquire();
  const uint64_t leadership = leadership_;
  metapb::Cluster wanted = call.request().cluster();
  if (wanted.id() != cluster_id_) {
    refuse(std::move(call), pdpb::UNKNOWN,
           fmt::format("invalid cluster {}, mismatch cluster id {}", wanted.id(), cluster_id_));
  } else {
    MetaTxn txn;
    txn.put(keys_.cluster(), wanted.SerializeAsString());
    auto result = co_await commit(std::move(txn));
    if (!result.status.ok()) {
      call.finish(result.status);
    } else {
      if (leadership == leadership_) cluster_ = std::move(wanted);
      finish(std::move(call));
    }
  }
  cluster_lane_.release();
}

}  // namespace cairn::pd
