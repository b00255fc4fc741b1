// Stories of splits whose child lives on another shard than its parent.
#include <gtest/gtest.h>

#include "base/codec.h"
#include "runtime/async.h"
#include "store/placement.h"
#include "store/testing/cluster.h"
#include "store/testing/stories.h"
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

using SplitAnswer = Result<std::vector<engine::RegionDescription>, engine::RegionError>;
runtime::Task<void> split_task(Store* store, runtime::Executor* executor, engine::RegionRequest request,
                               Cell<SplitAnswer> out) {
  std::vector<Bytes> keys;
  keys.emplace_back("m");
  out->emplace(co_await store->split_region(std::move(request), std::move(keys), *executor));
}

txn::PessimisticLock lock(uint64_t start_ts, Bytes key) {
  txn::PessimisticLock command;
  command.primary = key;
  command.keys.push_back({std::move(key), false});
  command.start_ts = command.for_update_ts = Timestamp(start_ts);
  command.lock_ttl_ms = 1'000'000;
  command.wait_timeout_ms = -1;
  return command;
}

txn::Prewrite prewrite(uint64_t start_ts, Bytes key) {
  txn::Prewrite command;
  command.primary = key;
  command.mutations.push_back({txn::Mutation::Op::kPut, std::move(key), "v"});
  command.start_ts = Timestamp(start_ts);
  command.lock_ttl_ms = 1'000'000;
  return command;
}

txn::Prewrite pessimistic_prewrite(uint64_t start_ts, Bytes key) {
  auto command = prewrite(start_ts, std::move(key));
  command.for_update_ts = command.start_ts;
  command.mutations[0].pessimistic_action = txn::Mutation::PessimisticAction::kPessimisticCheck;
  return command;
}

txn::Commit commit(uint64_t start_ts, uint64_t commit_ts, Bytes key) {
  txn::Commit command;
  command.keys.push_back(std::move(key));
  command.start_ts = Timestamp(start_ts);
  command.commit_ts = Timestamp(commit_ts);
  return command;
}

StoreOptions with_two_shards() {
  auto options = with_short_logs();
  options.shards = 2;
  return options;
}

int home(uint64_t region) { return home_shard(RegionId(region), 2); }

// Stores with two shards, one region, and a split of it at "m" whose child, what lies before, has its home on the other
// shard.
struct Story {
  explicit Story(int stores = 1) : cluster(1, with_two_shards()) {
    for (int i = 0; i < stores; ++i) cluster.add();
    parent = first_region(cluster);
    if (stores > 1) cluster.replicate_everywhere(parent);
    leader = cluster.wait_for_leader(parent);
    while (home(cluster.pd.next_id) == home(parent)) ++cluster.pd.next_id;
    child = cluster.pd.next_id;
  }

  static GatedExecutor& actor(Node& node, const std::string& name, uint64_t region) {
    return node.gates->at(name + std::to_string(home(region)));
  }
  GatedExecutor& parents(const std::string& name) const { return actor(*leader, name, parent); }

  template <class C>
  Cell<txn::Answer<typename C::Result>> begin(uint64_t region, C command) {
    auto out = std::make_shared<std::optional<txn::Answer<typename C::Result>>>();
    const auto request = cluster.request(region);
    leader->store->on_shard(request.region, [=](ShardHandle& shard) {
      runtime::spawn_inline(run_command(&shard.scheduler(), command, request, out));
    });
    return out;
  }
  template <class C>
  typename C::Result run(uint64_t region, const C& command) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      auto out = begin(region, command);
      cluster.run_until([&] { return out->has_value(); }, 3s);
      if (out->has_value() && (*out)->ok()) return std::move(**out).value();
      cluster.run_for(100ms);
    }
    ADD_FAILURE() << "a command is never answered";
    return {};
  }
  Cell<SplitAnswer> begin_split() {
    if (!client) client = leader->executors->make("client");
    auto out = std::make_shared<std::optional<SplitAnswer>>();
    runtime::spawn(*client, split_task(leader->store.get(), client.get(), cluster.request(parent), out));
    cluster.run_for(50ms);
    return out;
  }
  void expect_child() {
    ASSERT_TRUE(cluster.run_until([&] { return cluster.pd.leaders.contains(child); }));
    ASSERT_EQ(cluster.wait_for_leader(child), leader);
  }
  bool is_in_memory(const Bytes& key) const {
    return !leader->kv->get(engine::Cf::kLock, "z" + codec::encode_bytes(key))->has_value();
  }

  TestCluster cluster;
  uint64_t parent = 0, child = 0;
  Node* leader = nullptr;
  std::shared_ptr<runtime::Executor> client;
};

