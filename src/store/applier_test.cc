// What the applier does with the work of several regions: a peer that leaves behind a split, garbage beside entries.
#include "store/applier.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "engine/memory/memory_engine.h"
#include "mvcc/write.h"
#include "replica/command.h"
#include "replica/keys.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::store {
namespace {

using engine::Cf;

metapb::Region region_of_one() {
  metapb::Region region;
  region.set_id(1);
  region.mutable_region_epoch()->set_conf_ver(1);
  region.mutable_region_epoch()->set_version(1);
  auto& peer = *region.add_peers();
  peer.set_id(11);
  peer.set_store_id(1);
  return region;
}

// The entry that makes region 2 of what lies before the key.
raft::Entry split_of(const metapb::Region& region, const char* key) {
  raft_cmdpb::AdminRequest admin;
  admin.set_cmd_type(raft_cmdpb::BatchSplit);
  admin.mutable_splits()->set_right_derive(true);
  auto& part = *admin.mutable_splits()->add_requests();
  part.set_split_key(key);
  part.set_new_region_id(2);
  part.add_new_peer_ids(12);
  raft::Entry entry;
  entry.index = replica::kInitialIndex.next();
  entry.term = Term(6);
  entry.data = SharedBytes(replica::serialize(replica::make_admin(region, region.peers(0), Term(6), std::move(admin))));
  return entry;
}

TEST(Applier, APeerThatLeavesTakesOnlyWhatASplitBeforeHasLeftIt) {
  runtime::SimLoop loop(1);
  runtime::SimClock clock(loop);
  runtime::SimExecutors executors(loop, clock, "node");
  Births births;
  auto kv = engine::open_memory_kv(std::make_shared<engine::MemoryDisk>());
  std::vector<replica::ApplyReport> reports;
  Applier applier(
      executors.make("apply"), *kv, births, StoreId(1), rawkv::ApiVersion::kV1, clock,
      [&](std::vector<replica::ApplyReport> more) { std::move(more.begin(), more.end(), std::back_inserter(reports)); },
      [](const engine::Error& error) { FAIL() << error.message; });

  const metapb::Region region = region_of_one();
  auto batch = kv->new_batch();
  replica::write_region_state(*batch, region, raft_serverpb::Normal);
  for (const char* key : {"a", "x"}) batch->put(Cf::kDefault, replica::data_key(key), "value");
  ASSERT_TRUE(kv->write(*batch).ok());
  applier.begin({RegionId(1), 1, PeerId(11), region, replica::kInitialApplyState});

  // The shard lets the peer go before it hears of the split: it names the region as it was.
  std::vector<replica::ApplyTask> tasks;
  tasks.push_back({RegionId(1), 1, replica::ApplyEntries{{split_of(region, "m")}}});
  tasks.push_back({RegionId(1), 1, replica::DestroyPeer{region}});
  applier.submit(std::move(tasks));
  ASSERT_TRUE(loop.run_until([&] { return reports.size() == 2; }, 1s));

  EXPECT_TRUE(std::holds_alternative<replica::SplitDone>(reports[0].entries.at(0).effect));
  ASSERT_TRUE(reports[1].destroyed.has_value());
  EXPECT_EQ(reports[1].destroyed->start_key(), "m") << "the rest is the child's";
  EXPECT_LT(kv->flushed_sequence(), reports[1].sequence) << "nothing waits for the disk";
  auto record = [&](uint64_t id) {
    return *replica::decode_region_state(**kv->get(Cf::kRaft, replica::region_state_key(RegionId(id))));
  };
  EXPECT_EQ(record(2).state(), raft_serverpb::Normal);
  EXPECT_EQ(record(1).state(), raft_serverpb::Tombstone);
  EXPECT_EQ(record(1).region().start_key(), "m");
}

TEST(Applier, EntriesDoNotWaitForAWholeBatchOfGarbageNorForAllVersionsOfAKey) {
  runtime::SimLoop loop(1);
  runtime::SimClock clock(loop);
  runtime::SimExecutors executors(loop, clock, "node");
  Births births;
  auto kv = engine::open_memory_kv(std::make_shared<engine::MemoryDisk>());
  size_t applied = 0;
  Applier applier(
      executors.make("apply"), *kv, births, StoreId(1), rawkv::ApiVersion::kV1, clock,
      [&](std::vector<replica::ApplyReport> more) { applied += more.size(); },
      [](const engine::Error& error) { FAIL() << error.message; });
  const metapb::Region region = region_of_one();
  applier.begin({RegionId(1), 1, PeerId(11), region, replica::kInitialApplyState});
  std::vector<GcKey> keys;
  auto batch = kv->new_batch();
  for (int i = 100; i < 400; ++i) {
    const Bytes key = replica::data_key(codec::encode_bytes("k" + std::to_string(i)));
    const uint64_t versions = i == 100 ? 2000 : 2;
    for (uint64_t ts = 1; ts <= versions; ++ts) {
      mvcc::Write write;
      write.kind = mvcc::WriteKind::kPut;
      write.start_ts = Timestamp(10 * ts - 1);
      write.short_value = "v";
      batch->put(Cf::kWrite, codec::append_ts(key, Timestamp(10 * ts)), write.encode());
    }
    keys.push_back({RegionId(1), key});
  }
  keys.push_back({RegionId(2), keys.front().key});  // of a region that is not here
  ASSERT_TRUE(kv->write(*batch).ok());

  std::optional<GcBatchReport> collected;
  size_t applied_before = 0;
  applier.collect_garbage(keys, Timestamp(1'000'000), [&](GcBatchReport report) {
    applied_before = applied;
    collected = std::move(report);
  });
  raft::Entry entry;
  entry.index = replica::kInitialIndex.next();
  entry.term = Term(6);
  std::vector<replica::ApplyTask> tasks;
  tasks.push_back({RegionId(1), 1, replica::ApplyEntries{{std::move(entry)}}});
  applier.submit(std::move(tasks));
  ASSERT_TRUE(loop.run_until([&] { return collected.has_value(); }, 1s));
  EXPECT_EQ(applied_before, 1u) << "entries waited for all of it";
  EXPECT_EQ(collected->unfinished, std::vector<Bytes>{keys.front().key});
  EXPECT_LT(collected->records, 1500u) << "2000 versions of a key are more than a slice";
  EXPECT_GE(collected->records, 299u + 512u);
  EXPECT_GT(loop.events(), 20u);

  // What is under way when the store stops ends there.
  bool is_stopped = false, went_on = false;
  applier.collect_garbage(keys, Timestamp(1'000'000), [&](const GcBatchReport&) { went_on = true; });
  applier.stop([&] { is_stopped = true; });
  ASSERT_TRUE(loop.run_until([&] { return is_stopped; }, 1s));
  loop.run_for(1s);
  EXPECT_FALSE(went_on);
}

// Its peer was made by a vote, without data, and told to go; meanwhile its parent's split made it here.
TEST(Applier, APeerWithoutDataThatASplitMadeAnewDoesNotTakeTheNewOneAlong) {
  runtime::SimLoop loop(1);
  runtime::SimClock clock(loop);
  runtime::SimExecutors executors(loop, clock, "node");
  Births births;
  auto kv = engine::open_memory_kv(std::make_shared<engine::MemoryDisk>());
  Applier applier(
      executors.make("apply"), *kv, births, StoreId(1), rawkv::ApiVersion::kV1, clock,
      [](const std::vector<replica::ApplyReport>& reports) { EXPECT_FALSE(reports.at(0).destroyed); },
      [](const engine::Error& error) { FAIL() << error.message; });
  metapb::Region empty;
  empty.set_id(2);
  applier.begin({RegionId(2), 1, PeerId(12), empty, {}});
  metapb::Region child = empty;
  child.mutable_region_epoch()->set_conf_ver(1);
  child.mutable_region_epoch()->set_version(2);
  auto& peer = *child.add_peers();
  peer.set_id(12);
  peer.set_store_id(1);
  auto batch = kv->new_batch();
  replica::write_region_state(*batch, child, raft_serverpb::Normal);
  replica::write_apply_state(*batch, RegionId(2), replica::kInitialApplyState);
  ASSERT_TRUE(kv->write(*batch).ok());
  std::vector<replica::ApplyTask> tasks;
  tasks.push_back({RegionId(2), 1, replica::DestroyPeer{empty}});
  applier.submit(std::move(tasks));
  loop.run_for(1s);
  auto record = replica::decode_region_state(**kv->get(Cf::kRaft, replica::region_state_key(RegionId(2))));
  EXPECT_EQ(record->state(), raft_serverpb::Normal);
  EXPECT_TRUE(kv->get(Cf::kRaft, replica::apply_state_key(RegionId(2)))->has_value());
}

// Jobs run where they are posted.
class InlineExecutor final : public runtime::Executor {
 public:
  void post(runtime::Job job) override { job(); }
  runtime::TimerId after(Duration, runtime::Job) override { return {}; }
  void cancel(runtime::TimerId) override {}
  bool is_current() const override { return true; }
  size_t backlog() const override { return 0; }
};

// Two appliers: the child's peer is told to go while the batch with the split is being written.
TEST(Applier, APeerWithoutDataThatASplitIsMakingAnewLeavesNoTombstone) {
  runtime::SimLoop loop(1);
  runtime::SimClock clock(loop);
  Births births;
  auto disk = std::make_shared<engine::MemoryDisk>();
  auto kv = engine::open_memory_kv(disk);
  std::vector<replica::ApplyReport> reports;
  const auto report = [&](std::vector<replica::ApplyReport> more) {
    std::move(more.begin(), more.end(), std::back_inserter(reports));
  };
  const auto fail = [](const engine::Error& error) { FAIL() << error.message; };
  auto executor = std::make_shared<InlineExecutor>();
  Applier of_parent(executor, *kv, births, StoreId(1), rawkv::ApiVersion::kV1, clock, report, fail);
  Applier of_child(executor, *kv, births, StoreId(1), rawkv::ApiVersion::kV1, clock, report, fail);
  const metapb::Region region = region_of_one();
  of_parent.begin({RegionId(1), 1, PeerId(11), region, replica::kInitialApplyState});
  metapb::Region empty;
  empty.set_id(2);
  of_child.begin({RegionId(2), 2, PeerId(12), empty, {}});
  bool is_going = false;
  disk->set_pace([&](engine::DiskAccess access, uint64_t) {
    if (access != engine::DiskAccess::kKvWrite || std::exchange(is_going, true)) return;
    std::vector<replica::ApplyTask> tasks;
    tasks.push_back({RegionId(2), 2, replica::DestroyPeer{empty}});
    of_child.submit(std::move(tasks));
  });
  std::vector<replica::ApplyTask> tasks;
  tasks.push_back({RegionId(1), 1, replica::ApplyEntries{{split_of(region, "m")}}});
  of_parent.submit(std::move(tasks));
  ASSERT_TRUE(is_going);
  ASSERT_EQ(reports.size(), 1u) << "the child's peer lives on";
  EXPECT_TRUE(std::get<replica::SplitDone>(reports[0].entries.at(0).effect).created.at(0));
}

// What the later peer has voted would go with the end of the one that the split makes.
TEST(Applier, ASplitMakesNoPeerWhereALaterOneHasCome) {
  for (const uint64_t here : {12, 50}) {
    runtime::SimLoop loop(1);
    runtime::SimClock clock(loop);
    Births births;
    auto kv = engine::open_memory_kv(std::make_shared<engine::MemoryDisk>());
    std::vector<replica::ApplyReport> reports;
    Applier applier(
        std::make_shared<InlineExecutor>(), *kv, births, StoreId(1), rawkv::ApiVersion::kV1, clock,
        [&](std::vector<replica::ApplyReport> more) { reports = std::move(more); },
        [](const engine::Error& error) { FAIL() << error.message; });
    const metapb::Region region = region_of_one();
    applier.begin({RegionId(1), 1, PeerId(11), region, replica::kInitialApplyState});
    ASSERT_TRUE(births.make_empty(RegionId(2), PeerId(here)));
    std::vector<replica::ApplyTask> tasks;
    tasks.push_back({RegionId(1), 1, replica::ApplyEntries{{split_of(region, "m")}}});
    applier.submit(std::move(tasks));
    ASSERT_EQ(reports.size(), 1u);
    EXPECT_EQ(std::get<replica::SplitDone>(reports[0].entries.at(0).effect).created.at(0), here == 12);
    EXPECT_EQ(kv->get(Cf::kRaft, replica::region_state_key(RegionId(2)))->has_value(), here == 12);
  }
}

TEST(Births, NoPeerComesByAVoteWhileASplitMakesItsRegion) {
  Births births;
  const RegionId region(2);
  ASSERT_TRUE(births.begin(region, PeerId(12)));
  EXPECT_FALSE(births.make_empty(region, PeerId(50)));
  ASSERT_TRUE(births.confirm(region, Births::Look::kFree));
  EXPECT_FALSE(births.make_empty(region, PeerId(50)));
  births.end({region});
  EXPECT_TRUE(births.make_empty(region, PeerId(50))) << "the record in the engine tells";
  births.forget_empty(region);
  EXPECT_TRUE(births.begin(region, PeerId(12)));
}

}  // namespace
}  // namespace cairn::store
