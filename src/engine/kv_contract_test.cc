// The contract of the ordered store, on both twins.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <thread>

#include "base/codec.h"
#include "engine/testing/engine_worlds.h"

namespace cairn::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::must;

constexpr Cf kEveryCf[] = {Cf::kDefault, Cf::kLock, Cf::kWrite, Cf::kRaft};

class KvContract : public ::testing::TestWithParam<testing::Twin> {
 protected:
  void SetUp() override { world_.open_kv(); }
  KvEngine& kv() { return world_.kv(); }

  uint64_t put(Cf cf, ByteView key, ByteView value) {
    auto batch = kv().new_batch();
    batch->put(cf, key, value);
    return must(kv().write(*batch));
  }
  std::optional<Bytes> get(Cf cf, ByteView key) { return must(kv().get(cf, key)); }
  std::vector<Bytes> keys(const Snapshot& snapshot, Cf cf, IterOptions options = {}) {
    std::vector<Bytes> out;
    auto it = snapshot.iterator(cf, options);
    for (it->seek_to_first(); it->valid(); it->next()) out.emplace_back(it->key());
    must(it->status());
    return out;
  }
  std::vector<Bytes> keys(Cf cf, IterOptions options = {}) { return keys(*kv().snapshot(), cf, options); }

  testing::World world_{GetParam()};
};

TEST_P(KvContract, a_batch_changes_all_column_families_at_once_and_stays_as_it_was) {
  auto batch = kv().new_batch();
  EXPECT_TRUE(batch->empty());
  for (Cf cf : kEveryCf) batch->put(cf, "a", cf_name(cf));
  batch->put(Cf::kLock, "a", "newer");
  batch->del(Cf::kWrite, "a");
  EXPECT_EQ(batch->count(), 6u);
  uint64_t first = must(kv().write(*batch));
  EXPECT_EQ(get(Cf::kDefault, "a"), "default");
  EXPECT_EQ(get(Cf::kLock, "a"), "newer");
  EXPECT_EQ(get(Cf::kWrite, "a"), std::nullopt);
  EXPECT_EQ(get(Cf::kRaft, "a"), "raft");
  EXPECT_EQ(batch->count(), 6u);
  batch->put(Cf::kRaft, "b", "");
  EXPECT_GT(must(kv().write(*batch)), first);
  EXPECT_EQ(get(Cf::kRaft, "b"), "");
  batch->clear();
  EXPECT_TRUE(batch->empty());
}

TEST_P(KvContract, a_read_of_the_cache_alone_finds_what_is_in_memory_and_says_what_is_not) {
  put(Cf::kWrite, "cold-12345678", "on the disk");
  put(Cf::kLock, "cold", "likewise");
  must(kv().flush());
  world_.cool_down();
  put(Cf::kLock, "warm", "in memory");
  const auto snapshot = kv().snapshot();
  const auto is_not_cached = [](const auto& result) {
    return !result.ok() && result.error().kind == Error::Kind::kNotCached;
  };
  EXPECT_TRUE(is_not_cached(snapshot->get(Cf::kLock, "cold", ReadTier::kCache)));
  IterOptions options;
  options.tier = ReadTier::kCache;
  for (const bool by_prefix : {false, true}) {
    options.prefix_same_as_start = by_prefix;
    const auto it = snapshot->iterator(Cf::kWrite, options);
    it->seek("cold-12345678");
    EXPECT_FALSE(it->valid());
    EXPECT_TRUE(is_not_cached(it->status()));
  }
  // Whoever may read the disk sees all, and has it cached for the others.
  EXPECT_EQ(must(snapshot->get(Cf::kLock, "cold")), "likewise");
  EXPECT_THAT(keys(*snapshot, Cf::kWrite), ElementsAre("cold-12345678"));
  world_.warm_up();
  EXPECT_EQ(must(snapshot->get(Cf::kLock, "cold", ReadTier::kCache)), "likewise");
  EXPECT_EQ(must(snapshot->get(Cf::kLock, "warm", ReadTier::kCache)), "in memory");
  EXPECT_EQ(must(snapshot->get(Cf::kLock, "none", ReadTier::kCache)), std::nullopt);
  options.prefix_same_as_start = false;
  EXPECT_THAT(keys(*snapshot, Cf::kWrite, options), ElementsAre("cold-12345678"));
  EXPECT_THAT(keys(*snapshot, Cf::kLock, options), ElementsAre("cold", "warm"));
}

