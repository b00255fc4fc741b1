// What is RocksDB's own: locks, memory of a fresh store, the judgement of a log's tail.
#include "engine/rocks/rocks_engine.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <vector>

#include "engine/rocks/wal_tail.h"
#include "engine/testing/engine_worlds.h"
#include "runtime/threaded/thread_executor.h"

namespace cairn::engine {
namespace {

using testing::must;

TEST(RocksEngine, a_directory_that_is_open_already_is_locked) {
  testing::ScratchDirectory scratch;
  auto kv = must(open_rocks_kv(scratch.path() + "/kv"));
  auto log = must(open_rocks_raft_log(scratch.path() + "/log"));
  auto second = open_rocks_kv(scratch.path() + "/kv");
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, Error::Kind::kLocked) << second.error().message;
  auto second_log = open_rocks_raft_log(scratch.path() + "/log");
  ASSERT_FALSE(second_log.ok());
  EXPECT_EQ(second_log.error().kind, Error::Kind::kLocked) << second_log.error().message;
  kv.reset();
  EXPECT_TRUE(open_rocks_kv(scratch.path() + "/kv").ok());
}

TEST(RocksEngine, the_log_does_not_open_in_the_directory_of_the_ordered_store) {
  testing::ScratchDirectory scratch;
  must(open_rocks_kv(scratch.path() + "/kv")).reset();
  auto wrong = open_rocks_raft_log(scratch.path() + "/kv");
  ASSERT_FALSE(wrong.ok());
  EXPECT_EQ(wrong.error().kind, Error::Kind::kInvalid) << wrong.error().message;
}

[[maybe_unused]] uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

TEST(RocksEngine, a_fresh_store_uses_little_memory) {
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "sanitizers have memory of their own";
#else
  testing::ScratchDirectory scratch;
  uint64_t before = resident_bytes();
  auto kv = must(open_rocks_kv(scratch.path() + "/kv"));
  auto log = must(open_rocks_raft_log(scratch.path() + "/log"));
  auto batch = kv->new_batch();
  for (Cf cf : {Cf::kDefault, Cf::kLock, Cf::kWrite, Cf::kRaft}) batch->put(cf, "zkey-of-some-length", "value");
  must(kv->write(*batch));
  uint64_t grown = resident_bytes() - before;
  RecordProperty("grown_kib", static_cast<int>(grown >> 10));
  EXPECT_LT(grown, uint64_t{50} << 20);
#endif
}

TEST(RocksEngine, an_older_log_that_lost_its_end_is_refused) {
  testing::ScratchDirectory scratch;
  std::string path = scratch.path() + "/log", copy = scratch.path() + "/copy";
  RocksRaftLogOptions options{.write_buffer_bytes = 256 << 10};
  auto log = must(open_rocks_raft_log(path, options));
  for (uint64_t i = 1; i <= 12; ++i) {
    auto batch = log->new_batch();
    batch->put_entry(RegionId(1), LogIndex(i), Bytes(30'000, 'e'));
    must(log->write(*batch, Sync::kYes));
  }
  std::filesystem::copy(path, copy, std::filesystem::copy_options::recursive);
  std::vector<std::string> logs;
  for (const auto& file : std::filesystem::directory_iterator(copy)) {
    if (file.path().extension() == ".log") logs.push_back(file.path().string());
  }
  std::sort(logs.begin(), logs.end());
  ASSERT_GE(logs.size(), 2u) << "the test needs a log that was followed by another";
  std::filesystem::resize_file(logs.front(), std::filesystem::file_size(logs.front()) - 40'000);
  auto opened = open_rocks_raft_log(copy, options);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.error().kind, Error::Kind::kCorruption) << opened.error().message;
}

TEST(RocksEngine, a_cleared_range_gives_its_space_back_at_once_unless_an_older_view_is_open) {
  testing::ScratchDirectory scratch;
  auto kv = must(open_rocks_kv(scratch.path() + "/kv"));
  std::atomic<bool> canceled{false};
  runtime::Random dice(1);
  auto batch = kv->new_batch();
  for (int i = 1000; i < 2000; ++i) {
    Bytes noise;
    while (noise.size() < 1000) noise += std::to_string(dice.next());
    batch->put(Cf::kDefault, "zk" + std::to_string(i), noise);
  }
  must(kv->write(*batch));
  must(kv->flush());
  must(kv->compact(Cf::kDefault, "", "", canceled));
  const uint64_t full = kv->space().used;
  auto view = kv->snapshot();
  must(kv->clear_range("z", "{"));
  EXPECT_GE(kv->space().used, full);
  view.reset();
  must(kv->clear_range("z", "{"));
  EXPECT_LT(kv->space().used, full / 2);
}

// Compactions move tombstones about meanwhile. Nothing of a cleared range may come back, and no file stays on its way.
TEST(RocksEngine, ranges_cleared_one_after_the_other_stay_empty_while_compactions_run) {
  testing::ScratchDirectory scratch;
  auto kv = must(open_rocks_kv(scratch.path() + "/kv"));
  std::atomic<bool> canceled{false};
  const auto name = [](int i) { return fmt::format("zk{:05}", i); };
  std::atomic<bool> is_over{false};
  runtime::ThreadExecutor compacting("compacting");
  compacting.post([&] {
    while (!is_over) {
      for (Cf cf : kDataCfs) must(kv->compact(cf, "", "", canceled));
    }
  });
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 2000; ++i) {
      auto batch = kv->new_batch();
      for (Cf cf : kDataCfs) batch->put(cf, name(i), fmt::format("{}", round));
      must(kv->write(*batch));
      if (i % 500 == 499) must(kv->flush());
    }
    for (int i = 0; i < 2000; i += 100) must(kv->clear_range(name(i), name(i + 90)));
    auto view = kv->snapshot();
    for (Cf cf : kDataCfs) {
      int found = 0;
      auto it = view->iterator(cf, {});
      for (it->seek_to_first(); it->valid(); it->next(), ++found) {
        ASSERT_GE(std::stoi(Bytes(it->key().substr(2))) % 100, 90);
      }
      EXPECT_EQ(found, 200);
    }
  }
  is_over = true;
  compacting.stop();
  EXPECT_TRUE(must(kv->files().list("tombstones")).empty());
}

// Files that are not open, of several levels, with tombstones of ranges across their bounds: whatever part of them is
// cached, a read of the cache alone is right or says that it is not enough.
TEST(RocksEngine, a_read_of_the_cache_alone_is_never_silently_short) {
  testing::ScratchDirectory scratch;
  RocksKvOptions options{.block_cache_bytes = 256 << 10, .max_open_files = 60};
  const auto name = [](int64_t i) { return fmt::format("zk{:04}-{:08}", i / 10, i % 10); };  // key and timestamp
  constexpr int64_t kFiles = 40, kOfAFile = 105, kKeys = kFiles * kOfAFile;
  runtime::Random dice(3);
  const auto key = [&] { return static_cast<int64_t>(dice.below(kKeys)); };
  auto kv = must(open_rocks_kv(scratch.path() + "/kv", options));
  std::vector<std::string> paths;
  for (int64_t file = 0; file < kFiles; ++file) {
    auto writer = must(kv->new_sst(Cf::kWrite, fmt::format("{}.sst", file)));
    for (int64_t i = 0; i < kOfAFile; ++i) must(writer->put(name(file * kOfAFile + i), Bytes(400, 'v')));
    paths.push_back(must(writer->finish()).path);
  }
  must(kv->ingest(Cf::kWrite, paths));
  const auto change = [&](const char* value) {
    auto batch = kv->new_batch();
    for (int i = 0; i < 20; ++i) batch->put(Cf::kWrite, name(key()), value);
    for (int i = 0; i < 20; ++i) batch->del(Cf::kWrite, name(key()));
    const int64_t from = key() / 10 * 10;
    batch->delete_range(Cf::kWrite, name(from), name(from + 20));
    must(kv->write(*batch));
  };
  for (int round = 0; round < 4; ++round) {
    change("flushed");
    must(kv->flush());
  }
  kv.reset();
  kv = must(open_rocks_kv(scratch.path() + "/kv", options));
  change("in memory");
  const auto snapshot = kv->snapshot();
  std::map<Bytes, Bytes> model;
  const auto all = snapshot->iterator(Cf::kWrite, {.fill_cache = false});
  for (all->seek_to_first(); all->valid(); all->next()) model.emplace(all->key(), all->value());
  must(all->status());

  int right = 0, cold = 0;
  for (int round = 0; round < 4000; ++round) {
    for (uint64_t i = dice.below(3) * 8; i > 0; --i) must(snapshot->get(Cf::kWrite, name(key())));
    const Bytes sought = name(key());
    auto got = snapshot->get(Cf::kWrite, sought, ReadTier::kCache);
    const auto in_model = model.find(sought);
    if (!got.ok()) {
      ASSERT_EQ(got.error().kind, Error::Kind::kNotCached);
    } else {
      ASSERT_EQ(*got, in_model == model.end() ? std::nullopt : std::optional(in_model->second)) << sought;
    }
    IterOptions bounds;
    bounds.tier = ReadTier::kCache;
    bounds.prefix_same_as_start = dice.chance(0.5);
    const auto it = snapshot->iterator(Cf::kWrite, bounds);
    it->seek(sought);
    auto want = model.lower_bound(sought);
    for (int step = 0; step < 20; ++step, it->next(), ++want) {
      const bool is_end =
          want == model.end() || (bounds.prefix_same_as_start && want->first.substr(0, 7) != sought.substr(0, 7));
      if (!it->valid()) {
        if (it->status().ok()) {
          ASSERT_TRUE(is_end) << "from " << sought << ": " << want->first << " is passed over";
        } else {
          ASSERT_EQ(it->status().error().kind, Error::Kind::kNotCached);
          ++cold;
        }
        break;
      }
      ASSERT_FALSE(is_end) << it->key();
      ASSERT_EQ(it->key(), want->first) << "from " << sought;
      ASSERT_EQ(it->value(), want->second);
      ++right;
    }
  }
  EXPECT_GT(right, 1000);
  EXPECT_GT(cold, 100);
}

// A start opens the files of a level only up to a number; a lookup in others must not take them for empty.
TEST(RocksEngine, what_lies_in_files_that_are_not_open_is_not_taken_for_an_empty_value) {
  testing::ScratchDirectory scratch;
  constexpr int kFiles = 40;
  {
    auto kv = must(open_rocks_kv(scratch.path() + "/kv"));
    std::vector<std::string> paths;
    for (int i = 100; i < 100 + kFiles; ++i) {
      auto writer = must(kv->new_sst(Cf::kDefault, fmt::format("{}.sst", i)));
      must(writer->put(fmt::format("zk{}a", i), "value"));
      must(writer->put(fmt::format("zk{}z", i), "value"));
      paths.push_back(must(writer->finish()).path);
    }
    must(kv->ingest(Cf::kDefault, paths));
  }
  const auto kv = must(open_rocks_kv(scratch.path() + "/kv"));
  const auto snapshot = kv->snapshot();
  for (const char* which : {"a", "m", "z"}) {
    for (int i = 100; i < 100 + kFiles; ++i) {
      const auto got = snapshot->get(Cf::kDefault, fmt::format("zk{}{}", i, which), ReadTier::kCache);
      if (got.ok()) {
        EXPECT_EQ(*got, *which == 'm' ? std::nullopt : std::optional<Bytes>("value")) << i << which;
      } else {
        EXPECT_EQ(got.error().kind, Error::Kind::kNotCached);
      }
    }
  }
}

// Sixty files of a level, few of which may be open at a time, and what is in memory beside them; two of the files go.
class FilesThatCannotBeRead : public ::testing::Test {
 protected:
  static constexpr int kFiles = 60, kGone = 30;  // and the next
  static std::string name(int i, char which) { return fmt::format("zk{:02}{}", i, which); }

