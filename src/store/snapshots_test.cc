// Stories of snapshots, splits and peers that come and go, with crashes and shutdowns between.
#include <gtest/gtest.h>

#include <algorithm>

#include "replica/keys.h"
#include "replica/peer_storage.h"
#include "replica/snapshot_files.h"
#include "replica/wire.h"
#include "runtime/async.h"
#include "store/store.h"
#include "store/testing/stories.h"

namespace cairn::store {
namespace {

using engine::Cf;
using engine::CrashKind;
using Node = TestCluster::Node;

runtime::Task<void> split_and_forget(Store* store, engine::RegionRequest request) {
  std::vector<Bytes> keys{"m"};
  static_cast<void>(co_await store->split_region(std::move(request), std::move(keys), store->read_pool()));
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

// While a store splits its regions one by one there is always a split that is not flushed.
TEST(StoreSnapshots, ASnapshotDoesNotWaitForTheSplitsOfOthers) {
  Trio trio;
  auto& cluster = trio.cluster;
  const size_t number = trio.follower();
  Node& slow = cluster.node(number);
  ASSERT_TRUE(cluster.split(trio.region, {"m"}).ok());
  cluster.run_for(1s);
  ASSERT_TRUE(slow.kv->flush().ok());
  bool is_stuck = true;
  slow.disk->set_hook([&](engine::DiskAccess access, uint64_t) -> std::optional<engine::Error> {
    if (!is_stuck || access != engine::DiskAccess::kKvFlush) return std::nullopt;
    return engine::Error{engine::Error::Kind::kIo, "not now"};
  });
  const auto parts = cluster.split(trio.region, {"t"});
  ASSERT_TRUE(parts.ok());
  ASSERT_TRUE(cluster.run_until([&] { return has_record(*slow.kv, parts->front().id.value); }));
  cluster.run_for(100ms);
  cluster.isolate(number);
  trio.write_on({"a"});
  cluster.heal();
  // It is being installed, for which the engine flushes.
  EXPECT_TRUE(cluster.run_until([&] { return slow.fatal.has_value(); }, 10s));
  is_stuck = false;
  cluster.crash(slow, CrashKind::kProcess);
  slow.disk->set_hook(nullptr);
  slow.fatal.reset();
  cluster.boot(slow);
  trio.expect_complete(slow);
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

// Raft has taken it, and the peer leaves before that is on disk: nobody will install it.
TEST(StoreSnapshots, ASnapshotOfAPeerThatLeavesMeanwhileLeavesNoFiles) {
  TestCluster cluster;
  cluster.add();
  cluster.add();
  Newcomer to(cluster);
  to.make_peer(500, "", "");
  auto& log = to.node.gates->at("raft-log");
  log.shut();
  to.give_snapshot(500, "", "", 20, "locks");
  cluster.run_for(200ms);
  EXPECT_EQ(to.node.kv->files().list("snap/received")->size(), 1u);
  auto tombstone = to.message(500, eraftpb::MsgHup);
  tombstone.clear_message();
  tombstone.mutable_region_epoch()->set_conf_ver(9);
  tombstone.set_is_tombstone(true);
  to.node.store->on_raft_message(std::move(tombstone));
  cluster.run_for(200ms);
  log.open();
  EXPECT_TRUE(cluster.run_until([&] { return to.node.store->stats().regions == 0; }));
  EXPECT_TRUE(to.node.kv->files().list("snap/received")->empty());
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
  message.mutable_to_peer()->set_id(900);
  message.mutable_to_peer()->set_store_id(leader.store->id().value);
  message.mutable_from_peer()->set_id(901);
  message.mutable_from_peer()->set_store_id(902);
  message.mutable_message()->set_msg_type(eraftpb::MsgSnapshot);
  message.mutable_message()->set_from(901);
  message.mutable_message()->set_to(900);
  message.mutable_message()->mutable_snapshot()->mutable_metadata()->set_index(10);
  raft_serverpb::RaftSnapshotData data;
  *data.mutable_region() = cluster.pd.regions[trio.region];
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
  EXPECT_TRUE(cluster.local(node, "x")) << "without it the peer would stand again, with holes in its data";
  ASSERT_TRUE(cluster.put("a", "2"));
  ASSERT_TRUE(cluster.run_until([&] { return cluster.local(node, "a") == Bytes("2"); }));
  cluster.run_for(3s);
  EXPECT_FALSE(node.fatal) << "somebody waited for a flush: " << node.fatal->message;
  EXPECT_TRUE(node.log->state(region)->has_value()) << "the tombstone is not on disk yet";
  EXPECT_TRUE(cluster.local(node, "x")) << "nor may its data go";
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