TEST_P(KvContract, an_iterator_of_the_cache_alone_stops_where_the_disk_begins) {
  constexpr int kKeys = 4000;  // of several blocks
  for (int i = 0; i < kKeys; ++i) put(Cf::kDefault, fmt::format("{:08}", i), Bytes(100, 'v'));
  must(kv().flush());
  world_.cool_down();
  const auto snapshot = kv().snapshot();
  must(snapshot->get(Cf::kDefault, "00000000"));
  world_.stay_warm_for(5);
  IterOptions options;
  options.tier = ReadTier::kCache;
  const auto it = snapshot->iterator(Cf::kDefault, options);
  int seen = 0;
  for (it->seek_to_first(); it->valid(); it->next()) EXPECT_EQ(it->key(), fmt::format("{:08}", seen++));
  EXPECT_GT(seen, 0);
  EXPECT_LT(seen, kKeys);
  ASSERT_FALSE(it->status().ok());
  EXPECT_EQ(it->status().error().kind, Error::Kind::kNotCached);
}

TEST_P(KvContract, a_save_point_takes_back_what_came_after_it) {
  auto batch = kv().new_batch();
  batch->put(Cf::kDefault, "a", "1");
  batch->set_save_point();
  batch->put(Cf::kDefault, "b", "1");
  batch->set_save_point();
  batch->del(Cf::kDefault, "a");
  batch->rollback_to_save_point();
  EXPECT_EQ(batch->count(), 2u);
  batch->set_save_point();
  batch->put(Cf::kDefault, "c", "1");
  batch->pop_save_point();
  must(kv().write(*batch));
  EXPECT_THAT(keys(Cf::kDefault), ElementsAre("a", "b", "c"));
  batch->rollback_to_save_point();
  EXPECT_EQ(batch->count(), 1u);
}

TEST_P(KvContract, a_snapshot_does_not_see_what_is_written_after_it) {
  put(Cf::kDefault, "a", "old");
  put(Cf::kDefault, "b", "old");
  auto snapshot = kv().snapshot();
  put(Cf::kDefault, "a", "new");
  auto batch = kv().new_batch();
  batch->delete_range(Cf::kDefault, "b", "z");
  batch->put(Cf::kDefault, "c", "new");
  must(kv().write(*batch));
  must(kv().flush());
  EXPECT_EQ(must(snapshot->get(Cf::kDefault, "a")), "old");
  EXPECT_THAT(keys(*snapshot, Cf::kDefault), ElementsAre("a", "b"));
  EXPECT_EQ(get(Cf::kDefault, "a"), "new");
  EXPECT_THAT(keys(Cf::kDefault), ElementsAre("a", "c"));
}

TEST_P(KvContract, iterators_keep_to_their_bounds_in_both_directions) {
  for (const char* key : {"b", "d", "f", "h"}) put(Cf::kLock, key, key);
  auto snapshot = kv().snapshot();
  EXPECT_THAT(keys(*snapshot, Cf::kLock, {.lower = "c", .upper = "h"}), ElementsAre("d", "f"));
  EXPECT_THAT(keys(*snapshot, Cf::kLock, {.lower = "d", .upper = "d"}), IsEmpty());
  auto it = snapshot->iterator(Cf::kLock, {.lower = "c", .upper = "h"});
  EXPECT_FALSE(it->valid());
  it->seek_to_last();
  ASSERT_TRUE(it->valid());
  EXPECT_EQ(it->key(), "f");
  it->prev();
  EXPECT_EQ(it->key(), "d");
  it->prev();
  EXPECT_FALSE(it->valid());
  it->seek("a");
  EXPECT_EQ(it->key(), "d");
  it->seek("e");
  EXPECT_EQ(it->key(), "f");
  EXPECT_EQ(it->value(), "f");
  it->next();
  EXPECT_FALSE(it->valid());
  it->seek_for_prev("e");
  EXPECT_EQ(it->key(), "d");
  it->seek_for_prev("f");
  EXPECT_EQ(it->key(), "f");
  it->seek_for_prev("x");
  EXPECT_EQ(it->key(), "f");
  it->seek_for_prev("c");
  EXPECT_FALSE(it->valid());
  it->seek("h");
  EXPECT_FALSE(it->valid());
  must(it->status());
}

