// Members, bootstrap, the cluster's record, stores.
#include "base/codec.h"
#include "base/log.h"
#include "pd/node_core.h"

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
    if (auto value = group_.store().value(kClusterIdKey)) {
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

void NodeCore::get_store(api::Call<pdpb::GetStoreRequest, pdpb::GetStoreResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const StoreId id(call.request().store_id());
  const auto* store = stores_.get(id);
  if (store == nullptr) return refuse(std::move(call), Stores::no_such_store(id.value));
  *call.response().mutable_store() = store->meta;
  *call.response().mutable_stats() = store->stats;
  finish(std::move(call));
}

void NodeCore::get_all_stores(api::Call<pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse> call) {
  if (!admit_bootstrapped(call)) return;
  for (const auto& [id, store] : stores_.all()) {
    if (call.request().exclude_tombstone_stores() && store.is_tombstone()) continue;
    *call.response().add_stores() = store.meta;
  }
  finish(std::move(call));
}

runtime::Task<api::Status> NodeCore::save_store(metapb::Store record) {
  const uint64_t leadership = leadership_;
  const auto version = stores_.version_with(record);
  MetaTxn txn;
  txn.put(keys_.store(record.id()), record.SerializeAsString());
  if (version != stores_.cluster_version()) txn.put(keys_.cluster_version(), version.to_string());
  auto result = co_await commit(std::move(txn));
  if (result.status.ok() && leadership != leadership_) co_return MetaGroup::not_leader();
  if (result.status.ok()) {
    const auto* known = stores_.get(StoreId(record.id()));
    if (known != nullptr) record.set_last_heartbeat(known->meta.last_heartbeat());  // may have come meanwhile
    stores_.set(std::move(record), dependencies_.clock.now());
    stores_.set_cluster_version(version);
  }
  co_return result.status;
}

void NodeCore::put_store(api::Call<pdpb::PutStoreRequest, pdpb::PutStoreResponse> call) {
  if (admit_bootstrapped(call)) spawn(serve_put_store(std::move(call)));
}

runtime::Task<void> NodeCore::serve_put_store(api::Call<pdpb::PutStoreRequest, pdpb::PutStoreResponse> call) {
  co_await cluster_lane_.acquire();
  if (!serving_) {
    call.finish(MetaGroup::not_leader());
  } else if (auto record = stores_.put(call.request().store()); !record.ok()) {
    refuse(std::move(call), std::move(record).error());
  } else {
    auto status = co_await save_store(*record);
    if (status.ok()) {
      // It speaks now, so it is not silent.
      if (auto* store = stores_.find(StoreId(record->id()))) store->last_heartbeat = dependencies_.clock.now();
      LOG_INFO("store {} at {} is registered, version {}", record->id(), record->address(), record->version());
      finish(std::move(call));
      patrol();  // it may take replicas at once
    } else {
      call.finish(std::move(status));
    }
  }
  cluster_lane_.release();
}

void NodeCore::store_heartbeat(api::Call<pdpb::StoreHeartbeatRequest, pdpb::StoreHeartbeatResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const auto& stats = call.request().stats();
  auto taken = stores_.heartbeat(stats, dependencies_.clock.now(), dependencies_.clock.wall_now());
  if (!taken.ok()) return refuse(std::move(call), std::move(taken).error());
  call.response().set_cluster_version(stores_.cluster_version().to_string());
  call.response().set_state(stores_.get(StoreId(stats.store_id()))->meta.node_state());
  finish(std::move(call));
}

void NodeCore::report_min_resolved_ts(
    api::Call<pdpb::ReportMinResolvedTsRequest, pdpb::ReportMinResolvedTsResponse> call) {
  if (!admit_bootstrapped(call)) return;
  const StoreId id(call.request().store_id());
  auto* store = stores_.find(id);
  if (store == nullptr) return refuse(std::move(call), Stores::no_such_store(id.value));
  store->min_resolved_ts = call.request().min_resolved_ts();
  finish(std::move(call));
}

void NodeCore::remove_store(StoreId store, std::function<void(api::Status)> done) {
  if (!serving_ || stopping_ || !spawn(serve_remove_store(store, done))) done(MetaGroup::not_leader());
}

runtime::Task<void> NodeCore::serve_remove_store(StoreId store, std::function<void(api::Status)> done) {
  co_await cluster_lane_.acquire();
  auto record = stores_.remove(store);
  api::Status status;
  if (!record.ok()) {
    status = {api::Code::kFailedPrecondition, record.error()};
  } else {
    status = co_await save_store(*record);
  }
  cluster_lane_.release();
  done(std::move(status));
}

void NodeCore::advance_store_states() {
  // Whether a store is empty can only be told when every region is known, as after a restart none is.
  const bool complete = [&] {
    Bytes at;
    for (const auto& region : regions_.scan({}, {}, 0)) {
      if (region->meta.start_key() != at || region->leader.id() == 0) return false;
      at = region->meta.end_key();
    }
    return at.empty() && regions_.size() > 0;
  }();
  uint64_t serving = 0;
  uint64_t peers = 0;
  for (const auto& [id, store] : stores_.all()) {
    if (store.meta.node_state() != metapb::Serving) continue;
    ++serving;
    peers += regions_.count(id).peers;
  }
  for (const auto& [id, store] : stores_.all()) {
    const auto held = regions_.count(id).peers;
    if (complete && store.meta.node_state() == metapb::Removing && held == 0) {
      spawn(advance_store_state(id, metapb::Removed));
      return;  // one at a time: the lane would pile up otherwise
    }
    // It has four fifths of its share: it counts as one of the others now.
    if (complete && store.meta.node_state() == metapb::Preparing && held * (serving + 1) * 5 >= (peers + held) * 4) {
      spawn(advance_store_state(id, metapb::Serving));
      return;
    }
  }
}

runtime::Task<void> NodeCore::advance_store_state(StoreId store, metapb::NodeState to) {
  co_await cluster_lane_.acquire();
  const auto* known = stores_.get(store);
  const bool wanted = known != nullptr && serving_ &&
                      ((to == metapb::Removed && known->meta.node_state() == metapb::Removing) ||
                       (to == metapb::Serving && known->meta.node_state() == metapb::Preparing));
  if (wanted && (to == metapb::Serving || regions_.count(store).peers == 0)) {
    metapb::Store record = known->meta;
    record.set_node_state(to);
    if (to == metapb::Removed) record.set_state(metapb::Tombstone);
    const auto status = co_await save_store(std::move(record));
    LOG_INFO("store {} goes to state {}: {}", store, metapb::NodeState_Name(to), status.ok() ? "done" : status.message);
  }
  cluster_lane_.release();
}

}  // namespace cairn::pd
