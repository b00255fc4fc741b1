// Stories of requests that wait while leadership goes away, and perhaps comes back.
#include <gtest/gtest.h>

#include "base/codec.h"
#include "rawkv/rawkv.h"
#include "runtime/async.h"
#include "store/testing/cluster.h"
#include "txn/scheduler.h"

namespace cairn::store {
namespace {

using Node = TestCluster::Node;

template <class T>
using Cell = std::shared_ptr<std::optional<T>>;

template <class C>
runtime::Task<void> run_command(txn::Scheduler* scheduler, C command, engine::RegionRequest request,
                                Cell<txn::Answer<typename C::Result>> out) {
  out->emplace(co_await scheduler->run(std::move(command), std::move(request)));
}

// No timestamps are wanted in API V1.
runtime::Task<Result<Timestamp, std::string>> no_timestamps(uint32_t) { co_return Err(std::string("none")); }

using Swapped = rawkv::Answer<rawkv::RawCompareAndSwapResult>;
runtime::Task<void> swap_task(std::shared_ptr<rawkv::RawWriter> writer, rawkv::RawCompareAndSwap command,
                              engine::RegionRequest request, Cell<Swapped> out) {
  out->emplace(co_await writer->compare_and_swap(std::move(command), std::move(request)));
}

using Snapped = Result<engine::RegionSnapshotPtr, engine::RegionError>;
runtime::Task<void> snapshot_task(engine::RegionStore* regions, engine::RegionRequest request, Cell<Snapped> out) {
  out->emplace(co_await regions->snapshot(std::move(request)));
}

txn::Prewrite prewrite(uint64_t start_ts, Bytes key, Bytes value) {
  txn::Prewrite command;
  command.primary = key;
  command.mutations.push_back({txn::Mutation::Op::kPut, std::move(key), std::move(value)});
  command.start_ts = Timestamp(start_ts);
  command.lock_ttl_ms = 1'000'000;
  return command;
}

txn::Commit commit(uint64_t start_ts, uint64_t commit_ts, Bytes key) {
  txn::Commit command;
  command.keys.push_back(std::move(key));
  command.start_ts = Timestamp(start_ts);
  command.commit_ts = Timestamp(commit_ts);
  return command;
}

// Three stores with one region, and what a client asks of one of them.
struct Story {
  explicit Story(uint64_t seed = 1) : cluster(seed) {
    for (int i = 0; i < 3; ++i) cluster.add();
    region = cluster.pd.regions.begin()->first;
    cluster.replicate_everywhere(region);
    leader = cluster.wait_for_leader(region);
    other = leader == &cluster.node(0) ? &cluster.node(1) : &cluster.node(0);
  }

  template <class C>
  Cell<txn::Answer<typename C::Result>> begin(Node& node, C command) {
    auto out = std::make_shared<std::optional<txn::Answer<typename C::Result>>>();
    const auto request = cluster.request(region);
    node.store->on_shard(request.region, [=](ShardHandle& shard) {
      runtime::spawn_inline(run_command(&shard.scheduler(), command, request, out));
    });
    return out;
  }
  // As a client: at the leader, until it is answered without a region error.
  template <class C>
  typename C::Result run(const C& command) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      auto out = begin(*cluster.wait_for_leader(region), command);
      cluster.run_until([&] { return out->has_value(); }, 3s);
      if (out->has_value() && (*out)->ok()) return std::move(**out).value();
      cluster.run_for(100ms);
    }
    ADD_FAILURE() << "a command is never answered";
    return {};
  }