TEST_P(KvContract, prefix_lookups_find_every_version_and_scans_find_every_raw_key) {
  std::vector<Bytes> raw, versions;
  for (int i = 0; i < 200; ++i) {
    raw.push_back("zr" + Bytes(static_cast<size_t>(i % 13), 'x') + std::to_string(i));
    put(Cf::kDefault, raw.back(), "raw");
    Bytes encoded = "z" + codec::encode_bytes("user" + std::to_string(i));
    for (uint64_t ts : {5, 10}) put(Cf::kWrite, codec::append_ts(encoded, Timestamp(ts)), std::to_string(ts));
    versions.push_back(encoded);
    if (i == 100) must(kv().flush());
  }
  std::sort(raw.begin(), raw.end());
  EXPECT_EQ(keys(Cf::kDefault, {.lower = "z", .upper = "{"}), raw);
  auto snapshot = kv().snapshot();
  auto scan = snapshot->iterator(Cf::kDefault, {});
  for (const Bytes& key : raw) {
    EXPECT_EQ(get(Cf::kDefault, key), "raw");
    scan->seek(key.substr(0, key.size() - 1));
    ASSERT_TRUE(scan->valid());
    EXPECT_LE(scan->key(), ByteView(key));
  }
  auto it = snapshot->iterator(Cf::kWrite, {.prefix_same_as_start = true});
  for (const Bytes& encoded : versions) {
    it->seek(codec::append_ts(encoded, Timestamp(7)));
    ASSERT_TRUE(it->valid()) << to_hex(encoded);
    EXPECT_EQ(it->value(), "5");
    it->next();
    EXPECT_FALSE(it->valid()) << "left the versions of one key";
    it->seek(codec::append_ts(encoded, Timestamp(3)));
    EXPECT_FALSE(it->valid());
    EXPECT_EQ(get(Cf::kWrite, codec::append_ts(encoded, Timestamp(10))), "10");
  }
  it->seek(codec::append_ts("z" + codec::encode_bytes("nobody"), Timestamp(7)));
  EXPECT_FALSE(it->valid());
}

TEST_P(KvContract, what_was_flushed_survives_and_a_crash_leaves_the_state_after_some_batch) {
  for (int round = 0; round < 6; ++round) {
    uint64_t floor = 0;
    auto number = [&](Cf cf) { return std::stoull(get(cf, "n").value_or("0")); };
    uint64_t start = number(Cf::kDefault);
    for (uint64_t i = start + 1; i <= start + 20; ++i) {
      auto batch = kv().new_batch();
      for (Cf cf : kEveryCf) batch->put(cf, "n", std::to_string(i));
      uint64_t sequence = must(kv().write(*batch));
      if (i == start + 10 && round % 2 == 0) {
        must(kv().flush());
        EXPECT_GE(kv().flushed_sequence(), sequence);
        floor = i;
      }
    }
    world_.crash();
    world_.open_kv();
    uint64_t now = number(Cf::kDefault);
    for (Cf cf : kEveryCf) EXPECT_EQ(number(cf), now) << "column families of different moments: " << cf_name(cf);
    EXPECT_GE(now, floor);
    EXPECT_LE(now, start + 20);
  }
}

TEST_P(KvContract, closing_in_order_loses_nothing) {
  put(Cf::kDefault, "a", "1");
  put(Cf::kRaft, "b", "2");
  world_.close();
  world_.open_kv();
  EXPECT_EQ(get(Cf::kDefault, "a"), "1");
  EXPECT_EQ(get(Cf::kRaft, "b"), "2");
  uint64_t flushed = kv().flushed_sequence();
  EXPECT_GT(put(Cf::kDefault, "c", "3"), flushed);
}

TEST_P(KvContract, a_flush_in_the_background_ends_sometime) {
  uint64_t sequence = put(Cf::kLock, "a", "1");
  EXPECT_LT(kv().flushed_sequence(), sequence);
  kv().flush_soon();
  for (int i = 0; i < 10'000'000 && kv().flushed_sequence() < sequence; ++i) std::this_thread::yield();
  EXPECT_GE(kv().flushed_sequence(), sequence);
  kv().flush_soon();  // nothing to do is fine
  world_.crash();
  world_.open_kv();
  EXPECT_EQ(get(Cf::kLock, "a"), "1");
}

// Copies a file to another node, as a snapshot travels.
void send(FileStore& from, FileStore& to, const std::string& path) {
  uint64_t size = must(from.size(path));
  auto writer = must(to.create(path));
  for (uint64_t offset = 0; offset < size; offset += 100) must(writer->append(must(from.read(path, offset, 100))));
  must(writer->sync_and_close());
}

