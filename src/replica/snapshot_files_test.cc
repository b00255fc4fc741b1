// Installing a snapshot: what it replaces, and that a crash at any point leaves something that ends the same way.
#include "replica/snapshot_files.h"

#include <gtest/gtest.h>

#include <map>

#include "engine/memory/memory_engine.h"
#include "replica/apply.h"
#include "replica/keys.h"
#include "runtime/random.h"

namespace cairn::replica {
namespace {

using engine::Cf;
using engine::DiskAccess;

constexpr RegionId kRegion{1};
constexpr const char* kFolder = "snap/received/1";

metapb::Region region(const Bytes& start, const Bytes& end, uint64_t version) {
  metapb::Region out;
  out.set_id(kRegion.value);
  out.set_start_key(start);
  out.set_end_key(end);
  out.mutable_region_epoch()->set_conf_ver(1);
  out.mutable_region_epoch()->set_version(version);
  auto& peer = *out.add_peers();
  peer.set_id(11);
  peer.set_store_id(1);
  return out;
}

// A node that has the region as [b, y), and in a folder of its own a snapshot of it as [m, y).
class InstallSnapshotTest : public testing::Test {
 protected:
  void SetUp() override {
    source_ = engine::open_memory_kv(source_disk_);
    put(*source_, region("m", "y", 2), {LogIndex(50), Term(6), LogIndex(50), Term(6)}, "new", {"n", "p", "r"});
    auto made = make_snapshot(*source_, {.region = kRegion, .folder = "made", .sst_bytes_max = 10});
    ASSERT_TRUE(made.ok());
    ByteView bytes = made->snapshot.data.view();
    ASSERT_TRUE(data_.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
    made_ = made->files;
  }

  static void put(engine::KvEngine& kv, const metapb::Region& as, const ApplyState& state, const Bytes& value,
                  const std::vector<Bytes>& keys) {
    auto batch = kv.new_batch();
    write_region_state(*batch, as, raft_serverpb::Normal);
    write_apply_state(*batch, kRegion, state);
    for (const auto& key : keys) {
      for (Cf cf : engine::kDataCfs) batch->put(cf, data_key(key), value);
    }
    ASSERT_TRUE(kv.write(*batch).ok());
    ASSERT_TRUE(kv.flush().ok());
  }
  // A fresh disk with the old region, a neighbour's key and the received files.
  std::unique_ptr<engine::KvEngine> receive(const std::shared_ptr<engine::MemoryDisk>& disk) {
    auto kv = engine::open_memory_kv(disk);
    put(*kv, region("b", "y", 1), kInitialApplyState, "old", {"c", "n", "q"});
    auto batch = kv->new_batch();
    batch->put(Cf::kDefault, data_key("z"), "neighbour");
    EXPECT_TRUE(kv->write(*batch).ok() && kv->flush().ok());
    auto targets = files_of(data_, kFolder);
    for (size_t i = 0; i < made_.size(); ++i) {
      auto writer = kv->files().create(targets[i].path);
      EXPECT_TRUE((*writer)->append(*source_->files().read(made_[i].path, 0, 1 << 20)).ok());
      EXPECT_TRUE((*writer)->sync_and_close().ok());
    }
    return kv;
  }
  engine::Result<void> install(engine::KvEngine& kv) { return install_snapshot(kv, data_, state_, kFolder); }
  static std::map<Bytes, Bytes> all(const engine::Snapshot& snapshot, Cf cf) {
    std::map<Bytes, Bytes> out;
    auto it = snapshot.iterator(cf, {.lower = data_key({}), .upper = data_end_key({})});
    for (it->seek_to_first(); it->valid(); it->next()) out[Bytes(it->key().substr(1))] = it->value();
    return out;
  }
  static void expect_installed(engine::KvEngine& kv) {
    std::map<Bytes, Bytes> want{{"n", "new"}, {"p", "new"}, {"r", "new"}};
    EXPECT_EQ(all(*kv.snapshot(), Cf::kWrite), want);
    EXPECT_EQ(all(*kv.snapshot(), Cf::kLock), want);
    want["z"] = "neighbour";
    EXPECT_EQ(all(*kv.snapshot(), Cf::kDefault), want);
    auto record = decode_region_state(**kv.get(Cf::kRaft, region_state_key(kRegion)));
    EXPECT_EQ(record->state(), raft_serverpb::Normal);
    EXPECT_EQ(record->region().start_key(), "m");
    EXPECT_EQ(decode_apply_state(**kv.get(Cf::kRaft, apply_state_key(kRegion)))->applied, LogIndex(50));
    EXPECT_TRUE(kv.files().list(kFolder)->empty());
  }

  std::shared_ptr<engine::MemoryDisk> source_disk_ = std::make_shared<engine::MemoryDisk>();
  std::unique_ptr<engine::KvEngine> source_;
  raft_serverpb::RaftSnapshotData data_;
  std::vector<SnapshotFile> made_;
  const ApplyState state_{LogIndex(50), Term(6), LogIndex(50), Term(6)};
};

TEST_F(InstallSnapshotTest, ItReplacesTheOldRangeAlsoWhereItIsNarrowerAndNoOpenViewChanges) {
  auto disk = std::make_shared<engine::MemoryDisk>();
  auto kv = receive(disk);
  auto view = kv->snapshot();
  ASSERT_TRUE(install(*kv).ok());
  expect_installed(*kv);
  EXPECT_EQ(all(*view, Cf::kLock), (std::map<Bytes, Bytes>{{"c", "old"}, {"n", "old"}, {"q", "old"}}));
}

TEST_F(InstallSnapshotTest, ACrashAtAnyPointIsFollowedByTheSameEnd) {
  bool is_through = false;
  for (int limit = 1; !is_through; ++limit) {
    ASSERT_LT(limit, 200);
    for (uint64_t seed = 1; seed <= 6; ++seed) {
      SCOPED_TRACE(testing::Message() << "the power goes at access " << limit << ", dice " << seed);
      runtime::Random dice(seed);
      auto disk = std::make_shared<engine::MemoryDisk>();
      auto kv = receive(disk);
      int accesses = 0;
      disk->set_hook([&](DiskAccess, uint64_t) -> std::optional<engine::Error> {
        if (++accesses < limit) return std::nullopt;
        return engine::Error{engine::Error::Kind::kIo, "the power is gone"};
      });
      is_through = install(*kv).ok();
      disk->set_hook(nullptr);
      disk->crash(dice, seed % 2 == 0 ? engine::CrashKind::kMachine : engine::CrashKind::kProcess);
      kv = engine::open_memory_kv(disk);
      // What the store asks at its start (start.cc).
      auto applied = decode_apply_state(**kv->get(Cf::kRaft, apply_state_key(kRegion)));
      auto record = decode_region_state(**kv->get(Cf::kRaft, region_state_key(kRegion)));
      if (record->state() == raft_serverpb::Normal && applied->applied == LogIndex(50)) {
        static_cast<void>(kv->files().remove_tree(kFolder));
      } else {
        auto again = install(*kv);
        ASSERT_TRUE(again.ok()) << again.error().message;
      }
      expect_installed(*kv);
    }
  }
}

TEST_F(InstallSnapshotTest, AMissingFileIsAnErrorUnlessTheRecordSaysThatItMayBeConsumed) {
  for (const SnapshotFile& file : files_of(data_, kFolder)) {
    SCOPED_TRACE(file.path);
    auto disk = std::make_shared<engine::MemoryDisk>();
    auto kv = receive(disk);
    ASSERT_TRUE(kv->files().remove(file.path).ok());
    auto refused = install(*kv);
    ASSERT_FALSE(refused.ok());
    EXPECT_EQ(refused.error().kind, engine::Error::Kind::kCorruption);
    EXPECT_EQ(all(*kv->snapshot(), Cf::kWrite).at("q"), "old") << "nothing was touched";

    auto batch = kv->new_batch();
    write_region_state(*batch, data_.region(), raft_serverpb::Applying);
    ASSERT_TRUE(kv->write(*batch).ok());
    EXPECT_EQ(install(*kv).ok(), file.cf != Cf::kLock) << "locks are read from their file at the end";
  }
}

TEST_F(InstallSnapshotTest, TheMakingEndsSoonOnceItIsCanceled) {
  std::atomic<bool> canceled{true};
  auto made = make_snapshot(*source_, {.region = kRegion, .folder = "other", .is_canceled = &canceled});
  EXPECT_FALSE(made.ok());
}

}  // namespace
}  // namespace cairn::replica