TEST(SplitShards, TheChildLivesAtHomeFromTheFirstAndAfterARestart) {
  Story story(3);
  ASSERT_TRUE(story.cluster.split(story.parent, {"m"}).ok());
  story.expect_child();
  const auto shard_of_child = [&]() -> int {
    std::vector<const ShardHandle*> handles(2);
    for (int i = 0; i < 2; ++i) {
      story.leader->store->on_shard_at(i,
                                       [&handles, i](ShardHandle& shard) { handles[static_cast<size_t>(i)] = &shard; });
    }
    const ShardHandle* of_child = nullptr;
    story.leader->store->on_shard(RegionId(story.child), [&](ShardHandle& shard) { of_child = &shard; });
    story.cluster.run_until([&] { return of_child && handles[0] && handles[1]; });
    return of_child == handles[0] ? 0 : 1;
  };
  EXPECT_EQ(shard_of_child(), home(story.child));
  ASSERT_TRUE(story.cluster.put("a", "1"));
  for (size_t i = 0; i < 3; ++i) story.cluster.crash(story.cluster.node(i));
  for (size_t i = 0; i < 3; ++i) story.cluster.boot(story.cluster.node(i));
  EXPECT_EQ(story.cluster.get("a"), std::optional<Bytes>("1"));
  ASSERT_TRUE(story.cluster.put("a", "2"));
  ASSERT_TRUE(story.cluster.put("x", "2"));
  EXPECT_EQ(shard_of_child(), home(story.child));
}

TEST(SplitShards, LocksOfMemoryFollowTheChildToItsShard) {
  Story story;
  for (const char* key : {"a", "x"}) ASSERT_FALSE(story.run(story.parent, lock(10, key)).error);
  ASSERT_TRUE(story.is_in_memory("a"));
  ASSERT_TRUE(story.begin_split()->has_value());
  story.expect_child();
  EXPECT_TRUE(story.run(story.child, lock(11, "a")).error) << "it is locked";
  EXPECT_TRUE(story.run(story.parent, lock(11, "x")).error);
  EXPECT_TRUE(story.is_in_memory("a"));
  ASSERT_TRUE(story.run(story.child, pessimistic_prewrite(10, "a")).errors.empty());
  ASSERT_FALSE(story.run(story.child, commit(10, 12, "a")).error);
  EXPECT_FALSE(story.run(story.child, lock(20, "a")).error);
}

// The prewrite has put the lock into the column family, but does not know it yet when the split is carried out.
TEST(SplitShards, ALockOfMemoryThatWasReplacedBeforeTheSplitDoesNotFollow) {
  Story story;
  ASSERT_FALSE(story.run(story.parent, lock(10, "a")).error);
  story.parents("apply-").shut();
  auto prewritten = story.begin(story.parent, pessimistic_prewrite(10, "a"));
  story.cluster.run_for(10ms);
  story.begin_split();
  ASSERT_EQ(story.parents("apply-").held(), 2u);
  story.parents("apply-").open();
  story.expect_child();
  ASSERT_TRUE(prewritten->has_value() && (*prewritten)->ok() && (**prewritten)->errors.empty());
  ASSERT_FALSE(story.run(story.child, commit(10, 12, "a")).error);
  EXPECT_FALSE(story.run(story.child, lock(20, "a")).error) << "a lock that was committed is there again";
}