  Cell<Swapped> begin_swap(Node& node, Bytes key, Bytes expected, Bytes value, bool replica_read = false) {
    auto out = std::make_shared<std::optional<Swapped>>();
    auto request = cluster.request(region);
    request.replica_read = replica_read;
    rawkv::RawCompareAndSwap command;
    command.key = std::move(key);
    command.expected = std::move(expected);
    command.value = std::move(value);
    node.store->on_shard(request.region, [=, clock = node.clock.get()](ShardHandle& shard) {
      auto writer = std::make_shared<rawkv::RawWriter>(shard.regions(), *clock, rawkv::Config{}, no_timestamps);
      runtime::spawn_inline(swap_task(std::move(writer), command, request, out));
    });
    return out;
  }

  Snapped snapshot(Node& node, const engine::RegionRequest& request) {
    auto out = std::make_shared<std::optional<Snapped>>();
    node.store->on_shard(request.region, [=](ShardHandle& shard) {
      runtime::spawn_inline(snapshot_task(&shard.regions(), request, out));
    });
    EXPECT_TRUE(cluster.run_until([&] { return out->has_value(); }, 5s));
    return std::move(**out);
  }

  // The leader's applier stops behind an entry, so that what `begin` starts there waits for that entry to be applied.
  // Meanwhile leadership goes to another store, where `meanwhile` changes the data, and back. Then the applier goes on
  // an entry at a time, until `begin` has its answer or all is applied.
  template <class Out>
  Out bounce(const std::function<Out()>& begin, const std::function<void()>& meanwhile) {
    GatedExecutor& applier = leader->gates->at("apply-0");
    applier.shut();
    auto unapplied = cluster.begin_put(*leader, "unapplied", "1");
    cluster.run_for(2s);  // the lease runs out: the request needs a read index
    EXPECT_FALSE(unapplied->has_value());
    Out out = begin();
    cluster.run_for(500ms);
    EXPECT_FALSE(out->has_value());
    const Term before = cluster.status(*leader, region)->term;
    EXPECT_TRUE(cluster.transfer_leader(region, *other));
    meanwhile();
    EXPECT_TRUE(cluster.transfer_leader(region, *leader));
    cluster.run_for(1s);
    EXPECT_GT(cluster.status(*leader, region)->term, before.next());
    while (!out->has_value() && applier.held() > 0) {
      applier.let_one_through();
      cluster.run_for(50ms);
    }
    applier.open();
    EXPECT_TRUE(cluster.run_until([&] { return out->has_value(); }, 5s)) << "it is never answered";
    return out;
  }

  TestCluster cluster;
  uint64_t region = 0;
  Node* leader = nullptr;
  Node* other = nullptr;
};

template <class R>
bool has_errors(const R& result) {
  if constexpr (requires { result.errors; }) {
    return !result.errors.empty();
  } else {
    return result.error.has_value();
  }
}

TEST(Leadership, APrewriteThatWaitedOverABounceSeesWhatWasCommittedMeanwhile) {
  Story story;
  const auto first = prewrite(10, "k", "overwrites");
  auto out = story.bounce<Cell<txn::Answer<txn::PrewriteResult>>>(
      [&] { return story.begin(*story.leader, first); },
      [&] {
        EXPECT_FALSE(has_errors(story.run(prewrite(15, "k", "committed"))));
        EXPECT_FALSE(has_errors(story.run(commit(15, 20, "k"))));
      });
  ASSERT_TRUE(out->has_value());
  EXPECT_FALSE((*out)->ok() && !has_errors(***out)) << "it locked a key that is committed above its start";
  EXPECT_TRUE(has_errors(story.run(first)));
}

