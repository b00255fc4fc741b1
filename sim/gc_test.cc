// The collector of garbage on a whole cluster: what clients leave behind when they die vanishes by itself, and who
// lives is left alone.
#include <gtest/gtest.h>

#include <fmt/format.h>

#include <map>
#include <string>
#include <vector>

#include "base/codec.h"
#include "base/log.h"
#include "client/send.h"
#include "pd/node/node.h"
#include "replica/keys.h"
#include "runtime/async.h"
#include "sim/world.h"

namespace cairn::sim {
namespace {

using client::CorePtr;
using client::Outcome;
using runtime::Task;

constexpr Duration kLifeTime = 3s;

WorldOptions with_collector() {
  return {.clients = 2,
          .gc = gc::Options{.life_time = kLifeTime,
                            .run_interval = 500ms,
                            .client_cache_time = 1s,
                            .hold_max = std::chrono::hours(24),
                            .locks_per_page = 4,
                            .judged_at_once = 3}};
}

// How far a client comes before it dies.
enum class Step {
  kPrimaryLocked,        // of several keys, only the primary is prewritten
  kPrewritten,           // all are
  kPrimaryCommitted,     // and the primary is committed
  kAsyncPrewritten,      // all are, in async commit: so it is committed
  kAsyncPartly,          // async commit, one key short of it
  kPessimisticLocks,     // all keys have pessimistic locks
  kPessimisticPrewrite,  // the primary is prewritten, the others still have pessimistic locks
};
constexpr Step kSteps[] = {Step::kPrimaryLocked,      Step::kPrewritten,  Step::kPrimaryCommitted,
                           Step::kAsyncPrewritten,    Step::kAsyncPartly, Step::kPessimisticLocks,
                           Step::kPessimisticPrewrite};

bool is_committed(Step step) { return step == Step::kPrimaryCommitted || step == Step::kAsyncPrewritten; }

// A transaction over all regions, done by hand up to a step.
struct Deserter {
  CorePtr core;
  Step step;
  std::vector<Bytes> keys;
  Timestamp start_ts;