TEST_P(KvContract, an_sst_travels_and_becomes_part_of_another_engine) {
  auto writer = must(kv().new_sst(Cf::kWrite, "gen/1.sst"));
  for (int i = 100; i < 300; ++i) must(writer->put("zk" + std::to_string(i), "sent"));
  EXPECT_FALSE(writer->put("zk100", "backwards").ok());
  SstFile file = must(writer->finish());
  EXPECT_EQ(file.entries, 200u);
  EXPECT_EQ(file.bytes, must(kv().files().size(file.path)));

  testing::World other(GetParam());
  other.open_kv();
  send(kv().files(), other.kv().files(), file.path);
  auto batch = other.kv().new_batch();
  batch->put(Cf::kWrite, "zk099", "before");
  batch->put(Cf::kWrite, "zk150", "old");
  batch->put(Cf::kWrite, "zk300", "behind");
  batch->put(Cf::kDefault, "zk150", "other family");
  must(other.kv().write(*batch));
  auto snapshot = other.kv().snapshot();
  must(other.kv().ingest(Cf::kWrite, {file.path}));
  EXPECT_FALSE(other.kv().files().size(file.path).ok()) << "an ingested file is consumed";
  EXPECT_EQ(must(snapshot->get(Cf::kWrite, "zk150")), "old");
  other.crash();
  other.open_kv();
  EXPECT_EQ(must(other.kv().get(Cf::kWrite, "zk100")), "sent");
  EXPECT_EQ(must(other.kv().get(Cf::kWrite, "zk150")), "sent");
  EXPECT_EQ(must(other.kv().get(Cf::kWrite, "zk099")), "before") << "what the file overlaps was flushed first";
  EXPECT_EQ(must(other.kv().get(Cf::kWrite, "zk300")), "behind");
  EXPECT_EQ(must(other.kv().get(Cf::kDefault, "zk150")), "other family");
}

TEST_P(KvContract, a_damaged_or_empty_sst_is_refused) {
  auto writer = must(kv().new_sst(Cf::kDefault, "x.sst"));
  EXPECT_EQ(writer->finish().error().kind, Error::Kind::kInvalid);
  writer.reset();
  EXPECT_THAT(must(kv().files().list("")), IsEmpty());
  writer = must(kv().new_sst(Cf::kDefault, "x.sst"));
  for (int i = 100; i < 200; ++i) must(writer->put("zk" + std::to_string(i), "sent"));
  must(writer->finish());
  Bytes bytes = must(kv().files().read("x.sst", 0, 1 << 20));
  bytes[bytes.size() / 4] = static_cast<char>(bytes[bytes.size() / 4] ^ 0x10);
  auto file = must(kv().files().create("x.sst"));
  must(file->append(bytes));
  must(file->sync_and_close());
  auto refused = kv().ingest(Cf::kDefault, {"x.sst"});
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, Error::Kind::kCorruption) << refused.error().message;
  EXPECT_THAT(keys(Cf::kDefault), IsEmpty());
}

TEST_P(KvContract, files_are_made_read_renamed_listed_and_removed) {
  FileStore& files = kv().files();
  EXPECT_THAT(must(files.list("a")), IsEmpty());
  auto writer = must(files.create("a/b/1"));
  must(writer->append("hello "));
  must(writer->append("world"));
  must(writer->sync_and_close());
  EXPECT_EQ(must(files.size("a/b/1")), 11u);
  EXPECT_EQ(must(files.read("a/b/1", 6, 100)), "world");
  EXPECT_EQ(must(files.read("a/b/1", 0, 5)), "hello");
  EXPECT_EQ(must(files.read("a/b/1", 50, 5)), "");
  must(files.rename("a/b/1", "c/2"));
  EXPECT_FALSE(files.size("a/b/1").ok());
  EXPECT_THAT(must(files.list("c")), ElementsAre("2"));
  must(files.remove("c/2"));
  must(files.remove("c/2"));
  must(files.remove_tree("a"));
  must(files.remove_tree("a"));
  EXPECT_FALSE(files.read("c/2", 0, 1).ok());
  for (const char* path : {"", "/x", "a/../x", "..", "a//b", "a/"}) {
    EXPECT_EQ(files.create(path).error().kind, Error::Kind::kInvalid) << path;
  }
}