TEST(Leadership, APessimisticLockThatWaitedOverABounceSeesWhatWasCommittedMeanwhile) {
  for (const bool in_memory : {true, false}) {
    Story story;
    txn::PessimisticLock lock;
    lock.keys.push_back({"k"});
    lock.primary = "k";
    lock.start_ts = lock.for_update_ts = Timestamp(10);
    lock.lock_ttl_ms = 1'000'000;
    lock.wait_timeout_ms = -1;
    if (!in_memory) lock.keys.push_back({Bytes(600 << 10, 'l')});  // too large to be kept in memory
    auto out = story.bounce<Cell<txn::Answer<txn::PessimisticLockResult>>>(
        [&] { return story.begin(*story.leader, lock); },
        [&] {
          EXPECT_FALSE(has_errors(story.run(prewrite(15, "k", "committed"))));
          EXPECT_FALSE(has_errors(story.run(commit(15, 20, "k"))));
        });
    ASSERT_TRUE(out->has_value());
    EXPECT_FALSE((*out)->ok() && !has_errors(***out)) << "it locked a key that is committed above its for_update_ts";
    EXPECT_TRUE(has_errors(story.run(lock)));
  }
}

TEST(Leadership, ACompareAndSwapThatWaitedOverABounceSeesWhatWasWrittenMeanwhile) {
  Story story;
  ASSERT_TRUE(story.cluster.put("k", "old"));
  auto out =
      story.bounce<Cell<Swapped>>([&] { return story.begin_swap(*story.leader, "k", "old", "overwrites"); },
                                  [&] {
                                    auto swapped = story.begin_swap(*story.other, "k", "old", "committed");
                                    ASSERT_TRUE(story.cluster.run_until([&] { return swapped->has_value(); }, 5s));
                                    ASSERT_TRUE((*swapped)->ok() && (***swapped).succeed);
                                  });
  ASSERT_TRUE(out->has_value());
  EXPECT_FALSE((*out)->ok() && (***out).succeed) << "both swapped the same value";
  EXPECT_EQ(story.cluster.get("k"), std::optional<Bytes>("committed"));
}

TEST(Leadership, AReadThatWaitedOverABounceSeesAtLeastWhatWasThereWhenItBegan) {
  Story story;
  ASSERT_TRUE(story.cluster.put("k", "old"));
  auto out = story.bounce<Cell<Snapped>>(
      [&] {
        auto snapped = std::make_shared<std::optional<Snapped>>();
        auto request = story.cluster.request(story.region);
        request.replica_read = true;
        story.leader->store->on_shard(request.region, [=](ShardHandle& shard) {
          runtime::spawn_inline(snapshot_task(&shard.regions(), request, snapped));
        });
        return snapped;
      },
      [&] { EXPECT_TRUE(story.cluster.put("k", "new")); });
  ASSERT_TRUE(out->has_value() && (*out)->ok());
  auto value = (**out).value()->get(engine::Cf::kDefault, "unapplied");
  EXPECT_EQ(*value, std::optional<Bytes>("1"));
}

TEST(Leadership, AFollowersViewIsGoodForNoWrite) {
  Story story;
  ASSERT_TRUE(story.cluster.put("k", "old"));
  auto request = story.cluster.request(story.region);
  EXPECT_TRUE(story.snapshot(*story.leader, request).value()->write_basis().ok());
  request.replica_read = true;
  const auto view = story.snapshot(*story.other, request);
  ASSERT_TRUE(view.ok());
  EXPECT_EQ(*(*view)->get(engine::Cf::kDefault, "k"), std::optional<Bytes>("old"));
  EXPECT_FALSE((*view)->write_basis().ok());
  auto swapped = story.begin_swap(*story.other, "k", "old", "new", /*replica_read=*/true);
  ASSERT_TRUE(story.cluster.run_until([&] { return swapped->has_value(); }, 5s));
  ASSERT_FALSE((*swapped)->ok());
}

TEST(Leadership, AFollowersReadRaisesMaxTsAlsoAfterAReadOfTheNewestVersion) {
  Story story;
  auto request = story.cluster.request(story.region);
  request.replica_read = true;
  request.read_ts = Timestamp::max();
  ASSERT_TRUE(story.snapshot(*story.other, request).ok());
  const Timestamp later = story.leader->store->concurrency().max_ts() + 1000;
  request.read_ts = later;
  ASSERT_TRUE(story.snapshot(*story.other, request).ok());
  EXPECT_GE(story.leader->store->concurrency().max_ts(), later);
}