  void SetUp() override {
    kv_ = must(open_rocks_kv(folder(), options_));
    std::vector<std::string> paths;
    for (int i = 0; i < kFiles; ++i) {
      auto writer = must(kv_->new_sst(Cf::kDefault, fmt::format("{}.sst", i)));
      must(writer->put(name(i, 'a'), "value"));
      must(writer->put(name(i, 'z'), "value"));
      paths.push_back(must(writer->finish()).path);
    }
    must(kv_->ingest(Cf::kDefault, paths));
    auto batch = kv_->new_batch();
    for (int i = 0; i < kFiles; ++i) batch->put(Cf::kDefault, name(i, 'm'), "value");
    must(kv_->write(*batch));
    must(kv_->flush());
    reopen();
    for (int i = kGone; i < kGone + 2; ++i) {
      for (const auto& entry : std::filesystem::directory_iterator(folder())) {
        std::ifstream in(entry.path(), std::ios::binary);
        const std::string bytes{std::istreambuf_iterator<char>(in), {}};
        if (entry.path().extension() == ".sst" && bytes.find(name(i, 'a')) != std::string::npos) {
          gone_.push_back(entry.path());
        }
      }
    }
    ASSERT_EQ(gone_.size(), 2u);
    for (const auto& path : gone_) std::filesystem::rename(path, path + ".away");
  }
  std::string folder() const { return scratch_.path() + "/kv"; }
  void reopen() {
    kv_.reset();
    kv_ = must(open_rocks_kv(folder(), options_));
  }