// The locks that a leader replicates before it hands over: it steps down before it knows that they are.
TEST(SplitShards, ALockThatWasReplicatedForAHandOverDoesNotFollowFromMemory) {
  Story story(3);
  auto& cluster = story.cluster;
  Node& node = *story.leader;
  Node& other = &node == &cluster.node(0) ? cluster.node(1) : cluster.node(0);
  cluster.run_for(1s);
  ASSERT_FALSE(story.run(story.parent, lock(10, "a")).error);
  auto& shard = story.parents("shard-");
  auto& applier = story.parents("apply-");
  applier.shut();
  const auto to = peer_on(cluster, story.parent, other);
  node.store->transfer_leader(RegionId(story.parent), PeerId(to.id()));
  cluster.run_for(50ms);
  story.begin_split();
  ASSERT_EQ(applier.held(), 2u) << "locks, split";
  shard.shut();
  cluster.run_for(1ms);
  while (shard.held() > 0) shard.let_one_through();
  applier.open();
  cluster.run_for(1ms);
  raft_serverpb::RaftMessage word;
  word.set_region_id(story.parent);
  *word.mutable_region_epoch() = cluster.pd.regions[story.parent].region_epoch();
  *word.mutable_from_peer() = to;
  *word.mutable_to_peer() = peer_on(cluster, story.parent, node);
  auto& raft = *word.mutable_message();
  raft.set_msg_type(eraftpb::MsgHeartbeat);
  raft.set_from(word.from_peer().id());
  raft.set_to(word.to_peer().id());
  raft.set_term(cluster.status(node, story.parent)->term.value + 1);
  // What is on its way for the shard is let through in this order: the reports, the word, and what the reports began.
  const size_t reports = shard.held();
  ASSERT_GE(reports, 2u);
  node.store->on_raft_message(word);
  for (size_t i = 0; i <= reports; ++i) {
    shard.let_one_through();
    cluster.run_for(100us);
  }
  shard.open();
  story.expect_child();
  txn::PessimisticRollback rollback;
  rollback.keys = {"a"};
  rollback.start_ts = Timestamp(10);
  rollback.for_update_ts = Timestamp(10);
  ASSERT_FALSE(story.run(story.child, rollback).error);
  EXPECT_FALSE(story.run(story.child, lock(20, "a")).error) << "rolled back in memory alone";
}

TEST(SplitShards, ADoomedCommandOfTheParentMeetsOneOfTheChild) {
  Story story;
  story.cluster.run_for(1s);
  ASSERT_TRUE(story.cluster.put("x", "1"));  // there is a lease
  auto& applier = story.parents("apply-");
  applier.shut();
  auto split = story.begin_split();
  auto doomed_command = prewrite(10, "a");
  doomed_command.use_async_commit = true;
  auto doomed = story.begin(story.parent, doomed_command);
  story.cluster.run_for(10ms);
  ASSERT_EQ(applier.held(), 2u) << "the split, and the prewrite that comes too late";
  applier.let_one_through();
  story.expect_child();
  auto later = prewrite(20, "a");
  later.use_async_commit = true;
  EXPECT_TRUE(story.run(story.child, later).errors.empty());
  EXPECT_FALSE(doomed->has_value());
  applier.open();
  ASSERT_TRUE(story.cluster.run_until([&] { return doomed->has_value(); }));
  EXPECT_FALSE((*doomed)->ok());
}

// The engine has the child's record, the shards have not heard of it.
TEST(SplitShards, AVoteThatComesWhileTheChildIsBeingMadeIsKeptForIt) {
  Story story(3);
  auto& cluster = story.cluster;
  const size_t number = story.leader == &cluster.node(2) ? 1 : 2;
  Node& late = cluster.node(number);
  auto& applier = Story::actor(late, "apply-", story.parent);
  auto& shard = Story::actor(late, "shard-", story.parent);
  applier.shut();
  const auto parts = cluster.split(story.parent, {"m"});
  ASSERT_TRUE(parts.ok());
  ASSERT_EQ(parts->front().id.value, story.child);
  cluster.run_for(500ms);
  cluster.isolate(number);
  cluster.run_for(50ms);
  shard.shut();
  applier.open();
  cluster.run_for(50ms);
  ASSERT_TRUE(has_record(*late.kv, story.child));
  raft_serverpb::RaftMessage word;
  word.set_region_id(story.child);
  *word.mutable_region_epoch() = replica::to_wire(parts->front().epoch);
  for (const auto& peer : parts->front().peers) {
    *(peer.store == late.store->id() ? word.mutable_to_peer() : word.mutable_from_peer()) = replica::to_wire(peer);
  }
  word.set_end_key("m");
  auto& raft = *word.mutable_message();
  raft.set_from(word.from_peer().id());
  raft.set_to(word.to_peer().id());
  raft.set_term(50);
  raft.set_index(100);
  raft.set_log_term(49);
  raft.set_msg_type(eraftpb::MsgRequestVote);
  late.store->on_raft_message(word);
  cluster.run_for(50ms);
  int answers = 0;
  cluster.drops = [&](const raft_serverpb::RaftMessage& message) {
    answers += message.from_peer().id() == raft.to() && message.message().term() == 50 ? 1 : 0;
    return false;
  };
  shard.open();
  cluster.run_for(100ms);
  EXPECT_GT(answers, 0);
}