TEST(Leadership, AFollowersReadEndsThoughOnlyItsWayToTheLeaderIsCut) {
  for (const auto lost : {eraftpb::MsgReadIndex, eraftpb::MsgReadIndexResp}) {
    Story story;
    story.cluster.drops = [&](const auto& message) { return message.message().msg_type() == lost; };
    auto request = story.cluster.request(story.region);
    request.replica_read = true;
    const auto answer = story.snapshot(*story.other, request);
    ASSERT_FALSE(answer.ok());
    EXPECT_TRUE(std::holds_alternative<engine::ReadIndexNotReady>(answer.error())) << engine::to_string(answer.error());
    request.deadline = story.other->clock->now() + 500ms;
    const auto late = story.snapshot(*story.other, request);
    ASSERT_FALSE(late.ok());
    EXPECT_TRUE(std::holds_alternative<engine::ServerIsBusy>(late.error())) << engine::to_string(late.error());
    EXPECT_LE(story.other->clock->now(), request.deadline + 200ms);
  }
}

TEST(Leadership, AFollowersReadEndsThoughTheEntriesThatItWaitsForNeverCome) {
  Story story;
  const uint64_t store = story.other->store->id().value;
  story.cluster.drops = [&](const raft_serverpb::RaftMessage& message) {
    return message.message().msg_type() == eraftpb::MsgAppend && message.to_peer().store_id() == store;
  };
  ASSERT_TRUE(story.cluster.put("k", "v"));
  auto request = story.cluster.request(story.region);
  request.replica_read = true;
  const auto answer = story.snapshot(*story.other, request);
  ASSERT_FALSE(answer.ok());
  EXPECT_TRUE(std::holds_alternative<engine::ReadIndexNotReady>(answer.error())) << engine::to_string(answer.error());
}

// The third store knows nothing of what it was asked before its process ended.
TEST(Leadership, ALateAnswerToAFormerProcessAnswersNoNewQuestion) {
  Story story;
  auto& cluster = story.cluster;
  ASSERT_TRUE(cluster.put("k", "old"));
  const uint64_t store = story.other->store->id().value;
  std::optional<raft_serverpb::RaftMessage> late;
  cluster.drops = [&](const raft_serverpb::RaftMessage& message) {
    if (message.message().msg_type() != eraftpb::MsgReadIndexResp) return false;
    if (!late) late = message;
    return true;
  };
  auto request = cluster.request(story.region);
  request.replica_read = true;
  const auto ask = [&] {
    auto out = std::make_shared<std::optional<Snapped>>();
    story.other->store->on_shard(request.region, [=](ShardHandle& shard) {
      runtime::spawn_inline(snapshot_task(&shard.regions(), request, out));
    });
    return out;
  };
  auto unanswered = ask();
  ASSERT_TRUE(cluster.run_until([&] { return late.has_value(); }, 1s));
  cluster.crash(*story.other, engine::CrashKind::kProcess);
  cluster.boot(*story.other);
  // What is written now does not reach it.
  cluster.drops = [&](const raft_serverpb::RaftMessage& message) {
    const auto type = message.message().msg_type();
    return type == eraftpb::MsgReadIndexResp || type == eraftpb::MsgReadIndex ||
           (type == eraftpb::MsgAppend && message.to_peer().store_id() == store);
  };
  ASSERT_TRUE(cluster.put("k", "new"));
  const auto has_leader = [&] {
    const auto status = cluster.status(*story.other, story.region);
    return status && status->leader.is_set();
  };
  ASSERT_TRUE(cluster.run_until(has_leader, 5s));
  auto asked = ask();
  cluster.run_for(20ms);
  story.other->store->on_raft_message(*late);
  cluster.run_for(20ms);
  if (asked->has_value() && (*asked)->ok()) {
    EXPECT_EQ(*(**asked).value()->get(engine::Cf::kDefault, "k"), std::optional<Bytes>("new"))
        << "read after the write";
  }
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return asked->has_value(); }, 5s));
  ASSERT_TRUE((*asked)->ok()) << engine::to_string((*asked)->error());
  EXPECT_EQ(*(**asked).value()->get(engine::Cf::kDefault, "k"), std::optional<Bytes>("new"));
}

