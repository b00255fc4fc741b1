// Stories of snapshots, splits and peers that come and go, with crashes and shutdowns between.
#include <gtest/gtest.h>

#include <algorithm>

#include "replica/keys.h"
#include "replica/peer_storage.h"
#include "replica/snapshot_files.h"
#include "replica/wire.h"
#include "runtime/async.h"
#include "store/store.h"
#include "store/testing/cluster.h"

namespace cairn::store {
namespace {

using engine::Cf;
using engine::CrashKind;
using Node = TestCluster::Node;

uint64_t first_region(TestCluster& cluster) { return cluster.pd.regions.begin()->first; }

StoreOptions with_short_logs() {
  auto options = TestCluster::quick();
  options.log_gc_count_max = 30;
  options.log_gc_threshold = 5;
  return options;
}

// Three nodes with a region on all of them.
struct Trio {
  explicit Trio(uint64_t seed = 1, StoreOptions options = with_short_logs()) : cluster(seed, std::move(options)) {
    for (int i = 0; i < 3; ++i) cluster.add();
    region = first_region(cluster);
    cluster.replicate_everywhere(region);
  }
  // A follower of the region, by its number.
  size_t follower() { return cluster.wait_for_leader(region) == &cluster.node(2) ? 1 : 2; }
  // Writes to the regions of these keys until no log reaches back to before the call.
  void write_on(const std::vector<Bytes>& prefixes) {
    for (int i = 0; i < 50; ++i) {
      for (const auto& prefix : prefixes) ASSERT_TRUE(cluster.put(prefix + std::to_string(i), "later"));
    }
    cluster.run_for(3s);
  }
  void expect_complete(Node& node) {
    ASSERT_TRUE(cluster.put("a", "last"));
    ASSERT_TRUE(cluster.put("x", "last"));
    EXPECT_TRUE(cluster.run_until([&] { return cluster.local(node, "a") == Bytes("last"); }));
    EXPECT_TRUE(cluster.run_until([&] { return cluster.local(node, "x") == Bytes("last"); }));
  }

