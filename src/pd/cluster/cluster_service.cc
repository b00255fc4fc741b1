#include "pd/cluster/cluster_service.h"

#include "base/log.h"

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

void ClusterService::begin() {
  const auto now = leadership_.clock().now();
  const auto wall = leadership_.clock().wall_now();
  const auto& own = leadership_.own();
  cluster_.reset();
  stores_.clear();
  regions_.clear();
  // check_records() has read all of these.
  if (auto value = own.value(leadership_.keys().cluster())) cluster_.emplace().ParseFromString(*value);
  leadership_.set_bootstrapped(cluster_.has_value());
  own.scan_prefix(leadership_.keys().store_prefix(), [&](ByteView, ByteView value) {
    metapb::Store store;
    if (store.ParseFromArray(value.data(), static_cast<int>(value.size()))) stores_.load(std::move(store), now, wall);
  });
  stores_.set_cluster_version({});
  if (auto value = own.value(leadership_.keys().cluster_version())) {
    if (auto version = Version::parse(*value)) stores_.set_cluster_version(*version);
  }
}

void ClusterService::is_bootstrapped(api::Call<pdpb::IsBootstrappedRequest, pdpb::IsBootstrappedResponse> call) {
  if (!leadership_.admit(call)) return;
  call.response().set_bootstrapped(cluster_.has_value());
  leadership_.finish(std::move(call));
}

void ClusterService::bootstrap(api::Call<pdpb::BootstrapRequest, pdpb::BootstrapResponse> call) {
  if (leadership_.admit(call)) leadership_.spawn(serve_bootstrap(std::move(call)));
}

runtime::Task<void> ClusterService::serve_bootstrap(api::Call<pdpb::BootstrapRequest, pdpb::BootstrapResponse> call) {
  co_await lane_.acquire();
  const uint64_t leadership = leadership_.number();
  const auto reason = refuse_bootstrap(call.request());
  if (!leadership_.is_serving()) {
    call.finish(MetaGroup::not_leader());
  } else if (cluster_) {
    leadership_.refuse(std::move(call), pdpb::ALREADY_BOOTSTRAPPED, "cluster is already bootstrapped");
  } else if (!reason.empty()) {
    leadership_.refuse(std::move(call), pdpb::UNKNOWN, reason);
  } else if (auto store = stores_.put(call.request().store()); !store.ok()) {
    leadership_.refuse(std::move(call), std::move(store).error());
  } else {
    metapb::Cluster cluster;
    cluster.set_id(leadership_.cluster_id());
    cluster.set_max_peer_count(config_.max_replicas);
    const auto version = stores_.version_with(*store);
    const Bytes time = number_bytes(static_cast<uint64_t>(leadership_.clock().wall_now().since_epoch.count()));
    const auto& region = call.request().region();
    MetaTxn txn;
    txn.if_absent(leadership_.keys().cluster())
        .put(leadership_.keys().cluster(), cluster.SerializeAsString())
        .put(leadership_.keys().bootstrap_time(), time)
        .put(leadership_.keys().store(store->id()), store->SerializeAsString())
        .put(leadership_.keys().region(region.id()), region.SerializeAsString())
        .put(leadership_.keys().cluster_version(), version.to_string());
    auto result = co_await leadership_.commit(std::move(txn));
    if (!result.status.ok() || leadership != leadership_.number()) {
      call.finish(result.status.ok() ? MetaGroup::not_leader() : result.status);
    } else {
      CHECK(result.txn.succeeded(), "the cluster was bootstrapped by another path");
      cluster_ = cluster;
      leadership_.set_bootstrapped(true);
      stores_.set(*store, leadership_.clock().now());
      stores_.set_cluster_version(version);
      auto first = std::make_shared<RegionInfo>();
      first->meta = region;
      const auto put = regions_.put(std::move(first));
      CHECK(put.ok(), "the first region: {}", put.error());
      LOG_INFO("cluster {} is bootstrapped by store {}", leadership_.cluster_id(), store->id());
      const std::string lack = co_await keyspaces_.make_missing(leadership);
      if (!lack.empty()) LOG_ERROR("not all keyspaces could be made: {}", lack);
      leadership_.finish(std::move(call));
    }
  }
  lane_.release();
}

void ClusterService::get_cluster_config(api::Call<pdpb::GetClusterConfigRequest, pdpb::GetClusterConfigResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  *call.response().mutable_cluster() = *cluster_;
  leadership_.finish(std::move(call));
}

void ClusterService::put_cluster_config(api::Call<pdpb::PutClusterConfigRequest, pdpb::PutClusterConfigResponse> call) {
  if (leadership_.admit_bootstrapped(call)) leadership_.spawn(serve_put_cluster_config(std::move(call)));
}

runtime::Task<void> ClusterService::serve_put_cluster_config(
    api::Call<pdpb::PutClusterConfigRequest, pdpb::PutClusterConfigResponse> call) {
  co_await lane_.acquire();
  const uint64_t leadership = leadership_.number();
  metapb::Cluster wanted = call.request().cluster();
  if (wanted.id() != leadership_.cluster_id()) {
    leadership_.refuse(
        std::move(call), pdpb::UNKNOWN,
        fmt::format("invalid cluster {}, mismatch cluster id {}", wanted.id(), leadership_.cluster_id()));
  } else {
    MetaTxn txn;
    txn.put(leadership_.keys().cluster(), wanted.SerializeAsString());
    auto result = co_await leadership_.commit(std::move(txn));
    if (!result.status.ok()) {
      call.finish(result.status);
    } else {
      if (leadership == leadership_.number()) cluster_ = std::move(wanted);
      leadership_.finish(std::move(call));
    }
  }
  lane_.release();
}

}  // namespace cairn::pd