// A store that has bootstrapped the cluster knows itself alone in its region until the engine is flushed.
TEST(Leadership, ARestartedPeerKeepsTheLeaseThatItGrantedBeforeItsEngineWasFlushed) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    Story story(seed);
    auto& cluster = story.cluster;
    Node& first = cluster.node(0);
    Node& leader = cluster.node(1);
    Node& third = cluster.node(2);
    ASSERT_TRUE(cluster.put("k", "old"));
    ASSERT_TRUE(cluster.transfer_leader(story.region, leader));
    cluster.run_for(500ms);
    // The third asks for votes all the time, since it does not hear from the leader; the first does.
    const auto is_between = [](const raft_serverpb::RaftMessage& message, const Node& a, const Node& b) {
      const uint64_t from = message.from_peer().store_id(), to = message.to_peer().store_id();
      const uint64_t x = a.store ? a.store->id().value : 0, y = b.store ? b.store->id().value : 0;
      return (from == x && to == y) || (from == y && to == x);
    };
    cluster.drops = [&](const auto& message) { return is_between(message, leader, third); };
    cluster.run_for(3s);
    ASSERT_EQ(cluster.wait_for_leader(story.region), &leader);
    ASSERT_TRUE(story.snapshot(leader, cluster.request(story.region)).ok());
    ASSERT_TRUE(leader.store->try_lease_snapshot(cluster.request(story.region)).has_value()) << "it has a lease";
    cluster.crash(first, engine::CrashKind::kProcess);
    cluster.boot(first);
    std::shared_ptr<std::optional<TestCluster::PutResult>> put;
    const auto request = cluster.request(story.region);
    cluster.run_until(
        [&] {
          if (!put || (put->has_value() && !(*put)->ok())) put = cluster.begin_put(third, "k", "new");
          if (!put->has_value() || !(*put)->ok()) return false;
          const auto leased = leader.store->try_lease_snapshot(request);
          if (leased && leased->ok()) {
            EXPECT_EQ(*leased->value()->get(engine::Cf::kDefault, "k"), std::optional<Bytes>("new"))
                << "read by lease after another leader's write was acknowledged";
          }
          return true;
        },
        600ms);
  }
}

TEST(Leadership, WritesOfADeposedLeaderAreAnsweredThoughItsSuccessorWritesNothing) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    Story story(seed);
    auto& cluster = story.cluster;
    const size_t index = story.leader == &cluster.node(0) ? 0 : story.leader == &cluster.node(1) ? 1 : 2;
    cluster.isolate(index);
    std::vector<std::shared_ptr<std::optional<TestCluster::PutResult>>> puts;
    for (int i = 0; i < 10; ++i) puts.push_back(cluster.begin_put(*story.leader, "k" + std::to_string(i), "v"));
    cluster.run_for(10ms);
    Node* successor = cluster.wait_for_leader(story.region);
    ASSERT_NE(successor, story.leader);
    cluster.run_for(1s);
    cluster.heal();
    EXPECT_TRUE(cluster.run_until(
        [&] { return std::all_of(puts.begin(), puts.end(), [](const auto& put) { return put->has_value(); }); }, 3s));
    for (const auto& put : puts) {
      if (!put->has_value()) continue;
      ASSERT_FALSE((*put)->ok());
      EXPECT_TRUE(std::holds_alternative<engine::StaleCommand>((*put)->error())) << engine::to_string((*put)->error());
    }
  }
}

}  // namespace
}  // namespace cairn::store