TEST_P(KvContract, a_cleared_range_is_gone_for_good_and_nothing_outside_it) {
  for (int i = 100; i < 400; ++i) put(Cf::kDefault, "zk" + std::to_string(i), Bytes(100, 'v'));
  put(Cf::kRaft, "zk250", "not data");
  must(kv().flush());
  EXPECT_GT(kv().approximate_size("zk100", "zk400"), 1000u);
  EXPECT_EQ(kv().approximate_size("a", "b"), 0u);
  EXPECT_EQ(kv().approximate_size("zk400", "zk100"), 0u);
  must(kv().clear_range("zk200", "zk300"));
  must(kv().clear_range("zk300", "zk200"));
  EXPECT_EQ(keys(Cf::kDefault).size(), 200u);
  EXPECT_THAT(keys(Cf::kDefault, {.lower = "zk2", .upper = "zk3"}), IsEmpty());
  EXPECT_EQ(get(Cf::kRaft, "zk250"), "not data");
  world_.crash();
  world_.open_kv();
  EXPECT_EQ(keys(Cf::kDefault).size(), 200u);
  EXPECT_GT(kv().space().capacity, 0u);
  EXPECT_FALSE(kv().is_write_stalled());
}

// Nothing of the range lies in memory: what does lie there, outside of it, waits for its own flush.
TEST_P(KvContract, a_clear_flushes_only_if_something_unflushed_lies_in_the_range) {
  std::atomic<bool> canceled{false};
  auto name = [](int i) { return "zk" + std::to_string(i); };
  for (int i = 100; i < 400; ++i) {
    auto batch = kv().new_batch();
    for (Cf cf : kDataCfs) batch->put(cf, name(i), "old");
    must(kv().write(*batch));
  }
  must(kv().flush());
  for (int i = 210; i < 220; ++i) put(Cf::kDefault, name(i), "newer");
  must(kv().flush());
  for (Cf cf : kDataCfs) must(kv().compact(cf, "", "zk3", canceled));
  uint64_t last = 0;
  for (Cf cf : kEveryCf) last = put(cf, "zk099", "beside");
  put(Cf::kLock, "zk401", "behind");
  for (int i = 200; i < 300; i += 10) must(kv().clear_range(name(i), name(i + 10)));
  must(kv().clear_range("zk5", "zk6"));
  EXPECT_LT(kv().flushed_sequence(), last) << "a flush for ranges with nothing unflushed";
  for (Cf cf : kDataCfs) {
    EXPECT_THAT(keys(cf, {.lower = "zk200", .upper = "zk300"}), IsEmpty());
    EXPECT_EQ(keys(cf, {.lower = "zk100", .upper = "zk400"}).size(), 200u);
  }
  EXPECT_EQ(get(Cf::kWrite, "zk099"), "beside");
  put(Cf::kWrite, name(250), "new life");
  EXPECT_EQ(get(Cf::kWrite, name(250)), "new life");
  EXPECT_EQ(get(Cf::kDefault, name(250)), std::nullopt);
  world_.crash();
  world_.open_kv();
  for (Cf cf : kDataCfs) {
    EXPECT_LE(keys(cf, {.lower = "zk200", .upper = "zk300"}).size(), cf == Cf::kWrite ? 1u : 0u);
    EXPECT_EQ(
        keys(cf, {.lower = "zk100", .upper = "zk400"}).size() - keys(cf, {.lower = "zk200", .upper = "zk300"}).size(),
        200u);
  }
}

TEST_P(KvContract, a_clear_of_what_is_unflushed_takes_it_along_and_leaves_one_moment) {
  for (bool is_deletion : {false, true}) {
    put(Cf::kWrite, "zk1", "flushed");
    must(kv().flush());
    for (int i = 0; i < 5; ++i) {
      auto batch = kv().new_batch();
      for (Cf cf : kEveryCf) batch->put(cf, "zn", std::to_string(i));
      if (is_deletion) {
        batch->delete_range(Cf::kWrite, "zk0", "zk2");
      } else {
        batch->put(Cf::kWrite, "zk2", std::to_string(i));
      }
      must(kv().write(*batch));
    }
    auto view = kv().snapshot();
    const bool has_seen = must(view->get(Cf::kWrite, "zk2")).has_value();
    must(kv().clear_range("zk", "zl"));
    EXPECT_EQ(must(view->get(Cf::kWrite, "zk2")).has_value(), has_seen);
    EXPECT_THAT(keys(Cf::kWrite, {.lower = "zk", .upper = "zl"}), IsEmpty());
    view.reset();
    world_.crash();
    world_.open_kv();
    EXPECT_THAT(keys(Cf::kWrite, {.lower = "zk", .upper = "zl"}), IsEmpty());
    for (Cf cf : kEveryCf) EXPECT_EQ(get(cf, "zn"), "4") << "what the tombstones overlapped was flushed as a whole";
  }
}

