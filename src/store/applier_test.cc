// What the applier does with the work of several regions; here: a peer that leaves behind a split.
#include "store/applier.h"

#include <gtest/gtest.h>

#include "engine/memory/memory_engine.h"
#include "replica/command.h"
#include "replica/keys.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::store {
namespace {

using engine::Cf;

TEST(Applier, APeerThatLeavesTakesOnlyWhatASplitBeforeHasLeftIt) {
  runtime::SimLoop loop(1);
  runtime::SimClock clock(loop);
  runtime::SimExecutors executors(loop, clock, "node");
  auto kv = engine::open_memory_kv(std::make_shared<engine::MemoryDisk>());
  std::vector<replica::ApplyReport> reports;
  Applier applier(
      executors.make("apply"), *kv, StoreId(1), rawkv::ApiVersion::kV1, clock,
      [&](std::vector<replica::ApplyReport> more) { std::move(more.begin(), more.end(), std::back_inserter(reports)); },
      [](const engine::Error& error) { FAIL() << error.message; });

  metapb::Region region;
  region.set_id(1);
  region.mutable_region_epoch()->set_conf_ver(1);
  region.mutable_region_epoch()->set_version(1);
  auto& peer = *region.add_peers();
  peer.set_id(11);
  peer.set_store_id(1);
  auto batch = kv->new_batch();
  replica::write_region_state(*batch, region, raft_serverpb::Normal);
  for (const char* key : {"a", "x"}) batch->put(Cf::kDefault, replica::data_key(key), "value");
  ASSERT_TRUE(kv->write(*batch).ok());
  applier.begin({RegionId(1), 1, PeerId(11), region, replica::kInitialApplyState});

  raft_cmdpb::AdminRequest admin;
  admin.set_cmd_type(raft_cmdpb::BatchSplit);
  admin.mutable_splits()->set_right_derive(true);
  auto& part = *admin.mutable_splits()->add_requests();
  part.set_split_key("m");
  part.set_new_region_id(2);
  part.add_new_peer_ids(12);
  raft::Entry entry;
  entry.index = replica::kInitialIndex.next();
  entry.term = Term(6);
  entry.data = SharedBytes(replica::serialize(replica::make_admin(region, region.peers(0), Term(6), std::move(admin))));
  // The shard lets the peer go before it hears of the split: it names the region as it was.
  std::vector<replica::ApplyTask> tasks;
  tasks.push_back({RegionId(1), 1, replica::ApplyEntries{{std::move(entry)}}});
  tasks.push_back({RegionId(1), 1, replica::DestroyPeer{region}});
  applier.submit(std::move(tasks));
  ASSERT_TRUE(loop.run_until([&] { return reports.size() == 2; }, 1s));

  EXPECT_TRUE(std::holds_alternative<replica::SplitDone>(reports[0].entries.at(0).effect));
  EXPECT_TRUE(reports[1].destroyed);
  EXPECT_EQ(*kv->get(Cf::kDefault, replica::data_key("a")), Bytes("value")) << "the child's";
  EXPECT_EQ(*kv->get(Cf::kDefault, replica::data_key("x")), std::nullopt);
  auto record = [&](uint64_t id) {
    return *replica::decode_region_state(**kv->get(Cf::kRaft, replica::region_state_key(RegionId(id))));
  };
  EXPECT_EQ(record(2).state(), raft_serverpb::Normal);
  EXPECT_EQ(record(1).state(), raft_serverpb::Tombstone);
  EXPECT_EQ(record(1).region().start_key(), "m");
}

}  // namespace
}  // namespace cairn::store