  testing::ScratchDirectory scratch_;
  const RocksKvOptions options_{.max_open_files = 30};
  std::unique_ptr<KvEngine> kv_;
  std::vector<std::string> gone_;
};

TEST_F(FilesThatCannotBeRead, whoever_passes_them_is_told) {
  const auto snapshot = kv_->snapshot();
  const auto it = snapshot->iterator(Cf::kDefault, {});
  int seen = 0;
  for (it->seek_to_first(); it->valid(); it->next()) ++seen;
  EXPECT_LE(seen, 3 * kGone) << "a file is passed over";
  ASSERT_FALSE(it->status().ok());
  EXPECT_EQ(it->status().error().kind, Error::Kind::kIo);
  seen = 0;
  for (it->seek_to_last(); it->valid(); it->prev()) ++seen;
  EXPECT_LE(seen, 3 * (kFiles - kGone - 2));
  EXPECT_FALSE(it->status().ok());
  EXPECT_FALSE(snapshot->get(Cf::kDefault, name(kGone, 'a')).ok());
  EXPECT_FALSE(snapshot->get(Cf::kDefault, name(kGone, 'b')).ok());
  EXPECT_TRUE(snapshot->get(Cf::kDefault, name(kGone - 1, 'a')).ok());
}

TEST_F(FilesThatCannotBeRead, a_compaction_does_not_drop_what_it_cannot_read) {
  std::atomic<bool> canceled{false};
  EXPECT_FALSE(kv_->compact(Cf::kDefault, "", "", canceled).ok());
  for (const auto& path : gone_) std::filesystem::rename(path + ".away", path);
  reopen();
  const auto it = kv_->snapshot()->iterator(Cf::kDefault, {});
  int seen = 0;
  for (it->seek_to_first(); it->valid(); it->next()) ++seen;
  must(it->status());
  EXPECT_EQ(seen, 3 * kFiles);
}

TEST(WalTail, an_empty_log_and_a_log_of_zeros_hold_nothing_and_are_whole_or_unwritten) {
  EXPECT_EQ(rocks::examine_wal("").kind, rocks::WalTail::Kind::kWhole);
  EXPECT_EQ(rocks::examine_wal(Bytes(4096, '\0')).kind, rocks::WalTail::Kind::kUnwritten);
  EXPECT_EQ(rocks::examine_wal("abc").kind, rocks::WalTail::Kind::kShort);
}

}  // namespace
}  // namespace cairn::engine
