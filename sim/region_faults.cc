#include "sim/region_faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "api/tikv.h"
#include "base/codec.h"
#include "engine/memory/disk_state.h"
#include "replica/wire.h"
#include "sim/targets.h"

namespace cairn::sim {

namespace {

void split(World& world, const Leader& leader, runtime::Random& dice) {
  const auto& [host, status] = leader;
  if (host->store() == nullptr) return;  // it went down since
  kvrpcpb::SplitRegionRequest request;
  auto* context = request.mutable_context();
  context->set_region_id(status.region.id.value);
  context->mutable_region_epoch()->set_conf_ver(status.region.epoch.conf_ver);
  context->mutable_region_epoch()->set_version(status.region.epoch.version);
  context->mutable_peer()->set_id(status.peer.value);
  context->mutable_peer()->set_store_id(host->store()->id().value);
  const bool is_raw = dice.chance(0.5);
  request.set_is_raw_kv(is_raw);
  // One key or two; those outside the region are refused, so that a few are tried.
  const auto& region = status.region;
  for (int tries = 0; tries < 10 && request.split_keys_size() < 2; ++tries) {
    const Bytes key = is_raw             ? fmt::format("{}{}", world.registers_prefix(), dice.below(4))
                      : dice.chance(0.5) ? fmt::format("{}account/{:02}", world.bank_prefix(), dice.below(6))
                                         : world.lists().key_of(static_cast<int>(dice.below(5)));
    const Bytes stored = is_raw && !world.is_api_v2() ? key : codec::encode_bytes(key);
    const bool is_inside = stored > region.start_key && (region.end_key.empty() || stored < region.end_key);
    if (is_inside && (request.split_keys().empty() || dice.chance(0.3))) request.add_split_keys(key);
  }
  if (request.split_keys().empty()) return;
  world.client(0)
      .tikv(host->node())
      .split_region(api::make_call<kvrpcpb::SplitRegionRequest, kvrpcpb::SplitRegionResponse>(
          std::move(request), [](const api::Reply<kvrpcpb::SplitRegionResponse>&) {}));
}

// A split reaches its replicas one after the other: first one follower, whose child asks for votes; then another, whose
// log writer stands still, so that the vote which it gives and the child that it makes are not on disk when it loses
// power; last the leader, whose child campaigns at once.
runtime::Task<void> split_in_turns(World* world, Leader leader, runtime::Executor* executor, runtime::Random dice) {
  const auto followers = followers_of(*world, leader, dice);
  if (followers.size() < 2) co_return split(*world, leader, dice);
  StoreHost* voter = followers[0];
  const NodeId first = followers[1]->node();
  const Duration late = dice.between(900ms, 2s);
  leader.first->stall("apply", late + dice.between(100ms, 1500ms));
  voter->stall("apply", late);
  split(*world, leader, dice);
  const Duration awake = dice.between(300ms, 800ms);
  co_await runtime::sleep(*executor, awake);
  // The request for its vote comes once more, when the child is there; and the leader does not know of it.
  world->network().block(first, leader.first->node());
  world->network().block(leader.first->node(), first);
  world->network().weather() = Weather{.delay_max = 10ms, .duplicate = 0.9, .straggle = 0.7, .straggle_max = late};
  if (voter->is_up()) voter->stall("raft-log", late - awake + dice.between(100ms, 600ms));
  co_await runtime::sleep(*executor, late - awake + dice.between(Duration{}, 100ms));
  world->network().weather() = Weather{};
  if (voter->is_up()) voter->crash(engine::CrashKind::kMachine);
  if (dice.chance(0.7)) cut_off(*world, first);
  co_await runtime::sleep(*executor, dice.between(1ms, 50ms));
  if (!voter->is_up()) voter->start();
  co_await runtime::sleep(*executor, dice.between(500ms, 3s));
  world->network().mend_links();
}

// While a peer is removed, another one is cut off and does not learn of it; then it is there again and the leader is
// not: it may ask the removed peer for its vote.
runtime::Task<void> schism(World* world, Leader leader, StoreId leaving, runtime::Executor* executor,
                           runtime::Random dice) {
  for (const auto& peer : leader.second.region.peers) {
    const auto node = world->directory().find(peer.store);
    if (!node || *node == leader.first->node() || peer.store == leaving) continue;
    cut_off(*world, *node);
    break;
  }
  co_await runtime::sleep(*executor, dice.between(100ms, 1s));
  world->network().mend_links();
  cut_off(*world, leader.first->node());
  co_await runtime::sleep(*executor, dice.between(1s, 3s));
  world->network().mend_links();
}

// Whether a change of the membership lies in the region's log at the store behind `after`, on disk or on its way there.
bool has_change(StoreHost& host, RegionId region, LogIndex after) {
  auto& disk = host.disk().state();
  MutexLock lock(disk.mutex);
  const auto& logs = disk.log->current.regions;
  const auto log = logs.find(region);
  if (log == logs.end()) return false;
  return std::any_of(log->second.entries.upper_bound(after.value), log->second.entries.end(), [](const auto& entry) {
    return replica::decode_entry(*entry.second).type != raft::EntryType::kNormal;
  });
}

// While one peer takes another's place, the leader and the newcomer are parted from the rest: two groups that each
// could think they are a quorum. Those of the rest have not applied the change, because their appliers stand still; or
// they have it and do not hear that it is committed, which the leader learns from them.
runtime::Task<void> part(World* world, Leader leader, StoreId newcomer, runtime::Executor* executor,
                         runtime::Random dice) {
  const auto ally = world->directory().find(newcomer);
  if (!ally) co_return;
  const NodeId self = leader.first->node();
  std::vector<StoreHost*> rest;
  for (auto& host : world->stores()) {
    if (host->node() != self && host->node() != *ally) rest.push_back(host.get());
  }
  const bool is_slow = dice.chance(0.5);
  const Duration until_cut = dice.chance(0.5) ? dice.between(5ms, 500ms) : dice.between(100ms, 1500ms);
  const auto cut = [&](bool hears_rest) {
    for (const StoreHost* host : rest) {
      for (const NodeId one : {self, *ally}) {
        world->network().block(one, host->node());
        if (!hears_rest) world->network().block(host->node(), one);
      }
    }
  };
  if (is_slow) {
    for (StoreHost* host : rest) host->stall("apply", until_cut + dice.between(2s, 4s));
    co_await runtime::sleep(*executor, until_cut);
  } else {
    const auto knows = [&](StoreHost* host) { return has_change(*host, leader.second.region.id, leader.second.last); };
    for (int tries = 0; tries < 1000 && std::none_of(rest.begin(), rest.end(), knows); ++tries) {
      co_await runtime::sleep(*executor, 200us);
    }
    cut(true);
    co_await runtime::sleep(*executor, dice.between(1ms, 100ms));
  }
  cut(false);
  co_await runtime::sleep(*executor, dice.between(1500ms, 4s));
  world->network().mend_links();
}

}  // namespace

void split_region(World* world, runtime::Executor* executor, runtime::Random& dice) {
  auto chosen = draw_leader(*world, dice);
  if (!chosen) return;
  if (dice.chance(0.25)) return runtime::spawn(*executor, split_in_turns(world, *chosen, executor, dice.fork()));
  // The children may have leaders elsewhere before this one has applied the split.
  if (dice.chance(0.5)) chosen->first->stall("apply", dice.between(500ms, 4s));
  split(*world, *chosen, dice);
}

runtime::Task<void> change_membership(World* world, runtime::Executor* executor, runtime::Random dice) {
  auto chosen = draw_leader(*world, dice);
  if (!chosen) co_return;
  pdpb::AllocIDRequest request;
  request.mutable_header()->set_cluster_id(kCluster.value);
  api::Pd* pd = &world->client(0).pd();
  auto reply = co_await api::ask<pdpb::AllocIDRequest, pdpb::AllocIDResponse>(
      *executor, 2s, std::move(request), [pd](auto call) { pd->alloc_id(std::move(call)); });
  if (!reply.ok() || reply->id() == 0) co_return;
  const auto& [host, status] = *chosen;
  std::vector<StoreId> free;
  for (const auto& [store, node] : world->directory().nodes) {
    const auto& held = status.region.peers;
    if (std::none_of(held.begin(), held.end(), [&](const auto& peer) { return peer.store == store; })) {
      free.push_back(store);
    }
  }
  pdpb::RegionHeartbeatResponse command;
  command.set_region_id(status.region.id.value);
  command.mutable_region_epoch()->set_conf_ver(status.region.epoch.conf_ver);
  command.mutable_region_epoch()->set_version(status.region.epoch.version);
  command.mutable_target_peer()->set_id(status.peer.value);
  auto fill = [](pdpb::ChangePeer& change, eraftpb::ConfChangeType type, PeerId id, StoreId store,
                 metapb::PeerRole role) {
    change.set_change_type(type);
    change.mutable_peer()->set_id(id.value);
    change.mutable_peer()->set_store_id(store.value);
    change.mutable_peer()->set_role(role);
  };
  const auto leaving = draw_heir(*chosen, dice);
  // Of two voters none is taken away: the one that stays may not know that the other has left, and wait for its vote.
  const auto& peers = status.region.peers;
  const auto learners = std::count_if(peers.begin(), peers.end(), [](const auto& peer) {
    return peer.role == engine::PeerDescription::Role::kLearner;
  });
  const bool may_lose = leaving && peers.size() >= 3 + static_cast<size_t>(learners);
  if (!free.empty() && may_lose && dice.chance(0.6)) {
    auto& changes = *command.mutable_change_peer_v2();
    const StoreId newcomer = free[dice.below(free.size())];
    fill(*changes.add_changes(), eraftpb::AddNode, PeerId(reply->id()), newcomer, metapb::Voter);
    fill(*changes.add_changes(), eraftpb::AddLearnerNode, leaving->id, leaving->store, metapb::Learner);
    if (dice.chance(0.8)) runtime::spawn(*executor, part(world, *chosen, newcomer, executor, dice.fork()));
  } else if (!free.empty() && dice.chance(0.5)) {
    fill(*command.mutable_change_peer(), eraftpb::AddLearnerNode, PeerId(reply->id()), free[dice.below(free.size())],
         metapb::Learner);
  } else if (may_lose) {
    fill(*command.mutable_change_peer(), eraftpb::RemoveNode, leaving->id, leaving->store, metapb::Voter);
    const auto node = world->directory().find(leaving->store);
    StoreHost* loser = node ? world->store_of(*node) : nullptr;
    if (dice.chance(0.5)) {
      runtime::spawn(*executor, schism(world, *chosen, leaving->store, executor, dice.fork()));
      co_await runtime::sleep(*executor, 20ms);
    } else if (loser != nullptr && loser->is_up() && dice.chance(0.6)) {
      // It learns from others that it is gone while its applier has a split before it yet.
      loser->stall("apply", dice.between(1s, 4s));
      split(*world, *chosen, dice);
      co_await runtime::sleep(*executor, dice.between(20ms, 300ms));
      const auto now = find_leader(*world, status.region.id);
      if (!now || now->first != host) co_return;
      command.mutable_region_epoch()->set_version(now->second.region.epoch.version);
    }
  } else {
    co_return;
  }
  host->command(std::move(command));
}

}  // namespace cairn::sim
