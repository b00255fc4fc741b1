// The contract of the Raft log store, on both twins; and what damage at the end of RocksDB's log does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <set>

#include "engine/rocks/wal_tail.h"
#include "engine/testing/engine_worlds.h"

namespace cairn::engine {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::must;

constexpr RegionId kRegion{7};

class RaftLogContract : public ::testing::TestWithParam<testing::Twin> {
 protected:
  void SetUp() override { world_.open_log(); }
  RaftLogEngine& log() { return world_.log(); }

  // Entries [first, last], each holding its index and `tag`, and the state that says so.
  void append(uint64_t first, uint64_t last, const Bytes& tag, Sync sync = Sync::kYes, RegionId region = kRegion) {
    auto batch = log().new_batch();
    for (uint64_t i = first; i <= last; ++i) batch->put_entry(region, LogIndex(i), tag + std::to_string(i));
    batch->put_state(region, std::to_string(last));
    must(log().write(*batch, sync));
  }
  std::vector<Bytes> read(uint64_t from, uint64_t to, size_t max_bytes = 1 << 20, RegionId region = kRegion) {
    std::vector<Bytes> out;
    size_t n = must(log().entries(region, LogIndex(from), LogIndex(to), max_bytes, out));
    EXPECT_EQ(n, out.size());
    return out;
  }