  TestCluster cluster;
  uint64_t region = 0;
};

runtime::Task<void> split_and_forget(Store* store, engine::RegionRequest request) {
  std::vector<Bytes> keys{"m"};
  static_cast<void>(co_await store->split_region(std::move(request), std::move(keys), store->read_pool()));
}

bool has_record(const engine::KvEngine& kv, uint64_t region) {
  return kv.get(Cf::kRaft, replica::region_state_key(RegionId(region)))->has_value();
}

TEST(StoreSnapshots, ASplitThatTheEngineLostIsMadeAgainThoughTheOthersHaveForgottenIt) {
  int lost = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    Trio trio(seed);
    auto& cluster = trio.cluster;
    Node& slow = cluster.node(trio.follower());
    auto parts = cluster.split(trio.region, {"m"});
    ASSERT_TRUE(parts.ok());
    const uint64_t child = parts->front().id.value;
    // Its log, too, is on disk.
    ASSERT_TRUE(cluster.run_until([&] { return slow.log->state(RegionId(child))->has_value(); }));
    cluster.crash(slow, seed % 2 == 0 ? CrashKind::kMachine : CrashKind::kProcess);
    auto kv = engine::open_memory_kv(slow.disk);
    auto log = engine::open_memory_raft_log(slow.disk);
    lost += !has_record(*kv, child) && log->state(RegionId(child))->has_value() ? 1 : 0;
    kv.reset();
    log.reset();
    trio.write_on({"a", "x"});
    // Leaders that know nothing of what the peer had.
    Node& leader = *cluster.wait_for_leader(trio.region);
    cluster.stop(leader);
    cluster.boot(leader);
    ASSERT_TRUE(cluster.put("a", "meanwhile"));
    ASSERT_TRUE(cluster.put("x", "meanwhile"));
    cluster.boot(slow);
    trio.expect_complete(slow);
  }
  EXPECT_GT(lost, 0) << "the case that this is about";
}

// A follower cannot flush the split at "m", misses what is written behind `prefix`, and is offered a snapshot of that.
void miss_what_comes_behind(const Bytes& prefix) {
  Trio trio;
  auto& cluster = trio.cluster;
  const size_t number = trio.follower();
  Node& slow = cluster.node(number);
  bool is_stuck = true;
  slow.disk->set_hook([&](engine::DiskAccess access, uint64_t) -> std::optional<engine::Error> {
    if (!is_stuck || access != engine::DiskAccess::kKvFlush) return std::nullopt;
    return engine::Error{engine::Error::Kind::kIo, "not now"};
  });
  auto parts = cluster.split(trio.region, {"m"});
  ASSERT_TRUE(parts.ok());
  const uint64_t child = parts->front().id.value;
  ASSERT_TRUE(cluster.run_until([&] { return has_record(*slow.kv, child); }));
  cluster.run_for(100ms);
  cluster.isolate(number);
  trio.write_on({prefix});
  cluster.heal();
  cluster.run_for(5s);
  ASSERT_FALSE(slow.fatal) << "an installation would have tried to flush: " << slow.fatal->message;
  is_stuck = false;
  cluster.crash(slow, CrashKind::kProcess);
  slow.disk->set_hook(nullptr);
  cluster.boot(slow);
  trio.expect_complete(slow);
  EXPECT_EQ(cluster.local(slow, prefix + "49"), Bytes("later"));
}

TEST(StoreSnapshots, ASnapshotOfTheParentWaitsUntilTheSplitIsOnDisk) { miss_what_comes_behind("x"); }

TEST(StoreSnapshots, ASnapshotOfTheChildWaitsUntilTheSplitIsOnDisk) { miss_what_comes_behind("a"); }

// A split that it proposed, at an index beyond, and that never came to be, hides nothing.
TEST(StoreSnapshots, AFormerLeadersSnapshotWaitsForASplitThatItsSuccessorMade) {
  Trio trio;
  auto& cluster = trio.cluster;
  ASSERT_TRUE(cluster.transfer_leader(trio.region, cluster.node(1)));
  Node& slow = cluster.node(1);
  cluster.isolate(1);
  for (int i = 0; i < 10; ++i) cluster.begin_put(slow, "a" + std::to_string(i), "lost");
  runtime::spawn_inline(split_and_forget(slow.store.get(), cluster.request(trio.region)));
  cluster.run_for(50ms);
  Node* successor = cluster.wait_for_leader(trio.region);
  ASSERT_NE(successor, &slow);
  auto parts = cluster.split(trio.region, {"m"});
  ASSERT_TRUE(parts.ok());
  auto& applier = slow.gates->at("apply-0");
  applier.shut();
  cluster.heal();
  cluster.run_for(600ms);
  EXPECT_FALSE(has_record(*slow.kv, parts->front().id.value));
  cluster.isolate(1);
  trio.write_on({"x"});
  cluster.heal();
  cluster.run_for(5s);
  applier.open();
  cluster.run_for(1s);
  trio.expect_complete(slow);
}

// Messages to a store that has none of the region's peers yet, made by hand.
struct Newcomer {
  explicit Newcomer(TestCluster& all) : cluster(all), node(all.node(1)), from(all.node(0).store->id()) {}

  raft_serverpb::RaftMessage message(uint64_t region, eraftpb::MessageType type) const {
    raft_serverpb::RaftMessage out;
    out.set_region_id(region);
    out.mutable_from_peer()->set_id(region + 1);
    out.mutable_from_peer()->set_store_id(from.value);
    out.mutable_to_peer()->set_id(region + 2);
    out.mutable_to_peer()->set_store_id(node.store->id().value);
    out.mutable_region_epoch()->set_conf_ver(2);
    out.mutable_region_epoch()->set_version(1);
    auto& raft = *out.mutable_message();
    raft.set_msg_type(type);
    raft.set_from(region + 1);
    raft.set_to(region + 2);
    raft.set_term(6);
    return out;
  }
  void make_peer(uint64_t region, Bytes start, Bytes end) {
    auto vote = message(region, eraftpb::MsgRequestVote);
    vote.set_start_key(std::move(start));
    vote.set_end_key(std::move(end));
    vote.mutable_message()->set_index(10);
    vote.mutable_message()->set_log_term(6);
    node.store->on_raft_message(std::move(vote));
    cluster.run_for(50ms);
  }
  // A snapshot of an empty region.
  void give_snapshot(uint64_t region, Bytes start, Bytes end, uint64_t index) {
    auto out = message(region, eraftpb::MsgSnapshot);
    raft_serverpb::RaftSnapshotData data;
    auto& described = *data.mutable_region();
    described.set_id(region);
    described.set_start_key(std::move(start));
    described.set_end_key(std::move(end));
    *described.mutable_region_epoch() = out.region_epoch();
    *described.add_peers() = out.from_peer();
    *described.add_peers() = out.to_peer();
    auto& snapshot = *out.mutable_message()->mutable_snapshot();
    snapshot.set_data(replica::serialize(data));
    snapshot.mutable_metadata()->set_index(index);
    snapshot.mutable_metadata()->set_term(6);
    for (const auto& peer : described.peers()) {
      snapshot.mutable_metadata()->mutable_conf_state()->add_voters(peer.id());
    }
    auto receiver = node.store->begin_snapshot(std::move(out));
    ASSERT_TRUE(receiver.ok());
    ASSERT_TRUE((*receiver)->finish().ok());
  }

