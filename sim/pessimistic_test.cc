// Pessimistic transactions while leaders move, regions split and stores crash: locks of memory are handed over, follow
// their keys or get lost, deadlocks are found across stores, and no increment is.
#include <gtest/gtest.h>

#include "base/log.h"
#include "runtime/async.h"
#include "sim/counter_workload.h"
#include "sim/world.h"
#include "store/store.h"

namespace cairn::sim {
namespace {

struct Leader {
  StoreHost* host = nullptr;
  store::RegionStatus status;
};
std::vector<Leader> leaders(World& world) {
  std::vector<Leader> found;
  for (auto& host : world.stores()) {
    if (host->store() == nullptr) continue;
    for (auto& status : host->store()->regions()) {
      if (status.is_leader) found.push_back({host.get(), std::move(status)});
    }
  }
  return found;
}

void split(World& world, const Leader& leader, uint64_t counter) {
  kvrpcpb::SplitRegionRequest request;
  auto* context = request.mutable_context();
  context->set_region_id(leader.status.region.id.value);
  context->mutable_region_epoch()->set_conf_ver(leader.status.region.epoch.conf_ver);
  context->mutable_region_epoch()->set_version(leader.status.region.epoch.version);
  context->mutable_peer()->set_id(leader.status.peer.value);
  context->mutable_peer()->set_store_id(leader.host->store()->id().value);
  request.add_split_keys("count/" + std::to_string(counter));
  world.client(0)
      .tikv(leader.host->node())
      .split_region(api::make_call<kvrpcpb::SplitRegionRequest, kvrpcpb::SplitRegionResponse>(
          std::move(request), [](const api::Reply<kvrpcpb::SplitRegionResponse>&) {}));
}

runtime::Task<void> crash_and_restart(World* world, StoreHost* host, runtime::Executor* executor, Duration away) {
  ++world->faults[static_cast<size_t>(Fault::kCrash)];
  host->crash(engine::CrashKind::kMachine);
  co_await runtime::sleep(*executor, away);
  if (!host->is_up()) host->start();
}

// What happens to the cluster for a while: mostly leaders move.
runtime::Task<void> stir(World* world, runtime::Executor* executor, uint64_t seed, bool* is_over) {
  runtime::Random dice(seed);
  const Duration end = world->loop().now() + 8s;
  while (world->loop().now() < end && !world->is_failed()) {
    co_await runtime::sleep(*executor, dice.between(20ms, 300ms));
    auto led = leaders(*world);
    if (led.empty()) continue;
    const Leader& leader = led[dice.below(led.size())];
    const auto& peers = leader.status.region.peers;
    const uint64_t what = dice.below(10);
    if (what < 6) {
      leader.host->store()->transfer_leader(leader.status.region.id, peers[dice.below(peers.size())].id);
    } else if (what < 9) {
      split(*world, leader, dice.below(CounterWorkload::kCounters));
    } else if (leader.host->is_up()) {
      runtime::spawn(*executor, crash_and_restart(world, leader.host, executor, dice.between(10ms, 1s)));
    }
  }
  *is_over = true;
}

TEST(Pessimistic, IncrementsSurviveTransfersSplitsAndCrashes) {
  ASSERT_EQ(log::init({.level = "fatal", .file = ""}), "");
  uint64_t successes = 0;
  uint64_t deadlocks = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World world(seed, {.clients = 5});
    ASSERT_TRUE(world.bring_up() && world.wait_for_replicas());
    CounterWorkload counters([&world](std::string what) { world.fail(std::move(what)); }, {});
    for (size_t i = 0; i < 5; ++i) {
      auto& host = world.client(i);
      runtime::spawn(host.executor(), counters.run(&host.client(), &host.executor(), world.loop().random().next()));
    }
    bool is_over = false;
    auto& executor = world.client(0).executor();
    runtime::spawn(executor, stir(&world, &executor, world.loop().random().next(), &is_over));
    ASSERT_TRUE(world.loop().run_until([&] { return is_over; }, 1min));
    world.loop().run_for(3s);
    world.heal();
    const uint64_t before = counters.successes();
    EXPECT_TRUE(world.loop().run_until([&] { return counters.successes() > before + 10; }, 1min)) << "no progress";
    counters.stop();
    ASSERT_TRUE(world.loop().run_until([&] { return counters.running() == 0; }, 1min));
    runtime::spawn(executor, counters.check(&world.client(0).client(), &executor));
    ASSERT_TRUE(world.loop().run_until([&] { return counters.is_checked(); }, 5min));
    const Report report = world.report();
    ASSERT_TRUE(report.failures.empty()) << report.to_string();
    successes += counters.successes();
    deadlocks += counters.deadlocks();
    world.stop_nodes();
  }
  EXPECT_GT(successes, 600U);
  EXPECT_GT(deadlocks, 20U);
}

}  // namespace
}  // namespace cairn::sim
