// What a disk in memory loses at a crash, and how it fails; and the region store over it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "engine/memory/local_region_store.h"
#include "engine/testing/engine_worlds.h"
#include "runtime/task.h"

namespace cairn::engine {
namespace {

using ::testing::ElementsAre;
using testing::must;

uint64_t put(KvEngine& kv, ByteView key, ByteView value) {
  auto batch = kv.new_batch();
  batch->put(Cf::kDefault, key, value);
  return must(kv.write(*batch));
}

TEST(MemoryDisk, a_crash_can_end_at_every_batch_since_the_last_flush_and_at_no_earlier_one) {
  std::set<Bytes> survivors;
  runtime::Random dice(3);
  for (int world = 0; world < 200; ++world) {
    auto disk = std::make_shared<MemoryDisk>();
    auto kv = open_memory_kv(disk);
    for (int i = 1; i <= 3; ++i) put(*kv, "n", std::to_string(i));
    must(kv->flush());
    for (int i = 4; i <= 6; ++i) put(*kv, "n", std::to_string(i));
    kv.reset();
    disk->crash(dice);
    kv = open_memory_kv(disk);
    survivors.insert(must(kv->get(Cf::kDefault, "n")).value());
  }
  EXPECT_THAT(survivors, ElementsAre("3", "4", "5", "6"));
}

TEST(MemoryDisk, the_end_of_a_process_keeps_the_log_that_the_end_of_a_machine_may_lose) {
  std::set<std::string> after_process, after_machine;
  runtime::Random dice(4);
  for (int world = 0; world < 100; ++world) {
    for (CrashKind kind : {CrashKind::kProcess, CrashKind::kMachine}) {
      auto disk = std::make_shared<MemoryDisk>();
      auto log = open_memory_raft_log(disk);
      auto batch = log->new_batch();
      batch->put_state(RegionId(1), "synced");
      must(log->write(*batch, Sync::kYes));
      batch->clear();
      batch->put_state(RegionId(1), "unsynced");
      must(log->write(*batch, Sync::kNo));
      disk->crash(dice, kind);
      log = open_memory_raft_log(disk);
      (kind == CrashKind::kProcess ? after_process : after_machine).insert(must(log->state(RegionId(1))).value());
    }
  }
  EXPECT_THAT(after_process, ElementsAre("unsynced"));
  EXPECT_THAT(after_machine, ElementsAre("synced", "unsynced"));
}

TEST(MemoryDisk, what_a_log_finds_when_it_is_opened_is_durable) {
  runtime::Random dice(4);
  for (int world = 0; world < 20; ++world) {
    auto disk = std::make_shared<MemoryDisk>();
    auto log = open_memory_raft_log(disk);
    auto batch = log->new_batch();
    batch->put_state(RegionId(1), "unsynced");
    must(log->write(*batch, Sync::kNo));
    disk->crash(dice, CrashKind::kProcess);
    log = open_memory_raft_log(disk);
    disk->crash(dice, CrashKind::kMachine);
    log = open_memory_raft_log(disk);
    EXPECT_EQ(must(log->state(RegionId(1))), "unsynced");
  }
}

TEST(MemoryDisk, what_a_sync_waits_for_is_written_but_not_durable) {
  auto disk = std::make_shared<MemoryDisk>();
  std::vector<std::pair<DiskAccess, uint64_t>> seen;  // and the batches that a crash would lose
  disk->set_pace(
      [&, d = disk.get()](DiskAccess access, uint64_t) { seen.emplace_back(access, d->stats().log_unsynced_batches); });
  auto log = open_memory_raft_log(disk);
  auto batch = log->new_batch();
  batch->put_state(RegionId(1), "state");
  must(log->write(*batch, Sync::kYes));
  EXPECT_THAT(seen,
              ElementsAre(std::pair(DiskAccess::kLogWrite, uint64_t{0}), std::pair(DiskAccess::kLogSync, uint64_t{1})));
  EXPECT_EQ(disk->stats().log_unsynced_batches, 0U);
}

TEST(MemoryDisk, an_engine_of_before_the_crash_is_dead_and_harms_nothing) {
  auto disk = std::make_shared<MemoryDisk>();
  auto before = open_memory_kv(disk);
  put(*before, "a", "1");
  must(before->flush());
  runtime::Random dice(5);
  disk->crash(dice);
  auto after = open_memory_kv(disk);
  auto batch = before->new_batch();
  batch->put(Cf::kDefault, "a", "2");
  EXPECT_EQ(before->write(*batch).error().kind, Error::Kind::kIo);
  EXPECT_FALSE(before->flush().ok());
  EXPECT_FALSE(before->files().create("x").ok());
  before.reset();
  EXPECT_EQ(must(after->get(Cf::kDefault, "a")), "1");
}

TEST(MemoryDisk, a_file_that_was_not_synced_may_be_lost_or_cut_and_a_synced_one_is_whole) {
  runtime::Random dice(6);
  std::set<size_t> sizes;
  for (int world = 0; world < 50; ++world) {
    auto disk = std::make_shared<MemoryDisk>();
    auto kv = open_memory_kv(disk);
    auto synced = must(kv->files().create("synced"));
    must(synced->append("whole"));
    must(synced->sync_and_close());
    auto open = must(kv->files().create("open"));
    must(open->append("abc"));
    disk->crash(dice);
    kv = open_memory_kv(disk);
    EXPECT_EQ(must(kv->files().read("synced", 0, 10)), "whole");
    auto size = kv->files().size("open");
    sizes.insert(size.ok() ? *size : 99);
  }
  EXPECT_THAT(sizes, ElementsAre(0, 1, 2, 3, 99));
}

TEST(MemoryDisk, a_removed_file_may_come_back_after_a_power_cut_and_only_then) {
  runtime::Random dice(7);
  for (CrashKind kind : {CrashKind::kProcess, CrashKind::kMachine}) {
    std::set<bool> outcomes;
    for (int world = 0; world < 40; ++world) {
      auto disk = std::make_shared<MemoryDisk>();
      auto kv = open_memory_kv(disk);
      auto file = must(kv->files().create("a/b"));
      must(file->append("whole"));
      must(file->sync_and_close());
      must(kv->files().remove_tree("a"));
      EXPECT_FALSE(kv->files().size("a/b").ok());
      disk->crash(dice, kind);
      kv = open_memory_kv(disk);
      outcomes.insert(kv->files().size("a/b").ok());
    }
    EXPECT_EQ(outcomes.size(), kind == CrashKind::kProcess ? 1u : 2u);
  }
}

TEST(MemoryDisk, a_full_a_failing_and_a_hooked_disk_refuse_as_they_should) {
  auto disk = std::make_shared<MemoryDisk>();
  auto kv = open_memory_kv(disk);
  put(*kv, "a", "1");
  auto batch = kv->new_batch();
  batch->put(Cf::kDefault, "a", "2");
  disk->set_health(MemoryDisk::Health::kFull);
  EXPECT_EQ(kv->write(*batch).error().kind, Error::Kind::kNoSpace);
  EXPECT_EQ(kv->space().available, 0u);
  disk->set_health(MemoryDisk::Health::kFailing);
  EXPECT_EQ(kv->write(*batch).error().kind, Error::Kind::kIo);
  EXPECT_EQ(kv->flush().error().kind, Error::Kind::kIo);
  EXPECT_EQ(must(kv->get(Cf::kDefault, "a")), "1");
  disk->set_health(MemoryDisk::Health::kGood);
  int writes = 0;
  disk->set_hook([&](DiskAccess access, uint64_t) -> std::optional<Error> {
    if (access == DiskAccess::kKvWrite && ++writes == 2) return Error{Error::Kind::kIo, "the second"};
    return std::nullopt;
  });
  must(kv->write(*batch));
  EXPECT_EQ(kv->write(*batch).error().message, "the second");
  must(kv->write(*batch));
  EXPECT_EQ(disk->stats().kv_writes, 3u);
}

TEST(MemoryDisk, a_flush_begins_by_itself_when_much_is_unflushed) {
  auto disk = std::make_shared<MemoryDisk>(MemoryDiskOptions{.flush_bytes = 1000, .flush_lag = 2});
  auto kv = open_memory_kv(disk);
  for (int i = 0; i < 30; ++i) put(*kv, "k" + std::to_string(i), Bytes(100, 'v'));
  EXPECT_GT(disk->stats().kv_flushes, 0u);
  EXPECT_LT(disk->stats().kv_unflushed_bytes, 2000u);
}

// Snapshot and write end at once here, so nothing is ever posted.
class NoExecutor final : public runtime::Executor {
 public:
  void post(runtime::Job) override { FAIL() << "nothing waits here"; }
  runtime::TimerId after(Duration, runtime::Job) override { return {}; }
  void cancel(runtime::TimerId) override {}
  bool is_current() const override { return true; }
  size_t backlog() const override { return 0; }
};

TEST(LocalRegionStore, writes_lie_under_the_data_prefix_and_are_seen_as_engine_keys_within_the_bounds) {
  std::shared_ptr<KvEngine> kv = open_memory_kv(std::make_shared<MemoryDisk>());
  NoExecutor executor;
  RegionDescription region = LocalRegionStore::whole_key_space();
  region.start_key = "b";
  region.end_key = "d";
  put(*kv, "za", "outside");
  put(*kv, "zd", "outside");
  LocalRegionStore store(kv, executor, region);
  auto written = store.write_now({{Modify::put(Cf::kDefault, "b", "1"), Modify::put(Cf::kDefault, "c", "2")}});
  ASSERT_TRUE(written.ok());
  EXPECT_EQ(must(kv->get(Cf::kDefault, "zc")), "2");
  auto snapshot = store.snapshot_now();
  EXPECT_EQ(must(snapshot->get(Cf::kDefault, "b")), "1");
  std::vector<Bytes> keys;
  auto it = snapshot->iterator(Cf::kDefault, {});
  for (it->seek_to_first(); it->valid(); it->next()) keys.emplace_back(it->key());
  EXPECT_THAT(keys, ElementsAre("b", "c"));
  auto refused = store.write_now({{Modify::put(Cf::kDefault, "d", "3")}});
  ASSERT_FALSE(refused.ok());
  EXPECT_TRUE(std::holds_alternative<KeyNotInRegion>(refused.error()));
}

// NOLINTNEXTLINE(*-coroutine-parameters): nothing in it waits
runtime::Task<> ask(LocalRegionStore& store, RegionRequest request, std::optional<size_t>& alternative) {
  auto result = co_await store.snapshot(request);
  if (!result.ok()) alternative = result.error().index();
}

TEST(LocalRegionStore, requests_for_another_region_epoch_or_store_are_refused) {
  std::shared_ptr<KvEngine> kv = open_memory_kv(std::make_shared<MemoryDisk>());
  NoExecutor executor;
  LocalRegionStore store(kv, executor);
  auto refusal = [&](auto change) {
    RegionRequest request = store.request();
    change(request);
    std::optional<size_t> alternative;
    runtime::spawn_inline(ask(store, request, alternative));
    return alternative;
  };
  EXPECT_EQ(refusal([](RegionRequest&) {}), std::nullopt);
  EXPECT_EQ(refusal([](RegionRequest& r) { r.region = RegionId(2); }), RegionError(RegionNotFound{}).index());
  EXPECT_EQ(refusal([](RegionRequest& r) { r.epoch.version = 9; }), RegionError(EpochNotMatch{}).index());
  EXPECT_EQ(refusal([](RegionRequest& r) { r.store = StoreId(9); }), RegionError(StoreNotMatch{}).index());
  EXPECT_EQ(refusal([](RegionRequest& r) { r.peer = PeerId(9); }), RegionError(MismatchPeerId{}).index());
}

}  // namespace
}  // namespace cairn::engine