TEST_P(KvContract, a_flush_under_way_does_not_bring_a_cleared_range_back) {
  put(Cf::kDefault, "zk1", "v");
  must(kv().flush());
  put(Cf::kDefault, "za", "v");
  kv().flush_soon();
  must(kv().clear_range("zk", "zl"));
  const uint64_t last = put(Cf::kRaft, "later", "v");
  must(kv().flush());
  EXPECT_GE(kv().flushed_sequence(), last);
  world_.crash();
  world_.open_kv();
  EXPECT_THAT(keys(Cf::kDefault), ElementsAre("za"));
}

TEST_P(KvContract, an_open_view_never_changes_whatever_is_cleared_ingested_or_compacted) {
  std::atomic<bool> canceled{false};
  auto name = [](int i) { return "zk" + std::to_string(i); };
  for (int i = 100; i < 400; ++i) {
    auto batch = kv().new_batch();
    for (Cf cf : kDataCfs) batch->put(cf, name(i), "old");
    must(kv().write(*batch));
  }
  must(kv().flush());
  for (Cf cf : kDataCfs) must(kv().compact(cf, "", "", canceled));  // into levels whose files may be dropped whole
  auto view = kv().snapshot();
  auto iterator = view->iterator(Cf::kDefault, {});
  iterator->seek(name(150));
  auto writer = must(kv().new_sst(Cf::kDefault, "new.sst"));
  for (int i = 200; i < 220; ++i) must(writer->put(name(i), "new"));
  must(writer->finish());
  must(kv().clear_range("z", "{"));
  must(kv().ingest(Cf::kDefault, {"new.sst"}));
  put(Cf::kDefault, name(210), "newer");
  must(kv().flush());
  for (Cf cf : kDataCfs) must(kv().compact(cf, "", "", canceled));

  EXPECT_EQ(keys(Cf::kDefault).size(), 20u);
  EXPECT_EQ(get(Cf::kDefault, name(210)), "newer");
  for (Cf cf : kDataCfs) {
    EXPECT_EQ(keys(*view, cf).size(), 300u);
    EXPECT_EQ(must(view->get(cf, name(210))), "old");
  }
  for (int i = 150; i < 400; ++i, iterator->next()) {
    ASSERT_TRUE(iterator->valid()) << i;
    ASSERT_EQ(iterator->key(), ByteView(name(i)));
    ASSERT_EQ(iterator->value(), "old");
  }
  auto later = kv().snapshot();
  iterator.reset();
  view.reset();
  must(kv().clear_range("z", "{"));
  EXPECT_EQ(keys(*later, Cf::kDefault).size(), 20u);
  EXPECT_THAT(keys(Cf::kDefault), IsEmpty());
}

// Random batches against a plain map, with snapshots held over them, flushes and orderly closings between.
// Drops the pairs whose value says so, and remembers what it saw.
class DropMarked final : public CompactionFilterFactory {
 public:
  std::unique_ptr<CompactionFilter> begin(Cf cf) override {
    struct Filter final : CompactionFilter {
      explicit Filter(DropMarked* owner) : owner(owner) {}
      Verdict judge(ByteView key, ByteView value) override {
        EXPECT_TRUE(last.empty() || ByteView(last) < key) << "keys come in order, each once";
        last = key;
        ++owner->seen;
        return value.starts_with("drop") ? Verdict::kDrop : Verdict::kKeep;
      }
      DropMarked* owner;
      Bytes last;
    };
    return cf == Cf::kWrite ? std::make_unique<Filter>(this) : nullptr;
  }
  std::atomic<int> seen{0};
};