  bool is_async() const { return step == Step::kAsyncPrewritten || step == Step::kAsyncPartly; }
  client::EffortPtr effort() const { return std::make_shared<client::Effort>(*core, client::Effect::kRepeatable); }
};
using DeserterPtr = std::shared_ptr<Deserter>;

Task<Outcome<void>> prewrite(DeserterPtr d, Bytes key) {
  kvrpcpb::PrewriteRequest request;
  auto& mutation = *request.add_mutations();
  mutation.set_op(kvrpcpb::Op::Put);
  mutation.set_key(key);
  mutation.set_value("v");
  request.set_primary_lock(d->keys[0]);
  request.set_start_version(d->start_ts.value);
  request.set_lock_ttl(500);
  request.set_txn_size(d->keys.size());
  if (d->step == Step::kPessimisticPrewrite) {
    request.set_for_update_ts(d->start_ts.value);
    request.add_pessimistic_actions(kvrpcpb::PrewriteRequest::DO_PESSIMISTIC_CHECK);
  }
  if (d->is_async()) {
    request.set_use_async_commit(true);
    if (key == d->keys[0]) {
      for (size_t i = 1; i < d->keys.size(); ++i) request.add_secondaries(d->keys[i]);
    }
  }
  CO_TRY_ASSIGN(const auto reply,
                co_await client::send<kvrpcpb::PrewriteRequest, kvrpcpb::PrewriteResponse>(
                    d->core, d->effort(), codec::encode_bytes(key), std::move(request), &api::Tikv::kv_prewrite));
  if (!reply.errors().empty()) co_return Err(client::Error(client::Refused{reply.errors(0).ShortDebugString()}));
  co_return Outcome<void>();
}

Task<Outcome<void>> lock_pessimistic(DeserterPtr d, Bytes key) {
  kvrpcpb::PessimisticLockRequest request;
  auto& mutation = *request.add_mutations();
  mutation.set_op(kvrpcpb::Op::PessimisticLock);
  mutation.set_key(key);
  request.set_primary_lock(d->keys[0]);
  request.set_start_version(d->start_ts.value);
  request.set_for_update_ts(d->start_ts.value);
  request.set_lock_ttl(500);
  CO_TRY_ASSIGN(
      const auto reply,
      co_await client::send<kvrpcpb::PessimisticLockRequest, kvrpcpb::PessimisticLockResponse>(
          d->core, d->effort(), codec::encode_bytes(key), std::move(request), &api::Tikv::kv_pessimistic_lock));
  if (!reply.errors().empty()) co_return Err(client::Error(client::Refused{reply.errors(0).ShortDebugString()}));
  co_return Outcome<void>();
}

Task<Outcome<void>> commit_primary(DeserterPtr d) {
  CO_TRY_ASSIGN(const Timestamp commit_ts, co_await client::fresh_timestamp(d->core));
  kvrpcpb::CommitRequest request;
  request.set_start_version(d->start_ts.value);
  request.set_commit_version(commit_ts.value);
  request.add_keys(d->keys[0]);
  CO_TRY_ASSIGN(const auto reply,
                co_await client::send<kvrpcpb::CommitRequest, kvrpcpb::CommitResponse>(
                    d->core, d->effort(), codec::encode_bytes(d->keys[0]), std::move(request), &api::Tikv::kv_commit));
  if (reply.has_error()) co_return Err(client::Error(client::Refused{reply.error().ShortDebugString()}));
  co_return Outcome<void>();
}

Task<Outcome<void>> desert(DeserterPtr d) {
  CO_TRY_ASSIGN(d->start_ts, co_await client::fresh_timestamp(d->core));
  if (d->step == Step::kPessimisticLocks || d->step == Step::kPessimisticPrewrite) {
    for (const auto& key : d->keys) CO_TRY(co_await lock_pessimistic(d, key));
  }
  if (d->step == Step::kPessimisticLocks) co_return Outcome<void>();
  CO_TRY(co_await prewrite(d, d->keys[0]));
  if (d->step == Step::kPrimaryLocked || d->step == Step::kPessimisticPrewrite) co_return Outcome<void>();
  const size_t some = d->keys.size() - (d->step == Step::kAsyncPartly ? 1 : 0);
  for (size_t i = 1; i < some; ++i) CO_TRY(co_await prewrite(d, d->keys[i]));
  if (d->step == Step::kPrimaryCommitted) co_return co_await commit_primary(d);
  co_return Outcome<void>();
}

template <class T>
Task<void> keep(Task<T> task, std::shared_ptr<std::optional<T>> to) {
  to->emplace(co_await std::move(task));
}

class GcTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const bool is_loud = std::getenv("CAIRN_SIM_SEED") != nullptr;
    ASSERT_EQ(log::init({.level = is_loud ? "info" : "fatal", .file = ""}), "");
  }

  template <class T>
  T run(World& world, size_t client, Task<T> task) {
    auto result = std::make_shared<std::optional<T>>();
    runtime::spawn(world.client(client).executor(), keep(std::move(task), result));
    EXPECT_TRUE(world.loop().run_until([&] { return result->has_value(); }, 60s));
    return std::move(**result);
  }

  static Task<Outcome<void>> split(CorePtr core, std::vector<Bytes> at) {
    kvrpcpb::SplitRegionRequest request;
    for (auto& key : at) request.add_split_keys(key);
    auto effort = std::make_shared<client::Effort>(*core, client::Effect::kRepeatable);
    CO_TRY(co_await client::send<kvrpcpb::SplitRegionRequest, kvrpcpb::SplitRegionResponse>(
        core, effort, "", std::move(request), &api::Tikv::split_region));
    co_return Outcome<void>();
  }

  static Bytes key_of(Step step, int part) { return fmt::format("{}/{}", "bmz"[part], static_cast<int>(step)); }

