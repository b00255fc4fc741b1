// Pipelined transactions under faults. Each transaction flushes the same few keys, of two regions or more, in several
// generations, all but the last with noise; clients vanish, requests come twice. In every snapshot all keys hold one
// value, the last one of a committed transaction, and no older one than was acknowledged before.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <charconv>
#include <cstdio>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/codec.h"
#include "base/log.h"
#include "runtime/async.h"
#include "sim/nemesis.h"
#include "sim/world.h"
#include "store/store.h"

namespace cairn::sim {
namespace {

constexpr int kKeys = 5;
Bytes key_of(int i) { return fmt::format("pipe/{}", i); }

struct Play {
  World& world;
  bool is_stopping = false;
  int running = 0;
  Timestamp acknowledged;  // start_ts of the newest transaction that is known to be committed
  uint64_t commits = 0;
  uint64_t reads = 0;
};

// Where the region of the key is led, as far as the stores themselves know.
struct Route {
  NodeId node;
  kvrpcpb::Context context;
};
std::optional<Route> route(World& world, const Bytes& user_key) {
  const Bytes key = codec::encode_bytes(user_key);
  for (auto& host : world.stores()) {
    if (!host->is_up() || host->store() == nullptr) continue;
    for (const auto& status : host->store()->regions()) {
      const auto& region = status.region;
      if (!status.is_leader || key < region.start_key || (!region.end_key.empty() && key >= region.end_key)) continue;
      Route found{host->node(), {}};
      found.context.set_region_id(region.id.value);
      found.context.mutable_region_epoch()->set_conf_ver(region.epoch.conf_ver);
      found.context.mutable_region_epoch()->set_version(region.epoch.version);
      found.context.mutable_peer()->set_id(status.peer.value);
      found.context.mutable_peer()->set_store_id(host->store()->id().value);
      return found;
    }
  }
  return std::nullopt;
}

// Sends until the region of the key has answered; nothing if that takes too long. Lost answers make requests come
// twice.
template <class Req, class Resp>
runtime::Task<std::optional<Resp>> send(Play* play, ClientHost* client, Bytes key, Req request,
                                        void (api::Tikv::*method)(api::Call<Req, Resp>)) {
  for (int tries = 0; tries < 60; ++tries) {
    if (auto to = route(play->world, key)) {
      *request.mutable_context() = to->context;
      api::Tikv* tikv = &client->tikv(to->node);
      auto reply = co_await api::ask<Req, Resp>(client->executor(), 300ms, request,
                                                [tikv, method](auto call) { (tikv->*method)(std::move(call)); });
      if (reply.ok() && !reply->has_region_error()) co_return std::move(*reply);
    }
    co_await runtime::sleep(client->executor(), 30ms);
  }
  co_return std::nullopt;
}

// Flushes one key; whoever holds it is resolved by reading it.
runtime::Task<bool> flush(Play* play, ClientHost* client, Timestamp start, int key, Bytes value, uint64_t generation) {
  for (int tries = 0; tries < 4; ++tries) {
    kvrpcpb::FlushRequest request;
    auto& mutation = *request.add_mutations();
    mutation.set_op(kvrpcpb::Op::Put);
    mutation.set_key(key_of(key));
    mutation.set_value(value);
    request.set_primary_key(key_of(0));
    request.set_start_ts(start.value);
    request.set_generation(generation);
    request.set_lock_ttl(2000);
    auto answer = co_await send<kvrpcpb::FlushRequest, kvrpcpb::FlushResponse>(play, client, key_of(key), request,
                                                                               &api::Tikv::kv_flush);
    if (!answer) co_return false;
    if (answer->errors().empty()) co_return true;
    if (!answer->errors(0).has_locked()) co_return false;
    auto reader = co_await client->client().begin();
    if (reader.ok()) static_cast<void>(co_await reader->get(key_of(key)));
  }
  co_return false;
}

runtime::Task<bool> beat(Play* play, ClientHost* client, Timestamp start) {
  auto now = co_await client->client().timestamp();
  if (!now.ok()) co_return true;
  kvrpcpb::TxnHeartBeatRequest request;
  request.set_primary_lock(key_of(0));
  request.set_start_version(start.value);
  request.set_advise_lock_ttl(3000);
  request.set_min_commit_ts(now->value);
  auto answer = co_await send<kvrpcpb::TxnHeartBeatRequest, kvrpcpb::TxnHeartBeatResponse>(
      play, client, key_of(0), request, &api::Tikv::kv_txn_heart_beat);
  co_return answer && !answer->has_error();
}

// Nothing: it is not committed, or nobody knows.
runtime::Task<std::optional<Timestamp>> commit(Play* play, ClientHost* client, Timestamp start) {
  for (int tries = 0; tries < 4; ++tries) {
    auto commit_ts = co_await client->client().timestamp();
    if (!commit_ts.ok()) co_return std::nullopt;
    kvrpcpb::CommitRequest request;
    request.add_keys(key_of(0));
    request.set_start_version(start.value);
    request.set_commit_version(commit_ts->value);
    auto answer = co_await send<kvrpcpb::CommitRequest, kvrpcpb::CommitResponse>(play, client, key_of(0), request,
                                                                                 &api::Tikv::kv_commit);
    if (!answer) co_return std::nullopt;
    if (!answer->has_error()) co_return *commit_ts;
    if (!answer->error().has_commit_ts_expired()) co_return std::nullopt;
  }
  co_return std::nullopt;
}

runtime::Task<void> resolve(Play* play, ClientHost* client, Timestamp start, Timestamp commit_ts) {
  for (int key = 0; key < kKeys; ++key) {
    kvrpcpb::ResolveLockRequest request;
    request.set_start_version(start.value);
    request.set_commit_version(commit_ts.value);
    co_await send<kvrpcpb::ResolveLockRequest, kvrpcpb::ResolveLockResponse>(play, client, key_of(key), request,
                                                                             &api::Tikv::kv_resolve_lock);
  }
}

runtime::Task<void> transact(Play* play, ClientHost* client, runtime::Random* dice) {
  auto start = co_await client->client().timestamp();
  if (!start.ok()) co_return;
  const uint64_t generations = 1 + dice->below(3);
  for (uint64_t generation = 1; generation <= generations; ++generation) {
    const bool is_last = generation == generations;
    for (int key = 0; key < kKeys; ++key) {
      if (!is_last && key != 0 && dice->chance(0.3)) continue;
      const Bytes value = is_last ? std::to_string(start->value) : fmt::format("noise {}", dice->below(1000));
      if (!co_await flush(play, client, *start, key, value, generation)) co_return;  // its locks expire
      if (dice->chance(0.02)) co_return;                                             // gone without a word
    }
    if (dice->chance(0.4) && !co_await beat(play, client, *start)) co_return;
  }
  auto committed = co_await commit(play, client, *start);
  if (!committed) co_return;
  ++play->commits;
  play->acknowledged = std::max(play->acknowledged, *start);
  if (dice->chance(0.5)) co_await resolve(play, client, *start, *committed);
}

runtime::Task<void> write(Play* play, ClientHost* client, uint64_t seed) {
  ++play->running;
  runtime::Random dice(seed);
  while (!play->is_stopping) {
    co_await transact(play, client, &dice);
    co_await runtime::sleep(client->executor(), dice.between(1ms, 60ms));
  }
  --play->running;
}

runtime::Task<void> look(Play* play, ClientHost* client) {
  const Timestamp acknowledged = play->acknowledged;
  auto txn = co_await client->client().begin();
  if (!txn.ok()) co_return;
  auto found = co_await txn->scan("pipe/", prefix_end("pipe/"), 100);
  if (!found.ok()) co_return;
  ++play->reads;
  if (found->empty() && !acknowledged.is_set()) co_return;
  if (found->size() != static_cast<size_t>(kKeys)) {
    play->world.fail(fmt::format("pipelined: {} keys at {}", found->size(), txn->start_ts().value));
    co_return;
  }
  const Bytes& value = found->front().value;
  for (const auto& [key, other] : *found) {
    if (other != value) play->world.fail(fmt::format("pipelined: {} holds {}, not {}", key, other, value));
  }
  uint64_t written = 0;
  std::from_chars(value.data(), value.data() + value.size(), written);
  if (written < acknowledged.value) {
    play->world.fail(fmt::format("pipelined: {} is read after {} was acknowledged", value, acknowledged.value));
  }
}

runtime::Task<void> read(Play* play, ClientHost* client, uint64_t seed) {
  ++play->running;
  runtime::Random dice(seed);
  while (!play->is_stopping) {
    co_await look(play, client);
    co_await runtime::sleep(client->executor(), dice.between(1ms, 120ms));
  }
  co_await look(play, client);
  --play->running;
}

TEST(PipelinedTransactions, AreWholeAndInOrderWhateverFails) {
  ASSERT_EQ(log::init({.level = "fatal", .file = ""}), "");
  uint64_t commits = 0;
  uint64_t reads = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    World world(seed, {.clients = 4});
    ASSERT_TRUE(world.bring_up() && world.wait_for_replicas());
    Play play{.world = world, .acknowledged = {}};
    for (size_t i = 0; i < 2; ++i) {
      runtime::spawn(world.client(i).executor(), write(&play, &world.client(i), seed * 10 + i));
    }
    runtime::spawn(world.client(2).executor(), read(&play, &world.client(2), seed * 10 + 2));
    bool is_over = false;
    runtime::spawn(world.client(3).executor(), rage(&world, &world.client(3).executor(), 5s, seed, &is_over));
    world.loop().run_until([&] { return is_over || world.is_failed(); }, 60s);
    world.heal();
    const uint64_t before = play.commits;
    world.loop().run_until([&] { return play.commits > before + 3 || world.is_failed(); }, 60s);
    EXPECT_GT(play.commits, before + 3) << "nothing goes on after the faults are over";
    play.is_stopping = true;
    world.loop().run_until([&] { return play.running == 0; }, 120s);
    EXPECT_EQ(play.running, 0);
    const Report report = world.report();
    EXPECT_TRUE(report.failures.empty()) << report.to_string();
    commits += play.commits;
    reads += play.reads;
    world.stop_nodes();
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(commits, 60U);
  EXPECT_GT(reads, 80U);
}

}  // namespace
}  // namespace cairn::sim
