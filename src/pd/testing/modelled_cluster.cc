#include "pd/testing/modelled_cluster.h"

#include <algorithm>

namespace cairn::pd {

ModelledCluster::ModelledCluster(int stores) {
  for (int i = 1; i <= stores; ++i) add_store(StoreId(static_cast<uint64_t>(i)));
}

void ModelledCluster::add_store(StoreId id) {
  metapb::Store store;
  store.set_id(id.value);
  store.set_address(fmt::format("store{}:20160", id));
  store.set_version("9.0.0");
  store.set_node_state(metapb::Serving);
  stores_.set(std::move(store), now_);
}

void ModelledCluster::change_store(StoreId id, const std::function<void(StoreInfo&)>& change) {
  change(*stores_.find(id));
}

void ModelledCluster::lose(StoreId id, StoreHealth health) {
  auto& store = *stores_.find(id);
  store.last_heartbeat = now_;
  switch (health) {
    case StoreHealth::kUp:
      break;
    case StoreHealth::kDisconnected:
      store.last_heartbeat = now_ - config.store_disconnect_time - std::chrono::seconds(1);
      break;
    case StoreHealth::kDown:
      store.last_heartbeat = now_ - config.max_store_down_time - std::chrono::seconds(1);
      break;
    case StoreHealth::kOffline:
      store.meta.set_state(metapb::Offline);
      store.meta.set_node_state(metapb::Removing);
      break;
    case StoreHealth::kTombstone:
      store.meta.set_state(metapb::Tombstone);
      break;
  }
}

void ModelledCluster::add_region(uint64_t id, const std::vector<uint64_t>& stores, uint64_t mib) {
  RegionInfo region;
  region.meta.set_id(id);
  region.meta.set_start_key(fmt::format("{:08}", id));
  region.meta.set_end_key(fmt::format("{:08}", id + 1));
  region.meta.mutable_region_epoch()->set_version(1);
  region.meta.mutable_region_epoch()->set_conf_ver(1);
  for (const uint64_t store : stores) {
    auto& peer = *region.meta.add_peers();
    peer.set_id(next_id_++);
    peer.set_store_id(store);
  }
  region.leader = region.meta.peers(0);
  region.approximate_mib = mib;
  report(std::move(region));
}

void ModelledCluster::change_region(uint64_t id, const std::function<void(RegionInfo&)>& change) {
  RegionInfo changed = *region(id);
  change(changed);
  report(std::move(changed));
}

ClusterView ModelledCluster::view() const {
  return ClusterView({.config = config,
                      .stores = stores_,
                      .regions = tree_,
                      .influences = operators_.influences(),
                      .limits = limits_,
                      .weights = weights_,
                      .pauses = pauses_},
                     now_);
}

void ModelledCluster::report(RegionInfo region) {
  const auto taken = tree_.put(std::make_shared<RegionInfo>(std::move(region)));
  if (!taken.ok()) fault(taken.error());
}

bool ModelledCluster::is_alive(const metapb::Peer& peer) const {
  const auto* store = stores_.get(StoreId(peer.store_id()));
  return store != nullptr && stores_.health(*store, now_) != StoreHealth::kDown;
}

void ModelledCluster::heartbeat(StoreInfo& store) const {
  store.last_heartbeat = now_;
  auto& stats = store.stats;
  if (stats.capacity() == 0) return;
  const uint64_t others = stats.capacity() - stats.available() - stats.used_size();
  const uint64_t used = tree_.count(store.id()).mib << 20;
  stats.set_used_size(used);
  stats.set_available(stats.capacity() - std::min(stats.capacity(), others + used));
}

int ModelledCluster::round() {
  now_ = now_ + std::chrono::seconds(1);
  for (const auto& [id, store] : stores_.all()) {
    if (stores_.health(store, now_ - std::chrono::seconds(1)) == StoreHealth::kUp) heartbeat(*stores_.find(id));
  }
  pauses_ = schedulers_.pauses();
  schedulers_.run([this] { return view(); }, dice_, [this](OperatorKind kind) { return operators_.has_room(kind); },
                  [this](Proposal proposal) { return begin(*proposal.region, std::move(proposal.plan)).empty(); });
  int done = 0;
  for (const auto& known : regions()) {
    RegionInfo region = *known;
    look_at_peers(region);
    report(region);
    const auto cluster = view();
    auto command = operators_.advance(region, cluster, Duration(0));
    if (!operators_.has(region.id()) && operators_.has_room(OperatorKind::kReplica)) {
      auto plan = check_replicas(region, cluster);
      if (plan && begin(region, std::move(*plan)).empty()) {
        command = operators_.advance(region, cluster, Duration(0));
      }
    }
    if (!command) continue;
    carry_out(region, *command);
    report(std::move(region));
    ++done;
  }
  return done;
}

bool ModelledCluster::settle(int rounds_max) {
  // Schedulers that found nothing are asked again after a while.
  const int quiet_wanted = schedulers_.all().empty() ? 1 : 20;
  int quiet = 0;
  for (int i = 0; i < rounds_max; ++i) {
    quiet = round() == 0 && operators_.size() == 0 ? quiet + 1 : 0;
    if (quiet == quiet_wanted) return true;
  }
  return false;
}

std::string ModelledCluster::begin(const RegionInfo& region, Plan plan) {
  if (auto reason = operators_.refuse(region, plan, view()); !reason.empty()) return reason;
  while (const auto store = awaits_peer_id(plan.steps)) give_peer_id(plan.steps, *store, next_id_++);
  operators_.add(region, std::move(plan), limits_, now_);
  ++begun_;
  return {};
}

void ModelledCluster::look_at_peers(RegionInfo& region) const {
  region.down_peers.clear();
  for (const auto& peer : region.meta.peers()) {
    if (!is_alive(peer)) region.down_peers.emplace_back().mutable_peer()->CopyFrom(peer);
  }
  if (is_alive(region.leader)) return;
  for (const auto& peer : region.meta.peers()) {
    if (is_alive(peer) && peer.role() == metapb::Voter) region.leader = peer;
  }
}

void ModelledCluster::carry_out(RegionInfo& region, const StepCommand& command) {
  if (command.has_transfer_leader()) {
    region.leader = command.transfer_leader().peer();
    return;
  }
  if (!command.has_change_peer()) return fault("a command that is none: " + command.ShortDebugString());
  change_peer(region, command.change_peer());
  region.meta.mutable_region_epoch()->set_conf_ver(region.meta.region_epoch().conf_ver() + 1);
}

void ModelledCluster::change_peer(RegionInfo& region, const pdpb::ChangePeer& change) {
  const auto& wanted = change.peer();
  auto& peers = *region.meta.mutable_peers();
  const auto found =
      std::find_if(peers.begin(), peers.end(), [&](const auto& peer) { return peer.id() == wanted.id(); });
  const auto refuse = [&](const char* why) { fault(fmt::format("region {}: {}", region.id(), why)); };
  if (change.change_type() == eraftpb::AddLearnerNode) {
    if (found != peers.end()) return refuse("a learner is added twice");
    if (region.peer_on(StoreId(wanted.store_id())) != nullptr) return refuse("two peers on one store");
    if (view().store(StoreId(wanted.store_id()))->health != StoreHealth::kUp)
      return refuse("a peer comes to a lost store");
    *peers.Add() = wanted;
    return;
  }
  if (found == peers.end()) return refuse("a peer is changed that is not there");
  if (change.change_type() == eraftpb::AddNode) {
    found->set_role(metapb::Voter);
    return;
  }
  if (wanted.id() == region.leader.id()) return refuse("the leader is told to remove itself");
  peers.erase(found);
  int voters = 0;
  int alive = 0;
  for (const auto& peer : peers) {
    if (peer.role() != metapb::Voter) continue;
    ++voters;
    alive += is_alive(peer) ? 1 : 0;
  }
  if (alive * 2 <= voters) refuse("a removal leaves no majority");
}

}  // namespace cairn::pd