  void desert_at_each_step(World& world) {
    for (const Step step : kSteps) {
      auto deserter = std::make_shared<Deserter>();
      deserter->core = world.client(0).new_core();
      deserter->step = step;
      for (int part = 0; part < 3; ++part) deserter->keys.push_back(key_of(step, part));
      const auto outcome = run(world, 0, desert(deserter));
      ASSERT_TRUE(outcome.ok()) << static_cast<int>(step) << ": " << client::to_string(outcome.error());
    }
  }

  // Locks on any store's disk.
  static std::vector<std::string> locks_left(World& world) {
    std::vector<std::string> left;
    for (auto& store : world.stores()) {
      auto snapshot = store->data()->snapshot();
      auto it = snapshot->iterator(engine::Cf::kLock, {});
      for (it->seek_to_first(); it->valid(); it->next()) {
        const auto key = codec::decode_bytes(it->key().substr(1));  // behind the prefix of data
        left.push_back(store->name() + ":" + key.value_or("?"));
      }
    }
    return left;
  }

  static pdpb::GCState state(World& world) {
    std::optional<pdpb::GCState> state;
    pdpb::GetGCStateRequest request;
    request.mutable_header()->set_cluster_id(4711);
    world.pd().service()->get_gc_state(api::make_call<pdpb::GetGCStateRequest, pdpb::GetGCStateResponse>(
        request, [&](api::Reply<pdpb::GetGCStateResponse> reply) {
          if (reply.ok()) state = reply->gc_state();
        }));
    EXPECT_TRUE(world.loop().run_until([&] { return state.has_value(); }, 10s));
    return state.value_or(pdpb::GCState());
  }

  static void bring_up(World& world) { ASSERT_TRUE(world.bring_up() && world.wait_for_replicas()); }

  void expect_fates(World& world) {
    auto reader = run(world, 1, world.client(1).client().begin()).value();
    for (const Step step : kSteps) {
      for (int part = 0; part < 3; ++part) {
        const auto value = run(world, 1, reader.get(key_of(step, part)));
        ASSERT_TRUE(value.ok()) << client::to_string(value.error());
        EXPECT_EQ(value->has_value(), is_committed(step)) << "step " << static_cast<int>(step) << ", key " << part;
      }
    }
  }
};

TEST_F(GcTest, WhatDeadClientsLeaveVanishesByItself) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("CAIRN_SIM_SEED=" + std::to_string(seed));
    World world(seed, with_collector());
    bring_up(world);
    ASSERT_TRUE(run(world, 0, split(world.client(0).new_core(), {"c", "n"})).ok());
    desert_at_each_step(world);
    EXPECT_FALSE(locks_left(world).empty());
    const auto newest = run(world, 0, world.client(0).client().timestamp()).value();
    world.loop().run_for(kLifeTime + 2s);
    EXPECT_EQ(locks_left(world), std::vector<std::string>());
    EXPECT_GT(state(world).txn_safe_point(), newest.value);
    world.loop().run_for(2s);
    EXPECT_GT(state(world).gc_safe_point(), newest.value);
    expect_fates(world);
    EXPECT_FALSE(world.is_failed()) << world.report().to_string();
  }
}

TEST_F(GcTest, ATransactionThatKeepsItsLocksAliveHoldsTheSafePointsAndCommits) {
  for (uint64_t seed = 11; seed <= 13; ++seed) {
    SCOPED_TRACE("CAIRN_SIM_SEED=" + std::to_string(seed));
    World world(seed, with_collector());
    bring_up(world);
    ASSERT_TRUE(run(world, 0, split(world.client(0).new_core(), {"c", "n"})).ok());
    auto live = run(world, 1, world.client(1).client().begin({.is_pessimistic = true})).value();
    const auto locked = run(world, 1, live.lock_keys({"a live one", "z live one"}));
    ASSERT_TRUE(locked.ok()) << client::to_string(locked.error());
    live.put("a live one", "1");
    live.put("z live one", "2");
    desert_at_each_step(world);
    world.loop().run_for(40s);  // twice its locks' time to live
    for (const auto& lock : locks_left(world)) EXPECT_NE(lock.find("live one"), std::string::npos) << lock;
    EXPECT_EQ(state(world).txn_safe_point(), live.start_ts().value - 1);
    EXPECT_EQ(state(world).gc_safe_point(), live.start_ts().value - 1);
    expect_fates(world);

    const auto committed = run(world, 1, live.commit());
    ASSERT_TRUE(committed.ok()) << client::to_string(committed.error());
    world.loop().run_for(kLifeTime + 3s);
    EXPECT_EQ(locks_left(world), std::vector<std::string>());
    EXPECT_GT(state(world).gc_safe_point(), live.start_ts().value);
    auto reader = run(world, 0, world.client(0).client().begin()).value();
    EXPECT_EQ(run(world, 0, reader.get("z live one")).value(), std::optional<Bytes>("2"));
  }
}

