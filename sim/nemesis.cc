#include "sim/nemesis.h"

#include <fmt/format.h>

#include <optional>
#include <utility>
#include <vector>

#include "api/tikv.h"
#include "base/log.h"
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
std::optional<std::pair<StoreHost*, store::RegionStatus>> draw_leader(World& world, runtime::Random& dice) {
  std::vector<std::pair<StoreHost*, store::RegionStatus>> leaders;
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
  // One key or two; those outside the region are refused.
  for (uint64_t keys = dice.between(1, 2); keys > 0; --keys) {
    request.add_split_keys(is_raw             ? fmt::format("{}{}", world.registers_prefix(), dice.below(4))
                           : dice.chance(0.5) ? fmt::format("{}account/{:02}", world.bank_prefix(), dice.below(6))
                                              : world.lists().key_of(static_cast<int>(dice.below(5))));
  }
  world.client(0)
      .tikv(host->node())
      .split_region(api::make_call<kvrpcpb::SplitRegionRequest, kvrpcpb::SplitRegionResponse>(
          std::move(request), [world = &world](const api::Reply<kvrpcpb::SplitRegionResponse>& reply) {
            if (reply.ok() && !reply->has_region_error() && reply->regions_size() > 1) ++world->splits;
          }));
}

void transfer_leader(World& world, runtime::Random& dice) {
  auto chosen = draw_leader(world, dice);
  if (!chosen) return;
  const auto& peers = chosen->second.region.peers;
  if (peers.empty()) return;
  chosen->first->store()->transfer_leader(chosen->second.region.id, peers[dice.below(peers.size())].id);
}

// Breaks the network in one of several ways; it mends after a while.
runtime::Task<void> break_network(World* world, runtime::Executor* executor, runtime::Random dice) {
  Network& network = world->network();
  const uint64_t nodes = 1 + world->stores().size();  // PD is node 1, the stores follow
  auto any = [&] { return NodeId(dice.between(1, nodes)); };
  switch (dice.below(5)) {
    case 0:
      network.isolate(any());
      break;
    case 1: {
      // Clients still reach it: a leader that is cut off must not go on answering them.
      const NodeId alone = any();
      for (uint64_t other = 1; other <= nodes; ++other) {
        if (NodeId(other) == alone) continue;
        network.block(alone, NodeId(other));
        network.block(NodeId(other), alone);
      }
      break;
    }
    case 2:
      network.block(any(), any());
      break;
    case 3:
      network.clog(any(), any(), dice.between(100ms, 2s));
      break;
    default:
      network.weather() = Weather{.delay_max = dice.between(1ms, 50ms),
                                  .loss = dice.fraction() * 0.2,
                                  .duplicate = dice.fraction() * 0.3,
                                  .straggle = dice.fraction() * 0.2};
      break;
  }
  co_await runtime::sleep(*executor, dice.between(100ms, 4s));
  network.heal();
}

runtime::Task<void> crash_and_restart(World* world, Host* host, runtime::Executor* executor, runtime::Random dice) {
  ++world->crashes;
  host->crash(draw_kind(dice));
  co_await runtime::sleep(*executor, dice.between(10ms, 2s));
  if (!host->is_up()) host->start();
}

runtime::Task<void> pause_and_resume(Host* host, runtime::Executor* executor, runtime::Random dice) {
  host->pause();
  co_await runtime::sleep(*executor, dice.between(100ms, 3s));
  host->resume();
}

// Others fill the store's disk, into its reserve or into the half of it that is the engine's own.
runtime::Task<void> fill_disk(Host* host, uint64_t reserve, runtime::Executor* executor, runtime::Random dice) {
  engine::MemoryDisk& disk = host->disk();
  disk.set_capacity(disk.used() + dice.between(reserve / 4, reserve));
  co_await runtime::sleep(*executor, dice.between(500ms, 3s));
  disk.set_capacity(kRoomyDisk);
}

void disturb_clock(Host& host, runtime::Random& dice) {
  if (dice.chance(0.5)) {
    host.clock().set_drift(static_cast<int64_t>(dice.below(4001)) - 2000);  // two thousandths either way
  } else {
    host.clock().jump_wall(dice.between(Duration{}, 4s) - 2s);
  }
}

}  // namespace

runtime::Task<void> rage(World* world, runtime::Executor* executor, Duration span, uint64_t seed, bool* is_over) {
  runtime::Random dice(seed);
  const Duration end = world->loop().now() + span;
  while (world->loop().now() < end && !world->is_failed()) {
    co_await runtime::sleep(*executor, dice.between(50ms, 800ms));
    Host& anyone = dice.chance(0.2) ? static_cast<Host&>(world->pd()) : draw_store(*world, dice);
    switch (dice.below(11)) {
      case 0:
      case 1:
      case 2:
        if (anyone.is_up()) runtime::spawn(*executor, crash_and_restart(world, &anyone, executor, dice.fork()));
        break;
      case 3:
      case 4:
        runtime::spawn(*executor, break_network(world, executor, dice.fork()));
        break;
      case 5:
        runtime::spawn(*executor, pause_and_resume(&anyone, executor, dice.fork()));
        break;
      case 6:
        disturb_clock(anyone, dice);
        break;
      case 7:
        transfer_leader(*world, dice);
        break;
      case 8: {
        Host& store = draw_store(*world, dice);
        runtime::spawn(*executor, fill_disk(&store, kReserveSpace, executor, dice.fork()));
        break;
      }
      default:
        split(*world, dice);
        break;
    }
  }
  *is_over = true;
}

}  // namespace cairn::sim