TEST_P(KvContract, compactions_drop_what_the_filter_says_and_a_crash_brings_nothing_of_it_back) {
  std::atomic<bool> canceled{false};
  auto batch = kv().new_batch();
  for (int i = 0; i < 100; ++i) {
    Bytes key = fmt::format("key{:03}", i);
    batch->put(Cf::kDefault, key, "drop");
    batch->put(Cf::kLock, key, "drop");
    batch->put(Cf::kWrite, key, i % 2 == 0 ? "drop" : "keep");
  }
  must(kv().write(*batch));
  must(kv().flush());
  auto compact_all = [&](ByteView begin, ByteView end) {
    for (Cf cf : kEveryCf) {
      for (int pass = 0; pass < 4; ++pass) must(kv().compact(cf, begin, end, canceled));
    }
  };
  compact_all("", "");
  EXPECT_EQ(keys(Cf::kWrite).size(), 100u) << "without a filter nothing goes";
  auto filters = std::make_shared<DropMarked>();
  kv().set_compaction_filters(filters);
  compact_all("key000", "key050");
  EXPECT_GT(filters->seen.load(), 0);
  EXPECT_GE(keys(Cf::kWrite).size(), 50u);
  EXPECT_EQ(get(Cf::kWrite, "key010"), std::nullopt);
  EXPECT_EQ(get(Cf::kWrite, "key011"), "keep");
  compact_all("", "");
  EXPECT_EQ(keys(Cf::kWrite).size(), 50u);
  EXPECT_EQ(keys(Cf::kDefault).size(), 100u);
  EXPECT_EQ(keys(Cf::kLock).size(), 100u);
  kv().set_compaction_filters(nullptr);
  filters.reset();
  world_.crash();
  world_.open_kv();
  EXPECT_EQ(keys(Cf::kWrite).size(), 50u);
}

TEST_P(KvContract, what_is_dropped_does_not_show_what_it_stood_over) {
  std::atomic<bool> canceled{false};
  auto batch = kv().new_batch();
  batch->put(Cf::kWrite, "a", "old");
  batch->put(Cf::kWrite, "b", "old");
  must(kv().write(*batch));
  must(kv().flush());
  must(kv().compact(Cf::kWrite, "", "", canceled));  // down to the lowest level
  put(Cf::kWrite, "a", "drop");
  must(kv().flush());
  put(Cf::kWrite, "b", "drop");  // unflushed, or flushed by the compaction
  kv().set_compaction_filters(std::make_shared<DropMarked>());
  for (int pass = 0; pass < 4; ++pass) must(kv().compact(Cf::kWrite, "", "", canceled));
  EXPECT_EQ(get(Cf::kWrite, "a"), std::nullopt);
  EXPECT_NE(get(Cf::kWrite, "b"), "old");
}

TEST_P(KvContract, a_snapshot_does_not_keep_what_a_compaction_collects_but_an_open_iterator_does) {
  put(Cf::kWrite, "a", "drop");
  put(Cf::kWrite, "b", "keep");
  must(kv().flush());
  auto snapshot = kv().snapshot();
  auto before = snapshot->iterator(Cf::kWrite, {});
  before->seek_to_first();
  kv().set_compaction_filters(std::make_shared<DropMarked>());
  std::atomic<bool> canceled = false;
  for (int pass = 0; pass < 4; ++pass) must(kv().compact(Cf::kWrite, "", "", canceled));
  EXPECT_THAT(keys(*snapshot, Cf::kWrite), ElementsAre("b"));
  ASSERT_TRUE(before->valid());
  EXPECT_EQ(before->key(), "a");
  before->next();
  ASSERT_TRUE(before->valid());
  EXPECT_EQ(before->key(), "b");
}

TEST_P(KvContract, a_canceled_compaction_ends_without_an_error) {
  std::atomic<bool> canceled{true};
  put(Cf::kWrite, "a", "drop");
  must(kv().flush());
  kv().set_compaction_filters(std::make_shared<DropMarked>());
  EXPECT_TRUE(kv().compact(Cf::kWrite, "", "", canceled).ok());
}

TEST_P(KvContract, tables_count_versions_rows_and_deletions) {
  EXPECT_TRUE(must(kv().tables(Cf::kWrite)).empty());
  auto batch = kv().new_batch();
  for (int key = 0; key < 10; ++key) {
    for (int version = 0; version < 5; ++version) {
      batch->put(Cf::kWrite, fmt::format("key{}-{:08}", key, version), version == 0 ? "D" : "P");
      batch->put(Cf::kDefault, fmt::format("key{}-{:08}", key, version), "value");
    }
  }
  must(kv().write(*batch));
  must(kv().flush());
  auto tables = must(kv().tables(Cf::kWrite));
  ASSERT_EQ(tables.size(), 1u);
  EXPECT_EQ(tables[0].smallest, "key0-00000000");
  EXPECT_EQ(tables[0].largest, "key9-00000004");
  EXPECT_EQ(tables[0].entries, 50u);
  EXPECT_EQ(tables[0].versions, 50u);
  EXPECT_EQ(tables[0].rows, 10u);
  EXPECT_EQ(tables[0].deletes, 10u);
  EXPECT_GT(tables[0].bytes, 0u);
  EXPECT_EQ(must(kv().tables(Cf::kDefault)).at(0).entries, 50u);
}

