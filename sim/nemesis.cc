#include "sim/nemesis.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "api/tikv.h"
#include "base/codec.h"
#include "base/log.h"
#include "engine/memory/disk_state.h"
#include "replica/wire.h"
#include "runtime/async.h"
#include "store/store.h"

namespace cairn::sim {

namespace {

engine::CrashKind draw_kind(runtime::Random& dice) {
  return dice.chance(0.7) ? engine::CrashKind::kMachine : engine::CrashKind::kProcess;
}

StoreHost& draw_store(World& world, runtime::Random& dice) {
  return *world.stores()[dice.below(world.stores().size())];
}

// One of the leaders, as its store shows it; and that store.
using Leader = std::pair<StoreHost*, store::RegionStatus>;
std::optional<Leader> draw_leader(World& world, runtime::Random& dice) {
  std::vector<Leader> leaders;
  for (auto& host : world.stores()) {
    if (host->store() == nullptr) continue;
    for (auto& status : host->store()->regions()) {
      if (status.is_leader) leaders.emplace_back(host.get(), std::move(status));
    }
  }
  if (leaders.empty()) return std::nullopt;
  return std::move(leaders[dice.below(leaders.size())]);
}

void split(World& world, runtime::Random& dice) {
  auto chosen = draw_leader(world, dice);
  if (!chosen) return;
  const auto& [host, status] = *chosen;
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
  // The children may have leaders elsewhere before this one has applied the split.
  if (dice.chance(0.5)) host->stall("apply", dice.between(500ms, 4s));
  world.client(0)
      .tikv(host->node())
      .split_region(api::make_call<kvrpcpb::SplitRegionRequest, kvrpcpb::SplitRegionResponse>(
          std::move(request), [](const api::Reply<kvrpcpb::SplitRegionResponse>&) {}));
}

// One of the region's voters other than the leader.
std::optional<engine::PeerDescription> draw_heir(const Leader& leader, runtime::Random& dice) {
  std::vector<engine::PeerDescription> heirs;
  for (const auto& peer : leader.second.region.peers) {
    if (peer.role == engine::PeerDescription::Role::kVoter && peer.id != leader.second.peer) heirs.push_back(peer);
  }
  if (heirs.empty()) return std::nullopt;
  return heirs[dice.below(heirs.size())];
}

// Cuts a node off from all other nodes. Clients still reach it: a leader that is cut off must not go on answering them.
void cut_off(World& world, NodeId alone) {
  const uint64_t nodes = 1 + world.stores().size();  // PD is node 1, the stores follow
  for (uint64_t other = 1; other <= nodes; ++other) {
    if (NodeId(other) == alone) continue;
    world.network().block(alone, NodeId(other));
    world.network().block(NodeId(other), alone);
  }
}

// Often the old leader is cut off in the middle of it and does not learn of the new one, or the new one from PD, which
// is to tell it a timestamp above all reads of the old one.
runtime::Task<void> transfer_leader(World* world, runtime::Executor* executor, runtime::Random dice) {
  auto chosen = draw_leader(*world, dice);
  if (!chosen) co_return;
  const auto heir = draw_heir(*chosen, dice);
  if (!heir) co_return;
  const bool is_heir_cut_off = dice.chance(0.3);
  const auto heirs_node = world->directory().find(heir->store);
  if (is_heir_cut_off && heirs_node) {
    world->network().block(*heirs_node, world->pd().node());
    world->network().block(world->pd().node(), *heirs_node);
  }
  chosen->first->store()->transfer_leader(chosen->second.region.id, heir->id);
  if (!is_heir_cut_off && dice.chance(0.4)) co_return;
  co_await runtime::sleep(*executor, dice.between(Duration{}, 4ms));
  if (!is_heir_cut_off) cut_off(*world, chosen->first->node());
  co_await runtime::sleep(*executor, dice.between(100ms, 2s));
  world->network().mend_links();
}

// A store that plays a TiKV comes to lead, and is cut off while its long lease runs.
runtime::Task<void> maroon_tikv(World* world, runtime::Executor* executor, runtime::Random dice) {
  const auto chosen = draw_leader(*world, dice);
  if (!chosen) co_return;
  const NodeId tikv = world->stores().front()->node();
  for (const auto& peer : chosen->second.region.peers) {
    if (chosen->first->node() == tikv || world->directory().find(peer.store) != tikv) continue;
    chosen->first->store()->transfer_leader(chosen->second.region.id, peer.id);
  }
  co_await runtime::sleep(*executor, dice.between(100ms, 400ms));
  cut_off(*world, tikv);
  co_await runtime::sleep(*executor, dice.between(2s, 6s));
  world->network().mend_links();
}

void hand_back(World& world, RegionId region, PeerId to) {
  for (auto& host : world.stores()) {
    if (host->store() == nullptr) continue;
    for (const auto& status : host->store()->regions()) {
      if (status.region.id == region && status.is_leader) host->store()->transfer_leader(region, to);
    }
  }
}

// Leadership goes away and comes back while what the first leader had committed still waits for its applier.
runtime::Task<void> bounce(World* world, runtime::Executor* executor, runtime::Random dice) {
  auto chosen = draw_leader(*world, dice);
  if (!chosen) co_return;
  const auto heir = draw_heir(*chosen, dice);
  if (!heir) co_return;
  const RegionId region = chosen->second.region.id;
  const Duration stall = dice.between(300ms, 3s);
  chosen->first->stall("apply", stall);
  co_await runtime::sleep(*executor, dice.between(Duration{}, 100ms));
  hand_back(*world, region, heir->id);
  for (int tries = 0; tries < 8; ++tries) {
    co_await runtime::sleep(*executor, stall / 10);
    hand_back(*world, region, chosen->second.peer);
  }
}

// Breaks links in one of several ways; they mend after a while.
runtime::Task<void> cut_links(World* world, runtime::Executor* executor, runtime::Random dice) {
  Network& network = world->network();
  const uint64_t nodes = 1 + world->stores().size();  // PD is node 1, the stores follow
  auto any = [&] { return NodeId(dice.between(1, nodes)); };
  switch (dice.below(4)) {
    case 0:
      network.isolate(any());
      break;
    case 1:
      cut_off(*world, any());
      break;
    case 2:
      network.block(any(), any());
      break;
    default:
      network.clog(any(), any(), dice.between(100ms, 2s));
      break;
  }
  co_await runtime::sleep(*executor, dice.between(100ms, 4s));
  network.mend_links();
}

runtime::Task<void> bad_weather(World* world, runtime::Executor* executor, runtime::Random dice) {
  world->network().weather() = Weather{.delay_max = dice.between(1ms, 50ms),
                                       .loss = dice.fraction() * 0.2,
                                       .duplicate = dice.fraction() * 0.3,
                                       .straggle = dice.fraction() * 0.2,
                                       .repeat = dice.fraction() * 0.2};
  co_await runtime::sleep(*executor, dice.between(100ms, 4s));
  world->network().weather() = Weather{};
}

runtime::Task<void> crash_and_restart(Host* host, runtime::Executor* executor, runtime::Random dice) {
  host->crash(draw_kind(dice));
  co_await runtime::sleep(*executor, dice.between(10ms, 2s));
  if (!host->is_up()) host->start();
}

runtime::Task<void> pause_and_resume(Host* host, runtime::Executor* executor, runtime::Random dice) {
  host->pause();
  co_await runtime::sleep(*executor, dice.between(100ms, 3s));
  host->resume();
}

// One follower does not hear the leader and asks for votes; the other heard it a moment ago, and restarts.
runtime::Task<void> usurp(World* world, runtime::Executor* executor, runtime::Random dice) {
  auto chosen = draw_leader(*world, dice);
  if (!chosen) co_return;
  std::vector<StoreHost*> followers;
  for (const auto& peer : chosen->second.region.peers) {
    const auto node = world->directory().find(peer.store);
    StoreHost* host = node ? world->store_of(*node) : nullptr;
    if (host != nullptr && host != chosen->first && host->is_up()) followers.push_back(host);
  }
  if (followers.size() < 2) co_return;
  if (dice.chance(0.5)) std::swap(followers[0], followers[1]);
  const NodeId leader = chosen->first->node();
  const NodeId usurper = followers[0]->node();
  world->network().block(leader, usurper);
  world->network().block(usurper, leader);
  co_await runtime::sleep(*executor, dice.between(600ms, 2s));
  if (followers[1]->is_up()) {
    followers[1]->crash(draw_kind(dice));
    co_await runtime::sleep(*executor, dice.between(1ms, 30ms));
    if (!followers[1]->is_up()) followers[1]->start();
    if (dice.chance(0.5)) cut_off(*world, leader);
  }
  co_await runtime::sleep(*executor, dice.between(200ms, 2s));
  world->network().mend_links();
}

// Others fill the store's disk, into its reserve or into the half of it that is the engine's own.
runtime::Task<void> fill_disk(Host* host, uint64_t reserve, runtime::Executor* executor, runtime::Random dice) {
  engine::MemoryDisk& disk = host->disk();
  disk.set_capacity(disk.used() + dice.between(reserve / 4, reserve));
  co_await runtime::sleep(*executor, dice.between(500ms, 3s));
  disk.set_capacity(kRoomyDisk);
}

void stall_thread(Host& host, runtime::Random& dice) {
  static constexpr const char* kThreads[] = {"apply-0", "apply-1", "apply", "raft-log", "read", "snapshot", "pd-log"};
  host.stall(kThreads[dice.below(std::size(kThreads))], dice.between(100ms, 3s));
}

// A lease ends a tenth before the others' patience does: clocks may differ by a twentieth either way (replica.cc).
void disturb_clock(Host& host, runtime::Random& dice) {
  constexpr int64_t kBound = 50'000;
  switch (dice.below(3)) {
    case 0:
      host.clock().set_drift(dice.chance(0.5) ? kBound : -kBound);
      break;
    case 1:
      host.clock().set_drift(static_cast<int64_t>(dice.below(2 * kBound + 1)) - kBound);
      break;
    default:
      host.clock().jump_wall(dice.between(Duration{}, 4s) - 2s);
      break;
  }
}

void compact(StoreHost& host, runtime::Random& dice) {
  engine::KvEngine* data = host.data();
  if (data == nullptr) return;
  data->flush_soon();
  if (dice.chance(0.5)) return;
  host.run_on("gc-compact", [data] {
    std::atomic<bool> canceled = false;
    for (engine::Cf cf : {engine::Cf::kDefault, engine::Cf::kWrite}) {
      static_cast<void>(data->compact(cf, {}, {}, canceled));  // an engine that is full says so to the store, too
    }
  });
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

// A change of a region's membership, as an operator of PD would order it: a peer more, a peer less, or one for another
// at once. PD's own checkers then see a region that is not as they want it, and go on from there.
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
    if (dice.chance(0.5)) {
      runtime::spawn(*executor, schism(world, *chosen, leaving->store, executor, dice.fork()));
      co_await runtime::sleep(*executor, 20ms);
    }
  } else {
    co_return;
  }
  host->command(std::move(command));
}

void spoil(World* world, runtime::Executor* executor, Fault fault, runtime::Random& dice) {
  StoreHost& store = draw_store(*world, dice);
  Host& anyone = dice.chance(0.2) ? static_cast<Host&>(world->pd()) : store;
  ++world->faults[static_cast<size_t>(fault)];
  switch (fault) {
    case Fault::kCrash:
      return runtime::spawn(*executor, crash_and_restart(&anyone, executor, dice.fork()));
    case Fault::kPartition:
      return runtime::spawn(*executor, cut_links(world, executor, dice.fork()));
    case Fault::kWeather:
      return runtime::spawn(*executor, bad_weather(world, executor, dice.fork()));
    case Fault::kPause:
      return runtime::spawn(*executor, pause_and_resume(&anyone, executor, dice.fork()));
    case Fault::kStall:
      return stall_thread(anyone, dice);
    case Fault::kClock:
      return disturb_clock(anyone, dice);
    case Fault::kPdClock:
      return world->pd().clock().jump_wall(dice.between(Duration{}, 20s) - 10s);
    case Fault::kTransfer:
      if (world->options().tikvs > 0 && dice.chance(0.5)) {
        return runtime::spawn(*executor, maroon_tikv(world, executor, dice.fork()));
      }
      return runtime::spawn(*executor, transfer_leader(world, executor, dice.fork()));
    case Fault::kBounce:
      return runtime::spawn(*executor, bounce(world, executor, dice.fork()));
    case Fault::kFullDisk:
      return runtime::spawn(*executor, fill_disk(&store, kReserveSpace, executor, dice.fork()));
    case Fault::kSplit:
      return split(*world, dice);
    case Fault::kMembership:
      return runtime::spawn(*executor, change_membership(world, executor, dice.fork()));
    case Fault::kCompaction:
      return compact(store, dice);
    case Fault::kUsurper:
      return runtime::spawn(*executor, usurp(world, executor, dice.fork()));
    case Fault::kAmbush:
      return world->set_ambush(dice.chance(0.5) ? Ambush::kInstaller : Ambush::kVoter);
  }
}

Fault draw_fault(const Profile& profile, runtime::Random& dice) {
  uint64_t sum = 0;
  for (uint64_t weight : profile.weights) sum += weight;
  uint64_t point = dice.below(sum);
  for (size_t kind = 0;; ++kind) {
    if (point < profile.weights[kind]) return static_cast<Fault>(kind);
    point -= profile.weights[kind];
  }
}

}  // namespace