// A store that gets a member's data late: a later peer of the child asked for its vote first.
TEST(SplitShards, ALaterPeerThatHasVotedOutlivesTheSplitThatWouldMakeAnEarlierOne) {
  Story story;
  auto& cluster = story.cluster;
  Node& late = cluster.add();
  for (story.child = cluster.pd.next_id + 40; home(story.child) == home(story.parent);) ++story.child;
  raft_serverpb::RaftMessage word;
  word.set_region_id(story.child);
  word.mutable_region_epoch()->set_conf_ver(9);
  word.mutable_region_epoch()->set_version(9);
  word.mutable_from_peer()->set_id(999);
  word.mutable_from_peer()->set_store_id(story.leader->store->id().value);
  word.mutable_to_peer()->set_id(1000);
  word.mutable_to_peer()->set_store_id(late.store->id().value);
  word.set_end_key("m");
  auto& raft = *word.mutable_message();
  raft.set_msg_type(eraftpb::MsgRequestVote);
  raft.set_from(999);
  raft.set_to(1000);
  raft.set_term(50);
  raft.set_index(100);
  raft.set_log_term(49);
  late.store->on_raft_message(word);
  cluster.run_for(50ms);
  cluster.replicate_everywhere(story.parent);
  cluster.pd.next_id = story.child;
  const auto parts = cluster.split(story.parent, {"m"});
  ASSERT_TRUE(parts.ok());
  ASSERT_EQ(parts->front().id.value, story.child);
  cluster.run_for(2s);
  EXPECT_TRUE(has_record(*story.leader->kv, story.child));
  EXPECT_FALSE(has_record(*late.kv, story.child)) << "its vote of term 50 would be forgotten";
}

TEST(SplitShards, WhoWaitsForALockOfAParentThatIsDestroyedIsTold) {
  Story story;
  auto& cluster = story.cluster;
  ASSERT_FALSE(story.run(story.parent, lock(10, "a")).error);
  auto patient = lock(20, "a");
  patient.wait_timeout_ms = 0;
  auto waiter = story.begin(story.parent, patient);
  cluster.run_for(10ms);
  ASSERT_FALSE(waiter->has_value());
  raft_serverpb::RaftMessage word;
  word.set_region_id(story.parent);
  word.mutable_region_epoch()->set_conf_ver(100);
  word.mutable_region_epoch()->set_version(100);
  *word.mutable_to_peer() = peer_on(cluster, story.parent, *story.leader);
  *word.mutable_from_peer() = word.to_peer();
  word.set_is_tombstone(true);
  story.leader->store->on_raft_message(word);
  cluster.run_for(20ms);
  ASSERT_TRUE(waiter->has_value());
  EXPECT_FALSE((*waiter)->ok());
}

TEST(SplitShards, AShardThatHasStoppedMakesNoChild) {
  Story story;
  auto& shard = story.parents("shard-");
  auto& applier = story.parents("apply-");
  applier.shut();
  story.begin_split();
  shard.shut();
  story.cluster.run_for(1ms);
  while (shard.held() > 0) shard.let_one_through();
  applier.open();
  story.cluster.run_for(1ms);
  ASSERT_GE(shard.held(), 1u) << "the report of the split";
  // It leaves the child's way to the other shard behind, which is asked to stop before it comes there.
  while (shard.held() > 0) shard.let_one_through();
  story.cluster.run_for(100us);
  ASSERT_GE(shard.held(), 1u);
  story.leader->store->stop([] {});
  story.cluster.run_for(50ms);
  auto& other = Story::actor(*story.leader, "apply-", story.child);
  other.shut();
  shard.open();
  story.cluster.run_for(5ms);
  EXPECT_EQ(other.held(), 0u) << "a region begins on a shard that has stopped";
  story.cluster.crash(*story.leader);
}

}  // namespace
}  // namespace cairn::store
