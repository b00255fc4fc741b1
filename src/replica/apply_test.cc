#include "replica/apply.h"

#include <gtest/gtest.h>

#include "engine/memory/memory_engine.h"
#include "replica/command.h"
#include "replica/keys.h"
#include "replica/snapshot_files.h"

namespace cairn::replica {
namespace {

using engine::Cf;
using engine::Modify;

class Apply : public testing::Test {
 protected:
  Apply() : kv_(engine::open_memory_kv(disk_)), machine_(make()) {}

  static metapb::Region first() {
    metapb::Region region;
    region.set_id(1);
    region.set_start_key("b");
    region.set_end_key("y");
    region.mutable_region_epoch()->set_conf_ver(1);
    region.mutable_region_epoch()->set_version(1);
    for (uint64_t id : {11, 12}) {
      auto& peer = *region.add_peers();
      peer.set_id(id);
      peer.set_store_id(id + 100);
    }
    return region;
  }
  ApplyMachine make() {
    return ApplyMachine({StoreId(111), PeerId(11)}, first(), kInitialApplyState,
                        [this](const metapb::Region&, PeerId) { return may_create_; });
  }
  AppliedEntry apply(Bytes data, raft::EntryType type = raft::EntryType::kNormal, Bytes context = {}) {
    raft::Entry entry;
    entry.type = type;
    entry.term = Term(6);
    entry.index = machine_.applied().next();
    entry.data = SharedBytes(std::move(data));
    entry.context = std::move(context);
    auto batch = kv_->new_batch();
    auto applied = machine_.apply(entry, *batch);
    machine_.write_state(*batch);
    EXPECT_TRUE(kv_->write(*batch).ok());
    return applied;
  }
  AppliedEntry write(std::vector<Modify> changes, metapb::Region as = first()) {
    return apply(serialize(make_write(as, as.peers(0), Term(6), {std::move(changes), false})));
  }
  AppliedEntry admin(raft_cmdpb::AdminRequest request) {
    return apply(serialize(make_admin(machine_.region(), machine_.region().peers(0), Term(6), std::move(request))));
  }
  std::optional<Bytes> get(Cf cf, const Bytes& key) { return *kv_->get(cf, data_key(key)); }