TEST_F(GcTest, CrashesOfPdAndAStoreDelayItOnly) {
  for (uint64_t seed = 21; seed <= 25; ++seed) {
    SCOPED_TRACE("CAIRN_SIM_SEED=" + std::to_string(seed));
    World world(seed, with_collector());
    bring_up(world);
    ASSERT_TRUE(run(world, 0, split(world.client(0).new_core(), {"c", "n"})).ok());
    desert_at_each_step(world);
    world.loop().run_for(kLifeTime - 500ms + std::chrono::milliseconds(world.loop().random().below(1500)));
    world.pd().crash(engine::CrashKind::kMachine);
    world.stores()[seed % 3]->crash(engine::CrashKind::kMachine);
    world.loop().run_for(500ms);
    world.pd().start();
    world.loop().run_for(3s);
    world.stores()[seed % 3]->start();
    world.loop().run_for(30s);
    EXPECT_EQ(locks_left(world), std::vector<std::string>());
    expect_fates(world);
    const auto now = run(world, 0, world.client(0).client().timestamp()).value();
    EXPECT_GT(state(world).gc_safe_point() + ((uint64_t{3} + 4) * 1000 << 18), now.value);
    EXPECT_FALSE(world.is_failed()) << world.report().to_string();
  }
}

TEST_F(GcTest, AnotherOwnerStopsItAtOnce) {
  World world(31, with_collector());
  bring_up(world);
  world.loop().run_for(kLifeTime + 1s);
  const uint64_t reached = state(world).txn_safe_point();
  EXPECT_GT(reached, 0u);
  pdpb::UpdateServiceGCSafePointRequest request;
  request.mutable_header()->set_cluster_id(4711);
  request.set_service_id("gc_worker");
  request.set_ttl(INT64_MAX);
  request.set_safe_point(reached + 1);
  bool is_done = false;
  world.pd().service()->update_service_gc_safe_point(
      api::make_call<pdpb::UpdateServiceGCSafePointRequest, pdpb::UpdateServiceGCSafePointResponse>(
          request, [&](const api::Reply<pdpb::UpdateServiceGCSafePointResponse>& reply) { is_done = reply.ok(); }));
  ASSERT_TRUE(world.loop().run_until([&] { return is_done; }, 10s));
  const auto before = state(world);
  world.loop().run_for(20s);
  world.pd().crash(engine::CrashKind::kMachine);
  world.pd().start();
  world.loop().run_for(20s);
  EXPECT_EQ(state(world).txn_safe_point(), before.txn_safe_point());
  EXPECT_LE(state(world).gc_safe_point(), before.txn_safe_point());
}

TEST_F(GcTest, WorldsOfFaultsWithTheCollectorBreakNoPromise) {
  for (uint64_t seed = 201; seed <= 210; ++seed) {
    WorldOptions options;
    options.gc = gc::Options{.life_time = 6s, .run_interval = 1s, .client_cache_time = 1s};
    World world(seed, options);
    const Report report = world.run();
    EXPECT_TRUE(report.failures.empty()) << "CAIRN_SIM_SEED=" << seed << "\n" << report.to_string();
  }
}

}  // namespace
}  // namespace cairn::sim
