// Random worlds, by seed. CAIRN_SIM_SEED=n plays one seed alone, with its log.
#include "sim/world.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/log.h"
#include "runtime/async.h"
#include "store/store.h"

namespace cairn::sim {
namespace {

uint64_t seed_of_run = 0;

class WorldTest : public ::testing::Test {
 protected:
  void SetUp() override {
    chosen_ = std::getenv("CAIRN_SIM_SEED");
    ASSERT_EQ(log::init({.level = chosen_ == nullptr ? "fatal" : "info", .file = ""}), "");
    set_check_hook([] { std::fprintf(stderr, "CAIRN_SIM_SEED=%llu\n", static_cast<unsigned long long>(seed_of_run)); });
  }
  void TearDown() override { set_check_hook(nullptr); }

  static Report play(uint64_t seed, WorldOptions options = {}) {
    seed_of_run = seed;
    World world(seed, vary_workloads(seed, options));
    return world.run();
  }
  const char* chosen_ = nullptr;
};

TEST_F(WorldTest, AWorldWithoutFaultsWorks) {
  const Report report = play(1, {.faults = 2s, .has_faults = false});
  EXPECT_TRUE(report.failures.empty()) << report.to_string();
  EXPECT_GT(report.register_operations, 50U) << report.to_string();
  EXPECT_GT(report.transfers, 10U) << report.to_string();
  EXPECT_GT(report.audits, 5U) << report.to_string();
  EXPECT_GT(report.list_transactions, 10U) << report.to_string();
}

// Each seed of the smoke set is played twice and must leave the same trace, and the same bytes on all disks.
void play_twice(uint64_t first, uint64_t last, rawkv::ApiVersion api_version) {
  for (uint64_t seed = first; seed <= last; ++seed) {
    seed_of_run = seed;
    std::string reports[2];
    for (auto& text : reports) {
      World world(seed, vary_workloads(seed, wild_world(seed, api_version)));
      const Report report = world.run();
      text = report.to_string();
      ASSERT_TRUE(report.failures.empty()) << "CAIRN_SIM_SEED=" << seed << "\n" << text;
    }
    EXPECT_EQ(reports[0], reports[1]) << "CAIRN_SIM_SEED=" << seed;
  }
}

TEST_F(WorldTest, SeedsOfFaultsBreakNoPromiseAndLeaveTheSameStateTwice) {
  if (chosen_ == nullptr) return play_twice(1, 6, rawkv::ApiVersion::kV1);
  const uint64_t seed = std::strtoull(chosen_, nullptr, 10);
  const Report report = play(seed, wild_world(seed));
  EXPECT_TRUE(report.failures.empty());
  std::printf("%s\n", report.to_string().c_str());
}

TEST_F(WorldTest, SeedsOfFaultsBreakNoPromiseOfApiV2) {
  if (chosen_ == nullptr) play_twice(201, 201, rawkv::ApiVersion::kV2);
}

TEST_F(WorldTest, PlansSeeOneStateOfTheTableThroughFaults) {
  if (chosen_ == nullptr) play_twice(kSeedsOfTables + 1, kSeedsOfTables + 1, rawkv::ApiVersion::kV1);
}

TEST_F(WorldTest, ThreePdsBreakNoPromiseAndTheirWatchesHearOfEachChangeOnce) {
  if (chosen_ == nullptr) play_twice(kSeedsOfThreePds + 3, kSeedsOfThreePds + 3, rawkv::ApiVersion::kV1);
}

// Asks one store directly for a key, again and again, whatever its peers do.
struct Probe {
  struct Seen {
    Duration called;
    Bytes value;
  };
  World* world;
  StoreHost* target;
  kvrpcpb::Context context;
  bool is_over = false;
  std::vector<Seen> seen;
};
runtime::Task<void> probe(Probe* probe, runtime::Executor* executor) {
  while (!probe->is_over) {
    kvrpcpb::RawGetRequest request;
    *request.mutable_context() = probe->context;
    request.set_key("k");
    const Duration called = probe->world->loop().now();
    api::Tikv* tikv = &probe->world->client(0).tikv(probe->target->node());
    auto reply = co_await api::ask<kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse>(
        *executor, 20ms, std::move(request), [tikv](auto call) { tikv->raw_get(std::move(call)); });
    if (reply.ok() && !reply->has_region_error()) probe->seen.push_back({called, reply->value()});
    co_await runtime::sleep(*executor, 1ms);
  }
}
// Writes the key at whichever of the stores takes it; then `*written_at` says when that was acknowledged.
runtime::Task<void> write_somewhere(World* world, std::vector<StoreHost*> targets, kvrpcpb::Context context,
                                    runtime::Executor* executor, Duration* written_at) {
  while (*written_at == Duration{}) {
    for (StoreHost* target : targets) {
      kvrpcpb::RawPutRequest request;
      *request.mutable_context() = context;
      request.mutable_context()->clear_peer();
      request.set_key("k");
      request.set_value("new");
      api::Tikv* tikv = &world->client(1).tikv(target->node());
      auto reply = co_await api::ask<kvrpcpb::RawPutRequest, kvrpcpb::RawPutResponse>(
          *executor, 50ms, std::move(request), [tikv](auto call) { tikv->raw_put(std::move(call)); });
      if (reply.ok() && !reply->has_region_error() && reply->error().empty()) {
        *written_at = world->loop().now();
        co_return;
      }
    }
  }
}
runtime::Task<void> put_first(client::Client* client, bool* is_done) {
  *is_done = (co_await client->raw_put("k", "old")).ok();
}

TEST_F(WorldTest, ALeaderCutOffFromItsPeersServesNoStaleRead) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE("CAIRN_SIM_SEED=" + std::to_string(seed));
    seed_of_run = seed;
    World world(seed, {.clients = 2});
    ASSERT_TRUE(world.bring_up() && world.wait_for_replicas());
    bool is_put = false;
    runtime::spawn(world.client(1).executor(), put_first(&world.client(1).client(), &is_put));
    ASSERT_TRUE(world.loop().run_until([&] { return is_put; }, 30s));
    Probe old{.world = &world, .target = nullptr, .context = {}, .seen = {}};
    std::vector<StoreHost*> others;
    for (auto& host : world.stores()) {
      const auto regions = host->store()->regions();
      ASSERT_EQ(regions.size(), 1U);
      if (!regions[0].is_leader) {
        others.push_back(host.get());
        continue;
      }
      old.target = host.get();
      old.context.set_region_id(regions[0].region.id.value);
      old.context.mutable_region_epoch()->set_conf_ver(regions[0].region.epoch.conf_ver);
      old.context.mutable_region_epoch()->set_version(regions[0].region.epoch.version);
      old.context.mutable_peer()->set_id(regions[0].peer.value);
      old.context.mutable_peer()->set_store_id(host->store()->id().value);
    }
    ASSERT_NE(old.target, nullptr);
    ASSERT_EQ(others.size(), 2U);
    // Its clock is slow too, so that it takes its time to notice.
    old.target->clock().set_drift(-50'000);
    runtime::spawn(world.client(0).executor(), probe(&old, &world.client(0).executor()));
    world.loop().run_for(300ms);
    const size_t before = old.seen.size();
    EXPECT_GT(before, 50U);
    for (StoreHost* other : others) {
      world.network().block(old.target->node(), other->node());
      world.network().block(other->node(), old.target->node());
    }
    Duration written_at{};
    runtime::spawn(world.client(1).executor(),
                   write_somewhere(&world, others, old.context, &world.client(1).executor(), &written_at));
    ASSERT_TRUE(world.loop().run_until([&] { return written_at != Duration{}; }, 30s));
    world.loop().run_for(1s);
    old.is_over = true;
    world.loop().run_for(1s);
    EXPECT_GT(old.seen.size(), before) << "the lease went on for a while";
    for (const auto& seen : old.seen) {
      if (seen.called > written_at) EXPECT_EQ(seen.value, "new") << "read after the write was acknowledged";
    }
  }
}

}  // namespace
}  // namespace cairn::sim