  std::shared_ptr<engine::MemoryDisk> disk_ = std::make_shared<engine::MemoryDisk>();
  std::unique_ptr<engine::KvEngine> kv_;
  bool may_create_ = true;
  ApplyMachine machine_;
};

TEST_F(Apply, WritesGoToTheirFamiliesTogetherWithTheAppliedIndex) {
  auto applied =
      write({Modify::put(Cf::kDefault, "c", "1"), Modify::put(Cf::kLock, "d", "2"), Modify::put(Cf::kWrite, "e", "3")});
  EXPECT_FALSE(applied.error);
  EXPECT_EQ(get(Cf::kDefault, "c"), "1");
  EXPECT_EQ(get(Cf::kLock, "d"), "2");
  EXPECT_EQ(get(Cf::kWrite, "e"), "3");
  auto state = decode_apply_state(**kv_->get(Cf::kRaft, apply_state_key(RegionId(1))));
  EXPECT_EQ(state->applied, LogIndex(6));
  EXPECT_EQ(state->applied_term, Term(6));
  write({Modify::del(Cf::kLock, "d"), Modify::delete_range(Cf::kDefault, "b", "y")});
  EXPECT_EQ(get(Cf::kLock, "d"), std::nullopt);
  EXPECT_EQ(get(Cf::kDefault, "c"), std::nullopt);
}

TEST_F(Apply, ACommandOfAnOlderVersionChangesNothing) {
  auto old = first();
  old.mutable_region_epoch()->set_version(0);
  auto applied = write({Modify::put(Cf::kDefault, "c", "1")}, old);
  ASSERT_TRUE(applied.error);
  EXPECT_TRUE(std::holds_alternative<engine::EpochNotMatch>(*applied.error));
  EXPECT_EQ(get(Cf::kDefault, "c"), std::nullopt);
  EXPECT_EQ(machine_.applied(), LogIndex(6));
}

TEST_F(Apply, AKeyOutsideTheRegionUndoesTheWholeCommand) {
  auto applied = write({Modify::put(Cf::kDefault, "c", "1"), Modify::put(Cf::kDefault, "z", "1")});
  ASSERT_TRUE(applied.error);
  EXPECT_TRUE(std::holds_alternative<engine::KeyNotInRegion>(*applied.error));
  EXPECT_EQ(get(Cf::kDefault, "c"), std::nullopt);
}

TEST_F(Apply, ACompactedLogIsRememberedInTheState) {
  write({Modify::put(Cf::kDefault, "c", "1")});
  raft_cmdpb::AdminRequest request;
  request.set_cmd_type(raft_cmdpb::CompactLog);
  request.mutable_compact_log()->set_compact_index(6);
  request.mutable_compact_log()->set_compact_term(6);
  auto applied = admin(request);
  auto* effect = std::get_if<LogTruncated>(&applied.effect);
  ASSERT_NE(effect, nullptr);
  EXPECT_EQ(effect->index, LogIndex(6));
  EXPECT_EQ(machine_.state().truncated, LogIndex(6));
  EXPECT_TRUE(std::holds_alternative<std::monostate>(admin(request).effect));
}

TEST_F(Apply, ASplitMakesChildrenWithFreshStateAndShrinksTheRegion) {
  raft_cmdpb::AdminRequest request;
  request.set_cmd_type(raft_cmdpb::BatchSplit);
  request.mutable_splits()->set_right_derive(true);
  auto& part = *request.mutable_splits()->add_requests();
  part.set_split_key("m");
  part.set_new_region_id(2);
  part.add_new_peer_ids(21);
  part.add_new_peer_ids(22);
  auto applied = admin(request);
  ASSERT_FALSE(applied.error);
  ASSERT_NE(std::get_if<SplitDone>(&applied.effect), nullptr);
  EXPECT_EQ(machine_.region().start_key(), "m");
  EXPECT_EQ(machine_.region().region_epoch().version(), 2u);
  auto child = decode_region_state(**kv_->get(Cf::kRaft, region_state_key(RegionId(2))));
  EXPECT_EQ(child->region().end_key(), "m");
  EXPECT_EQ(child->region().peers(0).id(), 21u);
  EXPECT_EQ(decode_apply_state(**kv_->get(Cf::kRaft, apply_state_key(RegionId(2)))), kInitialApplyState);
  auto late = write({Modify::put(Cf::kDefault, "c", "1")});
  EXPECT_TRUE(late.error && std::holds_alternative<engine::EpochNotMatch>(*late.error));
}

TEST_F(Apply, AChildThatMayNotLiveHereLeavesNoRecord) {
  may_create_ = false;
  raft_cmdpb::AdminRequest request;
  request.set_cmd_type(raft_cmdpb::BatchSplit);
  request.mutable_splits()->set_right_derive(true);
  auto& part = *request.mutable_splits()->add_requests();
  part.set_split_key("m");
  part.set_new_region_id(2);
  part.add_new_peer_ids(21);
  part.add_new_peer_ids(22);
  auto applied = admin(request);
  EXPECT_FALSE(std::get<SplitDone>(applied.effect).created[0]);
  EXPECT_EQ(*kv_->get(Cf::kRaft, region_state_key(RegionId(2))), std::nullopt);
}

TEST_F(Apply, RemovingThisPeerWritesATombstone) {
  raft_cmdpb::AdminRequest request;
  request.set_cmd_type(raft_cmdpb::ChangePeer);
  request.mutable_change_peer()->set_change_type(eraftpb::RemoveNode);
  *request.mutable_change_peer()->mutable_peer() = machine_.region().peers(0);
  auto context = serialize(make_admin(machine_.region(), machine_.region().peers(1), Term(6), request));
  auto applied = apply("x", raft::EntryType::kConfChange, context);
  const auto& effect = std::get<ConfChanged>(applied.effect);
  EXPECT_TRUE(effect.removed_self);
  EXPECT_EQ(effect.region.region_epoch().conf_ver(), 2u);
  EXPECT_TRUE(machine_.is_removed());
  auto state = decode_region_state(**kv_->get(Cf::kRaft, region_state_key(RegionId(1))));
  EXPECT_EQ(state->state(), raft_serverpb::Tombstone);
}

TEST_F(Apply, ASnapshotOfARegionInstallsTheSameDataElsewhere) {
  auto batch = kv_->new_batch();
  write_region_state(*batch, first(), raft_serverpb::Normal);
  ASSERT_TRUE(kv_->write(*batch).ok());
  for (int i = 0; i < 200; ++i) write({Modify::put(Cf::kDefault, "c" + std::to_string(i), Bytes(50, 'v'))});
  write({Modify::put(Cf::kLock, "d", "lock"), Modify::put(Cf::kWrite, "e", "write")});
  MakeOptions options;
  options.region = RegionId(1);
  options.folder = "made/1";
  options.sst_bytes_max = 2000;  // several files
  auto made = make_snapshot(*kv_, options);
  ASSERT_TRUE(made.ok()) << made.error().message;
  EXPECT_EQ(made->snapshot.meta.index, machine_.applied());
  raft_serverpb::RaftSnapshotData data;
  ASSERT_TRUE(data.ParseFromString(Bytes(made->snapshot.data.view())));
  EXPECT_GT(made->files.size(), 3u);

  auto other_disk = std::make_shared<engine::MemoryDisk>();
  auto other = engine::open_memory_kv(other_disk);
  auto old = other->new_batch();
  old->put(Cf::kDefault, "zc_old", "old");
  old->put(Cf::kDefault, "zz_outside", "kept");
  ASSERT_TRUE(other->write(*old).ok());
  auto targets = files_of(data, "received/1");
  ASSERT_EQ(targets.size(), made->files.size());
  for (size_t i = 0; i < targets.size(); ++i) {
    auto writer = other->files().create(targets[i].path);
    ASSERT_TRUE((*writer)->append(*kv_->files().read(made->files[i].path, 0, made->files[i].bytes)).ok());
    ASSERT_TRUE((*writer)->sync_and_close().ok());
  }
  auto installed = install_snapshot(*other, data, machine_.state(), "received/1");
  ASSERT_TRUE(installed.ok()) << installed.error().message;
  EXPECT_EQ(*other->get(Cf::kDefault, "zc7"), Bytes(50, 'v'));
  EXPECT_EQ(*other->get(Cf::kDefault, "zc199"), Bytes(50, 'v'));
  EXPECT_EQ(*other->get(Cf::kLock, "zd"), "lock");
  EXPECT_EQ(*other->get(Cf::kWrite, "ze"), "write");
  EXPECT_EQ(*other->get(Cf::kDefault, "zc_old"), std::nullopt);
  EXPECT_EQ(*other->get(Cf::kDefault, "zz_outside"), "kept");
  EXPECT_EQ(decode_apply_state(**other->get(Cf::kRaft, apply_state_key(RegionId(1)))), machine_.state());
}

}  // namespace
}  // namespace cairn::replica
