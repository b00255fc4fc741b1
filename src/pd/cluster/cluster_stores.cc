// The stores of the cluster: registration, heartbeats, removal.
#include "base/log.h"
#include "pd/cluster/cluster_service.h"
#include "pd/node/node_metrics.h"

namespace cairn::pd {
namespace {

// Below it a cluster counts as new: a store need not have its share before it serves, for there is little to share.
constexpr size_t kNewClusterRegions = 100;

}  // namespace

void ClusterService::get_store(api::Call<pdpb::GetStoreRequest, pdpb::GetStoreResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const StoreId id(call.request().store_id());
  const auto* store = stores_.get(id);
  if (store == nullptr) return leadership_.refuse(std::move(call), Stores::no_such_store(id.value));
  *call.response().mutable_store() = store->meta;
  *call.response().mutable_stats() = store->stats;
  leadership_.finish(std::move(call));
}

void ClusterService::get_all_stores(api::Call<pdpb::GetAllStoresRequest, pdpb::GetAllStoresResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  for (const auto& [id, store] : stores_.all()) {
    if (call.request().exclude_tombstone_stores() && store.is_tombstone()) continue;
    *call.response().add_stores() = store.meta;
  }
  leadership_.finish(std::move(call));
}

runtime::Task<api::Status> ClusterService::save_store(metapb::Store record) {
  const uint64_t leadership = leadership_.number();
  const auto version = stores_.version_with(record);
  MetaTxn txn;
  txn.put(leadership_.keys().store(record.id()), record.SerializeAsString());
  if (version != stores_.cluster_version()) txn.put(leadership_.keys().cluster_version(), version.to_string());
  auto result = co_await leadership_.commit(std::move(txn));
  if (result.status.ok() && leadership != leadership_.number()) co_return MetaGroup::not_leader();
  if (result.status.ok()) {
    const auto* known = stores_.get(StoreId(record.id()));
    const int64_t saved = record.last_heartbeat();
    if (known != nullptr && known->meta.last_heartbeat() > saved) {
      record.set_last_heartbeat(known->meta.last_heartbeat());  // one came meanwhile
    }
    const StoreId id(record.id());
    stores_.set(std::move(record), leadership_.clock().now());
    stores_.find(id)->saved_heartbeat_ns = saved;
    stores_.set_cluster_version(version);
  }
  co_return result.status;
}

void ClusterService::put_store(api::Call<pdpb::PutStoreRequest, pdpb::PutStoreResponse> call) {
  if (leadership_.admit_bootstrapped(call)) leadership_.spawn(serve_put_store(std::move(call)));
}

runtime::Task<void> ClusterService::serve_put_store(api::Call<pdpb::PutStoreRequest, pdpb::PutStoreResponse> call) {
  co_await lane_.acquire();
  if (!leadership_.is_serving()) {
    call.finish(MetaGroup::not_leader());
  } else if (auto record = stores_.put(call.request().store()); !record.ok()) {
    leadership_.refuse(std::move(call), std::move(record).error());
  } else {
    record->set_last_heartbeat(leadership_.clock().wall_now().since_epoch.count());
    auto status = co_await save_store(*record);
    if (status.ok()) {
      // It speaks now, so it is not silent.
      if (auto* store = stores_.find(StoreId(record->id()))) store->last_heartbeat = leadership_.clock().now();
      LOG_INFO("store {} at {} is registered, version {}", record->id(), record->address(), record->version());
      leadership_.finish(std::move(call));
      on_registered_();  // it may take replicas at once
    } else {
      call.finish(std::move(status));
    }
  }
  lane_.release();
}

void ClusterService::store_heartbeat(api::Call<pdpb::StoreHeartbeatRequest, pdpb::StoreHeartbeatResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto& stats = call.request().stats();
  const Instant begun = leadership_.clock().now();
  auto taken = stores_.heartbeat(stats, leadership_.clock().now(), leadership_.clock().wall_now());
  if (!taken.ok()) return leadership_.refuse(std::move(call), std::move(taken).error());
  auto& store = *stores_.find(StoreId(stats.store_id()));
  if (stores_.wants_heartbeat_saved(store)) {
    store.saved_heartbeat_ns = store.meta.last_heartbeat();  // one save at a time
    leadership_.spawn(save_heartbeat(store.id()));
  }
  call.response().set_cluster_version(stores_.cluster_version().to_string());
  call.response().set_state(stores_.get(StoreId(stats.store_id()))->meta.node_state());
  auto& time = NodeMetrics::store_heartbeat_time(store.meta.address(), store.id().value);
  leadership_.finish(std::move(call));
  time.observe(leadership_.clock().now() - begun);
}

void ClusterService::report_min_resolved_ts(
    api::Call<pdpb::ReportMinResolvedTsRequest, pdpb::ReportMinResolvedTsResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const StoreId id(call.request().store_id());
  auto* store = stores_.find(id);
  if (store == nullptr) return leadership_.refuse(std::move(call), Stores::no_such_store(id.value));
  store->min_resolved_ts = call.request().min_resolved_ts();
  leadership_.finish(std::move(call));
}

void ClusterService::list_stores(api::Call<cairnpb::ListStoresRequest, cairnpb::ListStoresResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const auto now = leadership_.clock().now();
  for (const auto& [id, store] : stores_.all()) {
    auto& out = *call.response().add_stores();
    const auto count = regions_.count(id);
    *out.mutable_store() = store.meta;
    out.set_state_name(health_name(stores_.health(store, now)));
    out.set_region_count(count.peers);
    out.set_leader_count(count.leaders);
    out.set_capacity(store.stats.capacity());
    out.set_available(store.stats.available());
  }
  leadership_.finish(std::move(call));
}

template <class Call, class Change>
runtime::Task<void> ClusterService::serve_store_change(Call call, Change change) {
  co_await lane_.acquire();
  if (!leadership_.is_serving()) {
    call.finish(MetaGroup::not_leader());
  } else if (auto record = change(); !record.ok()) {
    leadership_.refuse(std::move(call), pdpb::UNKNOWN, std::move(record).error());
  } else {
    LOG_INFO("store {} at {} goes to {}{}", record->id(), record->address(), metapb::StoreState_Name(record->state()),
             record->physically_destroyed() ? ", physically destroyed" : "");
    auto status = co_await save_store(std::move(*record));
    if (status.ok()) {
      leadership_.finish(std::move(call));
    } else {
      call.finish(std::move(status));
    }
  }
  lane_.release();
}

void ClusterService::remove_store(api::Call<cairnpb::RemoveStoreRequest, cairnpb::RemoveStoreResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const StoreId store(call.request().store_id());
  const auto loss = call.request().physically_destroyed() ? Stores::Loss::kPhysicallyDestroyed : Stores::Loss::kLeaves;
  leadership_.spawn(serve_store_change(std::move(call), [this, store, loss] { return stores_.remove(store, loss); }));
}

void ClusterService::cancel_remove_store(
    api::Call<cairnpb::CancelRemoveStoreRequest, cairnpb::CancelRemoveStoreResponse> call) {
  if (!leadership_.admit_bootstrapped(call)) return;
  const StoreId store(call.request().store_id());
  leadership_.spawn(serve_store_change(std::move(call), [this, store] { return stores_.cancel_removal(store); }));
}

void ClusterService::remove_tombstones(
    api::Call<cairnpb::RemoveTombstonesRequest, cairnpb::RemoveTombstonesResponse> call) {
  if (leadership_.admit_bootstrapped(call)) leadership_.spawn(serve_remove_tombstones(std::move(call)));
}

runtime::Task<void> ClusterService::serve_remove_tombstones(
    api::Call<cairnpb::RemoveTombstonesRequest, cairnpb::RemoveTombstonesResponse> call) {
  co_await lane_.acquire();
  const uint64_t leadership = leadership_.number();
  MetaTxn txn;
  std::vector<StoreId> gone;
  std::string kept;  // those that a region still names
  for (const auto& [id, store] : stores_.all()) {
    if (!store.is_tombstone()) continue;
    if (regions_.count(id).peers > 0) {
      kept += fmt::format("{}{}", kept.empty() ? "" : ", ", id);
    } else {
      txn.del(leadership_.keys().store(id.value));
      gone.push_back(id);
    }
  }
  api::Status status;
  if (!leadership_.is_serving()) status = MetaGroup::not_leader();
  if (status.ok() && txn.has_writes()) status = (co_await leadership_.commit(std::move(txn))).status;
  if (status.ok() && leadership != leadership_.number()) status = MetaGroup::not_leader();
  if (!status.ok()) {
    call.finish(std::move(status));
  } else {
    for (const StoreId id : gone) stores_.erase(id);
    kept.empty() ? leadership_.finish(std::move(call))
                 : leadership_.refuse(std::move(call), pdpb::UNKNOWN, "failed stores: " + kept);
  }
  lane_.release();
}

runtime::Task<void> ClusterService::save_heartbeat(StoreId store) {
  co_await lane_.acquire();
  if (const auto* known = stores_.get(store); known != nullptr && leadership_.is_serving() && !known->is_tombstone()) {
    co_await save_store(known->meta);
  }
  lane_.release();
}

void ClusterService::advance_store_states() {
  const bool is_complete = regions_.is_complete();
  const auto now = leadership_.clock().now();
  uint64_t serving = 0;
  uint64_t peers = 0;
  for (const auto& [id, store] : stores_.all()) {
    if (store.meta.node_state() != metapb::Serving) continue;
    ++serving;
    peers += regions_.count(id).peers;
  }
  for (const auto& [id, store] : stores_.all()) {
    const auto held = regions_.count(id).peers;
    // After a restart no region is known, and one that cannot elect a leader never reports: then the store's own word
    // that it is empty counts.
    const bool says_empty = store.stats.store_id() == id.value && store.stats.region_count() == 0 &&
                            now - store.last_heartbeat < config_.store_disconnect_time;
    if (store.meta.node_state() == metapb::Removing && held == 0 && (is_complete || says_empty)) {
      leadership_.spawn(advance_store_state(id, metapb::Removed));
      return;  // one at a time: the lane would pile up otherwise
    }
    // It has four fifths of its share: it counts as one of the others now.
    const bool has_share = regions_.size() < kNewClusterRegions || held * (serving + 1) * 5 >= (peers + held) * 4;
    if (store.meta.node_state() == metapb::Preparing && has_share && is_complete) {
      leadership_.spawn(advance_store_state(id, metapb::Serving));
      return;
    }
  }
}

runtime::Task<void> ClusterService::advance_store_state(StoreId store, metapb::NodeState to) {
  co_await lane_.acquire();
  const auto* known = stores_.get(store);
  const bool wanted = known != nullptr && leadership_.is_serving() &&
                      ((to == metapb::Removed && known->meta.node_state() == metapb::Removing) ||
                       (to == metapb::Serving && known->meta.node_state() == metapb::Preparing));
  if (wanted && (to == metapb::Serving || regions_.count(store).peers == 0)) {
    metapb::Store record = known->meta;
    record.set_node_state(to);
    if (to == metapb::Removed) record.set_state(metapb::Tombstone);
    const auto status = co_await save_store(std::move(record));
    LOG_INFO("store {} goes to state {}: {}", store, metapb::NodeState_Name(to), status.ok() ? "done" : status.message);
  }
  lane_.release();
}

}  // namespace cairn::pd