TEST_P(KvContract, random_histories_agree_with_a_plain_map) {
  using Model = std::array<std::map<Bytes, Bytes>, kCfCount>;
  runtime::Random dice(7);
  Model model;
  std::vector<std::pair<std::shared_ptr<const Snapshot>, Model>> held;
  auto some_key = [&] { return "z" + std::to_string(dice.below(60)); };
  auto compare = [&](const Snapshot& snapshot, const Model& want) {
    for (Cf cf : kEveryCf) {
      const auto& map = want[static_cast<size_t>(cf)];
      Bytes lower = some_key(), upper = some_key();
      if (upper < lower) std::swap(lower, upper);
      std::vector<Bytes> forward, backward, wanted;
      for (auto it = map.lower_bound(lower); it != map.lower_bound(upper); ++it) wanted.push_back(it->first);
      auto it = snapshot.iterator(cf, {.lower = lower, .upper = upper});
      for (it->seek(""); it->valid(); it->next()) {
        EXPECT_EQ(it->value(), ByteView(map.at(Bytes(it->key()))));
        forward.emplace_back(it->key());
      }
      for (it->seek_to_last(); it->valid(); it->prev()) backward.insert(backward.begin(), Bytes(it->key()));
      ASSERT_EQ(forward, wanted);
      ASSERT_EQ(backward, wanted);
      Bytes target = some_key();
      auto all = snapshot.iterator(cf, {});
      all->seek_for_prev(target);
      auto above = map.upper_bound(target);
      ASSERT_EQ(all->valid(), above != map.begin());
      if (all->valid()) ASSERT_EQ(all->key(), ByteView(std::prev(above)->first));
    }
  };
  for (int step = 0; step < 600; ++step) {
    auto batch = kv().new_batch();
    for (uint64_t i = dice.between(1, 6); i > 0; --i) {
      Cf cf = kEveryCf[dice.below(4)];
      auto& map = model[static_cast<size_t>(cf)];
      Bytes key = some_key(), other = some_key();
      if (dice.chance(0.6)) {
        batch->put(cf, key, other);
        map[key] = other;
      } else if (dice.chance(0.8)) {
        batch->del(cf, key);
        map.erase(key);
      } else if (key < other) {
        batch->delete_range(cf, key, other);
        map.erase(map.lower_bound(key), map.lower_bound(other));
      }
    }
    must(kv().write(*batch));
    if (step % 25 == 7) {
      Bytes begin = some_key(), end = some_key();
      must(kv().clear_range(begin, end));
      for (Cf cf : kDataCfs) {
        auto& map = model[static_cast<size_t>(cf)];
        if (begin < end) map.erase(map.lower_bound(begin), map.lower_bound(end));
      }
    }
    if (step % 25 == 19) {
      std::map<Bytes, Bytes> pairs;
      for (int i = 0; i < 5; ++i) pairs[some_key()] = std::to_string(step);
      Cf cf = kEveryCf[dice.below(3)];
      auto writer = must(kv().new_sst(cf, "part.sst"));
      for (const auto& [key, value] : pairs) must(writer->put(key, value));
      must(writer->finish());
      must(kv().ingest(cf, {"part.sst"}));
      for (const auto& [key, value] : pairs) model[static_cast<size_t>(cf)][key] = value;
    }
    if (step % 40 == 0) held.emplace_back(kv().snapshot(), model);
    if (step % 90 == 89) must(kv().flush());
    if (step % 20 == 0) compare(*kv().snapshot(), model);
    if (step == 300) {
      for (auto& [snapshot, want] : held) compare(*snapshot, want);
      held.clear();
      world_.close();
      world_.open_kv();
    }
  }
  for (auto& [snapshot, want] : held) compare(*snapshot, want);
}

INSTANTIATE_TEST_SUITE_P(Twins, KvContract, ::testing::Values(testing::Twin::kMemory, testing::Twin::kRocks),
                         testing::twin_name);

}  // namespace
}  // namespace cairn::engine