runtime::Task<void> rage(World* world, runtime::Executor* executor, Duration span, uint64_t seed, bool* is_over) {
  runtime::Random dice(seed);
  const Profile& profile = world->profile();
  const Duration begin = world->loop().now();
  auto goes_on = [&] {
    const Duration passed = world->loop().now() - begin;
    return !world->is_failed() && (passed < span || (!world->is_eventful() && passed < 3 * span));
  };
  while (goes_on()) {
    co_await runtime::sleep(*executor, dice.between(profile.pace_min, profile.pace_max));
    // Beyond the span, what each seed must see is made to happen.
    const bool is_late = world->loop().now() - begin >= span;
    constexpr Fault kWanted[] = {Fault::kSplit, Fault::kSplit, Fault::kTransfer, Fault::kMembership, Fault::kCrash};
    spoil(world, executor, is_late ? kWanted[dice.below(std::size(kWanted))] : draw_fault(profile, dice), dice);
  }
  *is_over = true;
}

runtime::Task<void> crash_installer(StoreHost* host, runtime::Executor* executor, runtime::Random dice) {
  co_await runtime::sleep(*executor, dice.between(Duration{}, dice.chance(0.5) ? 5ms : 100ms));
  if (host->is_up()) co_await crash_and_restart(host, executor, dice.fork());
}

runtime::Task<void> crash_voter(World* world, StoreHost* voter, NodeId candidate, runtime::Executor* executor,
                                runtime::Random dice) {
  const Duration sync = world->profile().disk.sync;
  co_await runtime::sleep(*executor, dice.between(Duration{}, sync + 100us));
  if (!voter->is_up()) co_return;
  voter->crash(engine::CrashKind::kMachine);
  co_await runtime::sleep(*executor, 1ms);  // the vote arrives
  cut_off(*world, candidate);
  co_await runtime::sleep(*executor, dice.between(Duration{}, 30ms));
  if (!voter->is_up()) voter->start();
  co_await runtime::sleep(*executor, dice.between(500ms, 3s));
  world->network().mend_links();
}

}  // namespace cairn::sim