  TestCluster& cluster;
  Node& node;
  StoreId from;
};

TEST(StoreSnapshots, TheRangeOfTheSnapshotThatIsInstalledIsKeptAndNotThatOfALaterOne) {
  TestCluster cluster;
  cluster.add();
  cluster.add();
  Newcomer to(cluster);
  to.make_peer(500, "", "");
  to.make_peer(600, "", "m");
  auto& applier = to.node.gates->at("apply-0");
  applier.shut();
  to.give_snapshot(500, "", "", 20);
  to.give_snapshot(500, "m", "", 30);
  cluster.run_for(200ms);
  to.give_snapshot(600, "", "m", 20);
  cluster.run_for(200ms);
  applier.open();
  cluster.run_for(2s);
  EXPECT_EQ(cluster.status(to.node, 500)->applied, LogIndex(20));
  EXPECT_FALSE(cluster.status(to.node, 600)->applied.is_set()) << "its range is the other's";
}

TEST(StoreSnapshots, ASnapshotOfAPeerThatLeavesMeanwhileIsNotCountedForEver) {
  TestCluster cluster;
  cluster.add();
  cluster.add();
  Newcomer to(cluster);
  to.make_peer(500, "", "");
  auto& applier = to.node.gates->at("apply-0");
  applier.shut();
  to.give_snapshot(500, "", "", 20);
  cluster.run_for(200ms);
  EXPECT_EQ(to.node.store->stats().snapshots_applying, 1u);
  auto tombstone = to.message(500, eraftpb::MsgHup);
  tombstone.clear_message();
  tombstone.mutable_region_epoch()->set_conf_ver(9);
  tombstone.set_is_tombstone(true);
  to.node.store->on_raft_message(std::move(tombstone));
  cluster.run_for(200ms);
  applier.open();
  EXPECT_TRUE(cluster.run_until([&] { return to.node.store->stats().regions == 0; }));
  EXPECT_EQ(to.node.store->stats().snapshots_applying, 0u);
}

TEST(StoreSnapshots, APeerThatBeginsAnewByASplitKeepsItsFormerLifesGrace) {
  Trio trio;
  auto& cluster = trio.cluster;
  const size_t number = trio.follower();
  Node& late = cluster.node(number);
  cluster.stop(late);
  auto parts = cluster.split(trio.region, {"m"});
  ASSERT_TRUE(parts.ok());
  const auto& child = parts->front();
  // As a peer without data that has voted leaves it.
  auto log = engine::open_memory_raft_log(late.disk);
  auto batch = log->new_batch();
  batch->put_state(child.id,
                   replica::encode(replica::RaftState{{Term(6), child.peers[0].id, LogIndex(0)}, LogIndex(0)}));
  ASSERT_TRUE(log->write(*batch, engine::Sync::kYes).ok());
  log.reset();
  cluster.boot(late);
  ASSERT_TRUE(cluster.run_until([&] { return has_record(*late.kv, child.id.value); }));
  cluster.isolate(number);

  raft_serverpb::RaftMessage vote;
  vote.set_region_id(child.id.value);
  *vote.mutable_region_epoch() = replica::to_wire(child.epoch);
  for (const auto& peer : child.peers) {
    *(peer.store == late.store->id() ? vote.mutable_to_peer() : vote.mutable_from_peer()) = replica::to_wire(peer);
  }
  vote.mutable_message()->set_msg_type(eraftpb::MsgRequestVote);
  vote.mutable_message()->set_from(vote.from_peer().id());
  vote.mutable_message()->set_to(vote.to_peer().id());
  vote.mutable_message()->set_term(50);
  vote.mutable_message()->set_index(100);
  vote.mutable_message()->set_log_term(49);
  auto term = [&] { return replica::decode_raft_state(**late.log->state(child.id))->hard.term; };
  late.store->on_raft_message(vote);
  cluster.run_for(10ms);
  EXPECT_LT(term(), Term(50)) << "it may have confirmed a leader's lease before";
  cluster.run_for(1s);
  late.store->on_raft_message(vote);
  EXPECT_TRUE(cluster.run_until([&] { return term() >= Term(50); }));
}

// A peer that is made by a leader's word at `conf_ver` of the region on a store that PD does not name; whether it is
// still there when the leader has been silent for long.
bool outlives_its_leaders_silence(int64_t ahead_of_pd) {
  auto options = with_short_logs();
  options.leader_missing_after = 3s;
  Trio trio(1, options);
  auto& cluster = trio.cluster;
  Node& node = cluster.add();
  const auto region = cluster.pd.regions[trio.region];
  raft_serverpb::RaftMessage word;
  word.set_region_id(trio.region);
  *word.mutable_region_epoch() = region.region_epoch();
  word.mutable_region_epoch()->set_conf_ver(
      static_cast<uint64_t>(static_cast<int64_t>(region.region_epoch().conf_ver()) + ahead_of_pd));
  *word.mutable_from_peer() = cluster.pd.leaders[trio.region];
  word.mutable_to_peer()->set_id(5000);
  word.mutable_to_peer()->set_store_id(node.store->id().value);
  word.mutable_message()->set_msg_type(eraftpb::MsgHeartbeat);
  word.mutable_message()->set_from(word.from_peer().id());
  word.mutable_message()->set_to(word.to_peer().id());
  word.mutable_message()->set_term(50);
  node.store->on_raft_message(word);
  EXPECT_TRUE(cluster.run_until([&] { return cluster.status(node, trio.region).has_value(); }));
  EXPECT_EQ(cluster.status(node, trio.region)->leader, PeerId(word.from_peer().id()));
  cluster.run_for(2s);
  EXPECT_TRUE(cluster.status(node, trio.region)) << "it may only be slow";
  cluster.run_for(8s);
  return cluster.status(node, trio.region).has_value();
}

TEST(StoreSnapshots, APeerThatWasRemovedBeforeItHadDataLearnsItFromPd) {
  EXPECT_FALSE(outlives_its_leaders_silence(-1));
}

TEST(StoreSnapshots, APeerOfAMembershipThatPdHasNotHeardOfStays) { EXPECT_TRUE(outlives_its_leaders_silence(+1)); }

TEST(StoreSnapshots, APendingSnapshotDoesNotReviveAPeerThatWasDestroyed) {
  Trio trio;
  auto& cluster = trio.cluster;
  Node& node = cluster.node(trio.follower());
  const RegionId region(trio.region);
  replica::PendingSnapshot pending;
  *pending.data.mutable_region() = cluster.pd.regions[trio.region];
  pending.state = {LogIndex(20), Term(6), LogIndex(20), Term(6)};
  pending.folder = "snap/received/1";
  metapb::Peer gone;
  for (const auto& peer : pending.data.region().peers()) {
    if (peer.store_id() == node.store->id().value) gone = peer;
  }
  cluster.pd.change_peer(trio.region, eraftpb::RemoveNode, gone);
  ASSERT_TRUE(cluster.run_until([&] { return node.store->stats().regions == 0; }));
  cluster.stop(node);
  // As if the crash had come between the tombstone and the end of the log.
  auto log = engine::open_memory_raft_log(node.disk);
  auto batch = log->new_batch();
  batch->put_state(region, replica::encode(replica::RaftState{{Term(6), PeerId(), LogIndex(20)}, LogIndex(20)}));
  batch->put_meta(region, replica::kPendingSnapshotSlot, replica::encode(pending));
  ASSERT_TRUE(log->write(*batch, engine::Sync::kYes).ok());
  log.reset();
  cluster.boot(node);
  ASSERT_TRUE(node.started->ok());
  EXPECT_EQ(node.store->stats().regions, 0u);
  auto record = replica::decode_region_state(**node.kv->get(Cf::kRaft, replica::region_state_key(region)));
  EXPECT_EQ(record->state(), raft_serverpb::Tombstone);
  EXPECT_FALSE(node.log->state(region)->has_value());
}

TEST(StoreSnapshots, DataThatBelongsToNoRegionIsClearedAtTheStart) {
  Trio trio;
  auto& cluster = trio.cluster;
  ASSERT_TRUE(cluster.split(trio.region, {"m"}).ok());
  ASSERT_TRUE(cluster.put("a", "1"));
  ASSERT_TRUE(cluster.put("x", "1"));
  Node& node = cluster.node(trio.follower());
  for (const char* key : {"a", "x"}) {
    ASSERT_TRUE(cluster.run_until([&] { return cluster.local(node, key) == Bytes("1"); }));
  }
  const metapb::Region right = cluster.pd.regions[trio.region];
  for (const auto& peer : right.peers()) {
    if (peer.store_id() != node.store->id().value) continue;
    const metapb::Peer gone = peer;
    cluster.pd.change_peer(trio.region, eraftpb::RemoveNode, gone);
    break;
  }
  ASSERT_TRUE(cluster.run_until([&] { return node.store->stats().regions == 1; }));
  EXPECT_EQ(cluster.local(node, "x"), std::nullopt);
  cluster.stop(node);
  // As if the crash had come between the tombstone and the deletion.
  auto kv = engine::open_memory_kv(node.disk);
  auto batch = kv->new_batch();
  for (Cf cf : engine::kDataCfs) batch->put(cf, "zx", "orphan");
  ASSERT_TRUE(kv->write(*batch).ok());
  kv.reset();
  cluster.boot(node);
  for (Cf cf : engine::kDataCfs) EXPECT_FALSE(node.kv->get(cf, "zx")->has_value());
  EXPECT_EQ(cluster.local(node, "a"), Bytes("1"));
}

TEST(StoreSnapshots, ASnapshotUnderWayMayOutliveItsStoreAndTheEngines) {
  Trio trio;
  auto& cluster = trio.cluster;
  const size_t number = trio.follower();
  Node& leader = *cluster.wait_for_leader(trio.region);
  leader.holds_snapshots = true;
  cluster.isolate(number);
  for (int i = 0; i < 80; ++i) ASSERT_TRUE(cluster.put("a" + std::to_string(i), "v"));
  cluster.run_for(3s);
  cluster.heal();
  ASSERT_TRUE(cluster.run_until([&] { return !leader.held_snapshots.empty(); }));

  // And one that is being received.
  raft_serverpb::RaftMessage message;
  message.set_region_id(trio.region);
  message.mutable_to_peer()->set_store_id(leader.store->id().value);
  message.mutable_message()->set_msg_type(eraftpb::MsgSnapshot);
  raft_serverpb::RaftSnapshotData data;
  auto& file = *data.mutable_meta()->add_cf_files();
  file.set_cf("default");
  file.set_size(100);
  message.mutable_message()->mutable_snapshot()->set_data(replica::serialize(data));
  auto receiver = leader.store->begin_snapshot(message);
  ASSERT_TRUE(receiver.ok());
  ASSERT_TRUE((*receiver)->append(Bytes(10, 'x')).ok());

  cluster.stop(leader);
  EXPECT_FALSE((*receiver)->append(Bytes(10, 'x')).ok());
  EXPECT_FALSE((*receiver)->finish().ok());
  receiver->reset();
  for (auto& transfer : std::exchange(leader.held_snapshots, {})) transfer();
  leader.holds_snapshots = false;
  cluster.boot(leader);
  ASSERT_TRUE(cluster.put("a", "1"));
}

TEST(StoreSnapshots, NoMoreSnapshotsAreSentAtATimeThanMayBe) {
  auto options = with_short_logs();
  options.snapshots_sending_max = 2;
  TestCluster cluster(1, options);
  Node& from = cluster.add();
  const uint64_t region = first_region(cluster);
  auto parts = cluster.split(region, {"b", "c", "d", "e"});
  ASSERT_TRUE(parts.ok());
  ASSERT_TRUE(cluster.run_until([&] { return cluster.pd.leaders.size() == 5; }));
  Node& to = cluster.add();
  from.holds_snapshots = true;
  for (const auto& part : *parts) {
    metapb::Peer learner;
    learner.set_id(cluster.pd.next_id++);
    learner.set_store_id(to.store->id().value);
    learner.set_role(metapb::Learner);
    cluster.pd.change_peer(part.id.value, eraftpb::AddLearnerNode, learner);
  }
  cluster.run_for(5s);
  EXPECT_EQ(from.held_snapshots.size(), 2u);
  EXPECT_EQ(from.store->stats().snapshots_sending, 2u);
  auto is_everywhere = [&] {
    auto regions = to.store->regions();
    return std::count_if(regions.begin(), regions.end(), [](const auto& r) { return r.applied.is_set(); }) == 5;
  };
  EXPECT_TRUE(cluster.run_until([&] {
    EXPECT_LE(from.store->stats().snapshots_sending, 2u);
    for (auto& transfer : std::exchange(from.held_snapshots, {})) transfer();
    return is_everywhere();
  }));
}

metapb::Peer peer_on(TestCluster& cluster, uint64_t region, Node& node) {
  for (const auto& peer : cluster.pd.regions[region].peers()) {
    if (peer.store_id() == node.store->id().value) return peer;
  }
  return {};
}

TEST(StoreSnapshots, APeersRemovalWaitsForNoFlushAndItsLogStaysUntilOneCoversTheTombstone) {
  Trio trio;
  auto& cluster = trio.cluster;
  ASSERT_TRUE(cluster.split(trio.region, {"m"}).ok());
  Node& node = cluster.node(trio.follower());
  ASSERT_TRUE(cluster.put("a", "1"));
  ASSERT_TRUE(cluster.put("x", "1"));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.local(node, "x") == Bytes("1"); }));
  ASSERT_TRUE(node.kv->flush().ok());
  bool is_stuck = true;
  node.disk->set_hook([&](engine::DiskAccess access, uint64_t) -> std::optional<engine::Error> {
    if (!is_stuck || access != engine::DiskAccess::kKvFlush) return std::nullopt;
    return engine::Error{engine::Error::Kind::kIo, "not now"};
  });
  auto& deletions = node.gates->at("gc-delete");
  deletions.shut();
  const RegionId region(trio.region);
  auto record = [&] {
    return replica::decode_region_state(**node.kv->get(Cf::kRaft, replica::region_state_key(region)))->state();
  };
  cluster.pd.change_peer(trio.region, eraftpb::RemoveNode, peer_on(cluster, trio.region, node));
  uint64_t flushed = 0;
  ASSERT_TRUE(cluster.run_until([&] {
    flushed = node.kv->flushed_sequence();
    return record() == raft_serverpb::Tombstone;
  }));
  EXPECT_TRUE(node.log->state(region)->has_value()) << "the tombstone can still be lost";
  ASSERT_TRUE(cluster.put("a", "2"));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.local(node, "a") == Bytes("2"); }));
  cluster.run_for(3s);
  EXPECT_FALSE(node.fatal) << "somebody waited for a flush: " << node.fatal->message;
  EXPECT_TRUE(node.log->state(region)->has_value()) << "the tombstone is not on disk yet";
  is_stuck = false;
  ASSERT_TRUE(cluster.run_until([&] { return !node.log->state(region)->has_value(); }));
  EXPECT_GT(node.kv->flushed_sequence(), flushed);
  cluster.run_for(1s);
  EXPECT_EQ(node.store->stats().regions, 2u) << "its range is not free before it is cleared";
  deletions.open();
  EXPECT_TRUE(cluster.run_until([&] { return node.store->stats().regions == 1 && !cluster.local(node, "x"); }));
}

}  // namespace
}  // namespace cairn::store