  testing::World world_{GetParam()};
};

TEST_P(RaftLogContract, entries_come_back_in_order_up_to_a_gap_or_the_limit_of_bytes) {
  append(5, 9, "a");
  append(11, 12, "b");
  append(1, 3, "other", Sync::kNo, RegionId(8));
  EXPECT_THAT(read(5, 8), ElementsAre("a5", "a6", "a7"));
  EXPECT_THAT(read(8, 20), ElementsAre("a8", "a9"));
  EXPECT_THAT(read(10, 20), IsEmpty());
  EXPECT_THAT(read(5, 9, 5), ElementsAre("a5", "a6"));
  EXPECT_THAT(read(5, 9, 0), ElementsAre("a5"));
  EXPECT_EQ(must(log().entry(kRegion, LogIndex(11))), "b11");
  EXPECT_EQ(must(log().entry(kRegion, LogIndex(10))), std::nullopt);
  EXPECT_EQ(must(log().state(kRegion)), "12");
  EXPECT_EQ(must(log().state(RegionId(9))), std::nullopt);
  EXPECT_THAT(must(log().regions()), ElementsAre(kRegion, RegionId(8)));
}

TEST_P(RaftLogContract, a_suffix_is_replaced_and_a_prefix_is_cut) {
  append(1, 10, "a");
  auto batch = log().new_batch();
  batch->put_entry(kRegion, LogIndex(5), "new5");
  batch->cut_suffix(kRegion, LogIndex(6), LogIndex(10));
  must(log().write(*batch, Sync::kYes));
  EXPECT_THAT(read(4, 20), ElementsAre("a4", "new5"));
  batch->clear();
  batch->cut_prefix(kRegion, LogIndex(1), LogIndex(4));
  must(log().write(*batch, Sync::kYes));
  EXPECT_THAT(read(1, 20), IsEmpty());
  EXPECT_THAT(read(4, 20), ElementsAre("a4", "new5"));
}

TEST_P(RaftLogContract, a_removed_region_leaves_nothing_and_its_neighbours_all) {
  for (uint64_t id : {6, 7, 8}) append(1, 5, "x", Sync::kNo, RegionId(id));
  auto batch = log().new_batch();
  for (uint64_t id : {6, 7, 8}) {
    batch->put_meta(RegionId(id), 0, "zero");
    batch->put_meta(RegionId(id), 255, "last");
  }
  must(log().write(*batch, Sync::kNo));
  batch->clear();
  batch->remove_region(kRegion, LogIndex(1), LogIndex(5));
  batch->put_meta(RegionId(8), 0, "");
  must(log().write(*batch, Sync::kYes));
  world_.crash();
  world_.open_log();
  EXPECT_THAT(must(log().regions()), ElementsAre(RegionId(6), RegionId(8)));
  EXPECT_EQ(must(log().meta(kRegion, 0)), std::nullopt);
  EXPECT_EQ(must(log().meta(kRegion, 255)), std::nullopt);
  EXPECT_EQ(must(log().meta(RegionId(6), 255)), "last");
  EXPECT_EQ(must(log().meta(RegionId(8), 0)), std::nullopt);
  EXPECT_EQ(must(log().meta(RegionId(8), 255)), "last");
  EXPECT_THAT(read(1, 9), IsEmpty());
  EXPECT_EQ(read(1, 9, 1 << 20, RegionId(6)).size(), 5u);
}

TEST_P(RaftLogContract, a_long_prefix_can_be_cut_at_once) {
  append(1, 6000, "a", Sync::kNo);
  auto batch = log().new_batch();
  batch->cut_prefix(kRegion, LogIndex(0), LogIndex(5998));
  must(log().write(*batch, Sync::kYes));
  EXPECT_THAT(read(5997, 6001), IsEmpty());
  EXPECT_THAT(read(5998, 6001), ElementsAre("a5998", "a5999", "a6000"));
}

TEST_P(RaftLogContract, a_crash_keeps_all_that_was_synced_and_whole_batches_of_the_rest) {
  uint64_t next = 1;
  for (int round = 0; round < 5; ++round) {
    append(next, next + 2, "s", Sync::kNo);
    append(next + 3, next + 4, "s", Sync::kYes);
    uint64_t synced = next + 4;
    for (uint64_t i = synced + 1; i < synced + 9; i += 2) append(i, i + 1, "u", Sync::kNo);
    world_.crash();
    world_.open_log();
    uint64_t last = std::stoull(must(log().state(kRegion)).value());
    EXPECT_GE(last, synced);
    EXPECT_EQ((last - synced) % 2, 0u) << "half a batch";
    EXPECT_EQ(read(1, last + 100).size(), last);
    next = last + 1;
  }
}

TEST_P(RaftLogContract, random_histories_agree_with_plain_maps) {
  runtime::Random dice(11);
  struct Model {
    std::map<uint64_t, Bytes> entries;
    std::optional<Bytes> state;
    std::map<uint8_t, Bytes> meta;
  };
  std::map<uint64_t, Model> model;
  for (int step = 0; step < 500; ++step) {
    uint64_t id = dice.between(1, 4);
    RegionId region(id);
    Model& want = model[id];
    auto batch = log().new_batch();
    uint64_t first = dice.between(1, 30), last = dice.between(first, 35);
    auto erase = [&](uint64_t to) {
      want.entries.erase(want.entries.lower_bound(first), want.entries.lower_bound(to));
    };
    switch (dice.below(6)) {
      case 0:
        batch->cut_prefix(region, LogIndex(first), LogIndex(last));
        erase(last);
        break;
      case 1:
        batch->cut_suffix(region, LogIndex(first), LogIndex(last));
        erase(last + 1);
        break;
      case 2:
        batch->remove_region(region, LogIndex(first), LogIndex(last));
        erase(last + 1);
        want.state.reset();
        want.meta.clear();
        break;
      case 3: {
        auto slot = static_cast<uint8_t>(dice.below(3));
        Bytes value = dice.chance(0.3) ? "" : std::to_string(step);
        batch->put_meta(region, slot, value);
        want.meta.erase(slot);
        if (!value.empty()) want.meta[slot] = value;
        break;
      }
      default:
        want.state = std::to_string(step);
        batch->put_state(region, *want.state);
        for (uint64_t i = first; i <= last; ++i) {
          want.entries[i] = std::to_string(step);
          batch->put_entry(region, LogIndex(i), want.entries[i]);
        }
    }
    must(log().write(*batch, dice.chance(0.1) ? Sync::kYes : Sync::kNo));
    if (step % 100 == 99) {
      world_.close();
      world_.open_log();
    }
    std::vector<RegionId> with_state;
    for (auto& [region_id, m] : model) {
      if (m.state) with_state.emplace_back(region_id);
    }
    ASSERT_EQ(must(log().regions()), with_state);
    ASSERT_EQ(must(log().state(region)), want.state);
    for (uint8_t slot = 0; slot < 3; ++slot) {
      auto it = want.meta.find(slot);
      ASSERT_EQ(must(log().meta(region, slot)), it == want.meta.end() ? std::nullopt : std::optional(it->second));
    }
    for (uint64_t from = 1; from < 36; from += 5) {
      std::vector<Bytes> wanted;
      for (uint64_t i = from; i < 36 && want.entries.contains(i); ++i) wanted.push_back(want.entries[i]);
      ASSERT_EQ(read(from, 36, 1 << 20, region), wanted);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Twins, RaftLogContract, ::testing::Values(testing::Twin::kMemory, testing::Twin::kRocks),
                         testing::twin_name);

// Damage done to RocksDB's write-ahead log behind its back.
class RaftLogDamage : public ::testing::Test {
 protected:
  void SetUp() override {
    world_.open_log();
    for (uint64_t i = 1; i <= 20; ++i) {
      auto batch = world_.log().new_batch();
      batch->put_entry(kRegion, LogIndex(i), Bytes(100, 'e'));
      batch->put_state(kRegion, std::to_string(i));
      must(world_.log().write(*batch, Sync::kYes));
    }
    world_.crash();
  }
  std::string wal() {
    std::string newest;
    for (const auto& file : std::filesystem::directory_iterator(world_.directory("log"))) {
      if (file.path().extension() == ".log") newest = std::max(newest, file.path().string());
    }
    return newest;
  }
  void flip(uint64_t offset) {
    std::fstream file(wal(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(offset));
    auto byte = static_cast<char>(file.get() ^ 0x41);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }
  uint64_t last() { return std::stoull(must(world_.log().state(kRegion)).value()); }

  testing::World world_{testing::Twin::kRocks};
};

TEST_F(RaftLogDamage, a_torn_tail_is_cut_off_and_the_batches_before_it_stay) {
  std::filesystem::resize_file(wal(), std::filesystem::file_size(wal()) - 1);
  world_.open_log();
  EXPECT_EQ(last(), 19u);
  std::vector<Bytes> out;
  EXPECT_EQ(must(world_.log().entries(kRegion, LogIndex(1), LogIndex(99), 1 << 20, out)), 19u);
}

TEST_F(RaftLogDamage, a_flipped_byte_anywhere_is_refused) {
  uint64_t size = std::filesystem::file_size(wal());
  for (uint64_t offset : {uint64_t{0}, uint64_t{4}, uint64_t{5}, uint64_t{6}, size / 2, size / 2 + 77, size - 1}) {
    flip(offset);
    auto opened = world_.try_open_log();
    ASSERT_FALSE(opened.ok()) << "byte " << offset << " of " << size;
    EXPECT_EQ(opened.error().kind, Error::Kind::kCorruption) << opened.error().message;
    flip(offset);
  }
  world_.open_log();
  EXPECT_EQ(last(), 20u);
}

TEST_F(RaftLogDamage, a_last_batch_with_unwritten_sectors_is_cut_off) {
  uint64_t size = std::filesystem::file_size(wal());
  std::filesystem::resize_file(wal(), size + 5000);  // zeros
  world_.open_log();
  EXPECT_EQ(last(), 20u);
}

// What a power cut may leave of the tail that was not synced: any of its sectors may be missing, though whole batches
// stand behind.
class RaftLogTornTail : public ::testing::Test {
 protected:
  static constexpr uint64_t kSynced = 6, kUnsynced = 8;
  static constexpr size_t kSector = 512;

  void SetUp() override {
    world_.open_log();
    uint64_t i = 1;
    for (; i <= kSynced; ++i) write(i, 60 + i * 37, i % 2 == 0 ? Sync::kYes : Sync::kNo);
    synced_bytes_ = std::filesystem::file_size(wal(world_.directory("log")));
    for (; i <= kSynced + kUnsynced; ++i) write(i, i == kSynced + 5 ? 35'000 : 20 + i * 23, Sync::kNo);
    world_.crash();
    std::ifstream file(wal(world_.directory("log")), std::ios::binary);
    log_ = Bytes(std::istreambuf_iterator<char>(file), {});
  }
  void write(uint64_t i, size_t bytes, Sync sync) {
    auto batch = world_.log().new_batch();
    Bytes value;
    while (value.size() < bytes) value += "entry " + std::to_string(i) + ' ';
    batch->put_entry(kRegion, LogIndex(i), value);
    batch->put_state(kRegion, std::to_string(i));
    must(world_.log().write(*batch, sync));
  }
  static std::string wal(const std::string& directory) {
    std::string newest;
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
      if (file.path().extension() == ".log") newest = std::max(newest, file.path().string());
    }
    return newest;
  }
  // The log with only those sectors of the unsynced tail that `is_there` names.
  Bytes with_holes(const std::function<bool(size_t)>& is_there) const {
    Bytes torn = log_;
    for (size_t at = synced_bytes_; at < torn.size(); ++at) {
      if (!is_there(at / kSector)) torn[at] = '\0';
    }
    return torn;
  }
  // Opens a store whose newest log holds these bytes: the state it has.
  std::optional<uint64_t> open_with(const Bytes& bytes) {
    namespace fs = std::filesystem;
    testing::ScratchDirectory scratch;
    std::string copy = scratch.path() + "/log";
    fs::copy(world_.directory("log"), copy, fs::copy_options::recursive);
    std::ofstream(wal(copy), std::ios::binary | std::ios::trunc) << bytes;
    auto opened = open_rocks_raft_log(copy);
    if (!opened.ok()) return std::nullopt;
    uint64_t last = std::stoull(must((*opened)->state(kRegion)).value());
    std::vector<Bytes> entries;
    EXPECT_EQ(must((*opened)->entries(kRegion, LogIndex(1), LogIndex(99), 1 << 20, entries)), last) << "a gap";
    return last;
  }

  testing::World world_{testing::Twin::kRocks};
  Bytes log_;
  size_t synced_bytes_ = 0;
};

TEST_F(RaftLogTornTail, cut_at_any_byte_it_opens_with_all_that_was_synced) {
  for (size_t bytes = synced_bytes_; bytes <= log_.size(); ++bytes) {
    auto tail = rocks::examine_wal(ByteView(log_).substr(0, bytes));
    ASSERT_NE(tail.kind, rocks::WalTail::Kind::kDamaged) << bytes;
    ASSERT_GE(tail.good_bytes, synced_bytes_) << bytes;
    if (bytes % 997 != 0 && bytes > synced_bytes_ + 8 && bytes + 8 < log_.size()) continue;
    auto last = open_with(log_.substr(0, bytes));
    ASSERT_TRUE(last.has_value()) << bytes;
    ASSERT_GE(*last, kSynced) << bytes;
  }
}

TEST_F(RaftLogTornTail, with_any_sectors_missing_it_opens_with_all_that_was_synced) {
  runtime::Random dice(1);
  const size_t first = synced_bytes_ / kSector, last_sector = (log_.size() - 1) / kSector;
  for (int trial = 0; trial < 400; ++trial) {
    std::set<size_t> missing;
    if (trial <= static_cast<int>(last_sector - first)) {
      missing.insert(first + static_cast<size_t>(trial));
    } else {
      for (uint64_t n = dice.between(1, 6); n > 0; --n) missing.insert(dice.between(first, last_sector));
    }
    Bytes torn = with_holes([&](size_t sector) { return !missing.contains(sector); });
    auto tail = rocks::examine_wal(torn);
    ASSERT_NE(tail.kind, rocks::WalTail::Kind::kDamaged) << "first missing sector " << *missing.begin();
    ASSERT_GE(tail.good_bytes, synced_bytes_);
    if (trial % 16 != 0) continue;
    auto last = open_with(torn);
    ASSERT_TRUE(last.has_value()) << "first missing sector " << *missing.begin();
    ASSERT_GE(*last, kSynced);
  }
}

TEST_F(RaftLogTornTail, damage_to_what_was_synced_is_refused_also_under_a_torn_tail) {
  Bytes torn = with_holes([&](size_t sector) { return sector % 3 != 0; });
  for (size_t at = 0; at < synced_bytes_; ++at) {
    for (const Bytes* whole : {&log_, &torn}) {
      Bytes damaged = *whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x41);
      ASSERT_EQ(rocks::examine_wal(damaged).kind, rocks::WalTail::Kind::kDamaged) << at;
    }
  }
  Bytes zeroed = log_;
  std::fill(zeroed.begin(), zeroed.begin() + kSector, '\0');
  EXPECT_EQ(rocks::examine_wal(zeroed).kind, rocks::WalTail::Kind::kDamaged);
  EXPECT_EQ(open_with(zeroed), std::nullopt);
}

}  // namespace
}  // namespace cairn::engine
