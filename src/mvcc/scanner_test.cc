// The scanners and the point getter against a naive model: random versions and locks of a few keys, each timestamp.
#include "mvcc/scanner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>

#include "engine/memory/local_region_store.h"
#include "engine/memory/memory_engine.h"
#include "mvcc/point_getter.h"
#include "mvcc/view_scanner.h"
#include "runtime/random.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::mvcc {
namespace {

struct Model {
  struct History {
    std::map<uint64_t, Write> writes;  // by commit_ts
    std::optional<Lock> lock;
  };
  std::map<Bytes, History> keys;

  // What a reader at `ts` under SI sees: nothing, a value, or "!" for a conflict.
  static std::optional<Bytes> read(const Bytes& key, const History& history, const ReadOptions& options) {
    const Timestamp ts = options.read_ts;
    if (const auto& lock = history.lock; lock && options.isolation == IsolationLevel::kSi) {
      const bool changes = lock->kind == LockKind::kPut || lock->kind == LockKind::kDelete;
      const bool is_newest_of_primary = ts.is_max() && lock->primary == key;
      if (lock->start_ts <= ts && changes && lock->min_commit_ts <= ts && !is_newest_of_primary) return "!";
    }
    if (options.isolation == IsolationLevel::kRcCheckTs) {
      if (history.lock && history.lock->changes_value()) return "!";
      if (!history.writes.empty() && history.writes.rbegin()->first > ts.value) return "!";
    }
    for (auto it = history.writes.rbegin(); it != history.writes.rend(); ++it) {
      if (it->first > ts.value) continue;
      if (it->second.gc_fence && it->second.gc_fence->is_set() && *it->second.gc_fence <= ts) return std::nullopt;
      if (it->second.kind == WriteKind::kPut) return it->second.short_value.value_or(Bytes(300, 'l'));
      if (it->second.kind == WriteKind::kDelete) return std::nullopt;
    }
    return std::nullopt;
  }

  std::vector<std::pair<Bytes, Bytes>> scan(const ReadOptions& options) const {
    std::vector<std::pair<Bytes, Bytes>> rows;
    for (const auto& [key, history] : keys) {
      if (auto value = read(key, history, options)) rows.emplace_back(key, *value);
    }
    return rows;
  }
};

struct Data {
  runtime::SimLoop loop{1};
  runtime::SimClock clock{loop};
  runtime::SimExecutors executors{loop, clock, "node"};
  std::shared_ptr<runtime::Executor> executor = executors.make("shard");
  engine::LocalRegionStore store{engine::open_memory_kv(std::make_shared<engine::MemoryDisk>()), *executor};
  Model model;

  void put(engine::Modify change) {
    engine::WriteData data;
    data.changes.push_back(std::move(change));
    ASSERT_TRUE(store.write_now(data).ok());
  }
  void add_write(const Bytes& user_key, uint64_t commit_ts, Write write) {
    const Bytes key = codec::encode_bytes(user_key);
    if (write.kind == WriteKind::kPut && !write.short_value) {
      put(engine::Modify::put(engine::Cf::kDefault, codec::append_ts(key, write.start_ts), Bytes(300, 'l')));
    }
    put(engine::Modify::put(engine::Cf::kWrite, codec::append_ts(key, Timestamp(commit_ts)), write.encode()));
    model.keys[user_key].writes[commit_ts] = std::move(write);
  }
  // It concerns no reader.
  void add_shared_lock(const Bytes& user_key, uint64_t start_ts) {
    SharedLocks shared;
    shared.put({.kind = LockKind::kLock, .primary = "other", .start_ts = Timestamp(start_ts)});
    put(engine::Modify::put(engine::Cf::kLock, codec::encode_bytes(user_key), shared.encode()));
    model.keys[user_key];
  }
  void add_lock(const Bytes& user_key, Lock lock) {
    put(engine::Modify::put(engine::Cf::kLock, codec::encode_bytes(user_key), lock.encode()));
    model.keys[user_key].lock = std::move(lock);
  }

  // Keys with up to 40 versions: both the steps and the seeks of a near seek are taken.
  void fill(runtime::Random& dice) {
    static const Bytes kKeys[] = {"", "a", "aa", Bytes("a\0", 2), "12345678", "123456789", "\xff\xff", "z"};
    for (const Bytes& key : kKeys) {
      const uint64_t versions = dice.below(3) == 0 ? dice.below(40) : dice.below(4);
      LastChange last = LastChange::not_exist();
      for (uint64_t i = 0; i < versions; ++i) {
        Write write;
        write.kind = static_cast<WriteKind>(dice.below(10) < 4 ? dice.below(2) : 2 + dice.below(2));
        write.start_ts = Timestamp(i * 4 + 3);
        const uint64_t commit_ts = write.kind == WriteKind::kRollback ? i * 4 + 3 : i * 4 + 4;
        if (write.kind == WriteKind::kPut && dice.below(4) != 0) write.short_value = fmt::format("v{}", i);
        if (write.changes_value()) {
          if (dice.below(8) == 0) write.gc_fence = Timestamp(dice.below(2) == 0 ? 0 : commit_ts + 40);
          last = LastChange::at(Timestamp(commit_ts), 0);
        } else if (write.kind == WriteKind::kLock && dice.below(2) == 0) {
          write.last_change = last;
        }
        if (last.is_at()) ++last.versions;
        add_write(key, commit_ts, std::move(write));
      }
      if (dice.below(3) == 0) {
        Lock lock;
        lock.kind = static_cast<LockKind>(dice.below(3));
        lock.primary = dice.below(2) == 0 ? key : "other";
        lock.start_ts = Timestamp(1 + dice.below(170));
        lock.short_value = "locked";
        if (dice.below(2) == 0) lock.min_commit_ts = Timestamp(lock.start_ts.value + dice.below(20));
        add_lock(key, std::move(lock));
      } else if (dice.below(3) == 0) {
        add_shared_lock(key, 1 + dice.below(170));
      }
    }
  }

  std::vector<std::pair<Bytes, Bytes>> scan(const ReadOptions& options, bool reverse) {
    const auto snapshot = store.snapshot_now();
    auto scanner = reverse ? backward_scanner(*snapshot, options, {}) : forward_scanner(*snapshot, options, {});
    std::vector<std::pair<Bytes, Bytes>> rows;
    while (true) {
      auto row = scanner->next();
      CHECK(row.ok(), "{}", row.error().message);
      if (!*row) break;
      rows.emplace_back((*row)->user_key, (*row)->error ? "!" : (*row)->value);
    }
    if (reverse) std::reverse(rows.begin(), rows.end());
    return rows;
  }

  // By views, over these ranges of user keys one after the other; it ends at a conflict.
  std::vector<std::pair<Bytes, Bytes>> view(const ReadOptions& options, bool reverse,
                                            const std::vector<std::pair<Bytes, Bytes>>& ranges) {
    const auto snapshot = store.snapshot_now();
    using Direction = ViewScanner::Direction;
    ViewScanner scanner(*snapshot, options, {{}, {}, false, reverse ? Direction::kBackward : Direction::kForward});
    std::vector<std::pair<Bytes, Bytes>> rows;
    for (const auto& [lower, upper] : ranges) {
      scanner.start(lower.empty() ? Bytes() : codec::encode_bytes(lower),
                    upper.empty() ? Bytes() : codec::encode_bytes(upper));
      while (true) {
        const auto has_pair = scanner.next();
        if (!has_pair.ok()) {
          rows.emplace_back("", "!");
          return rows;
        }
        if (!*has_pair) break;
        rows.emplace_back(scanner.user_key(), scanner.value());
      }
    }
    return rows;
  }
};

// What a scan that ends at the first conflict shows of the rows.
std::vector<std::pair<Bytes, Bytes>> up_to_conflict(std::vector<std::pair<Bytes, Bytes>> rows, bool reverse,
                                                    const Bytes& lower, const Bytes& upper) {
  std::erase_if(rows, [&](const auto& row) { return row.first < lower || (!upper.empty() && row.first >= upper); });
  if (reverse) std::reverse(rows.begin(), rows.end());
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].second != "!") continue;
    rows[i].first.clear();
    rows.resize(i + 1);
  }
  return rows;
}

TEST(Scanner, SeesWhatTheModelSees) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    runtime::Random dice(seed);
    Data data;
    data.fill(dice);
    for (int i = 0; i < 25; ++i) {
      ReadOptions options;
      options.read_ts = i == 0 ? Timestamp::max() : Timestamp(dice.below(175));
      options.isolation = dice.below(2) == 0 ? IsolationLevel::kSi : static_cast<IsolationLevel>(dice.below(3));
      const auto expected = data.model.scan(options);
      ASSERT_EQ(data.scan(options, false), expected) << "seed " << seed << " ts " << options.read_ts.value;
      ASSERT_EQ(data.scan(options, true), expected) << "seed " << seed << " ts " << options.read_ts.value;
      for (const bool reverse : {false, true}) {
        ASSERT_EQ(data.view(options, reverse, {{"", ""}}), up_to_conflict(expected, reverse, "", ""))
            << "seed " << seed << " ts " << options.read_ts.value;
        ASSERT_EQ(data.view(options, reverse, {{"a", "aa"}}), up_to_conflict(expected, reverse, "a", "aa"))
            << "seed " << seed << " ts " << options.read_ts.value;
      }

      const auto snapshot = data.store.snapshot_now();
      PointGetter getter(*snapshot, options);
      for (const auto& [key, history] : data.model.keys) {
        const auto value = getter.get(Key::from_user(key));
        const std::optional<Bytes> got = !value.ok() ? std::optional<Bytes>("!")
                                         : *value    ? std::optional((*value)->value)
                                                     : std::nullopt;
        ASSERT_EQ(got, Model::read(key, history, options)) << "seed " << seed << " ts " << options.read_ts.value;
      }
    }
  }
}

// A snapshot under which the engine collects garbage: iterators opened late do not see what nobody reads.
class CollectedMeanwhile final : public engine::RegionSnapshot {
 public:
  // Of the write column family the first iterator sees `before`, all others `after`.
  CollectedMeanwhile(engine::RegionSnapshotPtr before, engine::RegionSnapshotPtr after)
      : before_(std::move(before)), after_(std::move(after)) {}
  engine::Result<std::optional<Bytes>> get(engine::Cf cf, ByteView key, engine::ReadTier tier) const override {
    return after_->get(cf, key, tier);
  }
  std::unique_ptr<engine::Iterator> iterator(engine::Cf cf, engine::IterOptions options) const override {
    const bool is_first = cf == engine::Cf::kWrite && !std::exchange(has_opened_, true);
    return (is_first ? before_ : after_)->iterator(cf, std::move(options));
  }
  RegionId region_id() const override { return before_->region_id(); }
  Term term() const override { return before_->term(); }
  cairn::Result<engine::WriteBasis, engine::RegionError> write_basis() const override { return before_->write_basis(); }
  LogIndex applied_index() const override { return before_->applied_index(); }
  ByteView start_key() const override { return before_->start_key(); }
  ByteView end_key() const override { return before_->end_key(); }

 private:
  const engine::RegionSnapshotPtr before_, after_;
  mutable bool has_opened_ = false;
};

TEST(Scanner, GarbageMayBeCollectedWhileItIsUnderWay) {
  Data before, after;
  const Write value{.kind = WriteKind::kPut, .start_ts = Timestamp(3), .short_value = "v"};
  for (Data* data : {&before, &after}) {
    data->add_write("a", 4, value);
    data->add_write("c", 4, value);
  }
  for (uint64_t ts = 5; ts < 25; ++ts) before.add_write("b", ts, Write::rollback(Timestamp(ts), false));
  before.add_write("c", 6, Write::rollback(Timestamp(6), false));
  for (const auto isolation : {IsolationLevel::kSi, IsolationLevel::kRc, IsolationLevel::kRcCheckTs}) {
    for (const bool is_reverse : {false, true}) {
      const CollectedMeanwhile snapshot(before.store.snapshot_now(), after.store.snapshot_now());
      ReadOptions options;
      options.read_ts = Timestamp(30);
      options.isolation = isolation;
      auto scanner = is_reverse ? backward_scanner(snapshot, options, {}) : forward_scanner(snapshot, options, {});
      std::vector<Bytes> keys;
      while (auto row = scanner->next().value()) keys.push_back(row->user_key);
      EXPECT_EQ(keys, is_reverse ? (std::vector<Bytes>{"c", "a"}) : (std::vector<Bytes>{"a", "c"}));
    }
  }
}

// A snapshot that counts how often its iterators move.
class CountingSnapshot final : public engine::RegionSnapshot {
 public:
  CountingSnapshot(engine::RegionSnapshotPtr inner, uint64_t* moves) : inner_(std::move(inner)), moves_(moves) {}
  engine::Result<std::optional<Bytes>> get(engine::Cf cf, ByteView key, engine::ReadTier tier) const override {
    return inner_->get(cf, key, tier);
  }
  std::unique_ptr<engine::Iterator> iterator(engine::Cf cf, engine::IterOptions options) const override {
    return std::make_unique<Counted>(inner_->iterator(cf, std::move(options)), moves_);
  }
  RegionId region_id() const override { return inner_->region_id(); }
  Term term() const override { return inner_->term(); }
  cairn::Result<engine::WriteBasis, engine::RegionError> write_basis() const override { return inner_->write_basis(); }
  LogIndex applied_index() const override { return inner_->applied_index(); }
  ByteView start_key() const override { return inner_->start_key(); }
  ByteView end_key() const override { return inner_->end_key(); }

 private:
  class Counted final : public engine::Iterator {
   public:
    Counted(std::unique_ptr<engine::Iterator> inner, uint64_t* moves) : inner_(std::move(inner)), moves_(moves) {}
    void seek(ByteView target) override { count().seek(target); }
    void seek_for_prev(ByteView target) override { count().seek_for_prev(target); }
    void seek_to_first() override { count().seek_to_first(); }
    void seek_to_last() override { count().seek_to_last(); }
    void next() override { count().next(); }
    void prev() override { count().prev(); }
    bool valid() const override { return inner_->valid(); }
    ByteView key() const override { return inner_->key(); }
    ByteView value() const override { return inner_->value(); }
    engine::Result<void> status() const override { return inner_->status(); }

   private:
    engine::Iterator& count() {
      ++*moves_;
      return *inner_;
    }
    std::unique_ptr<engine::Iterator> inner_;
    uint64_t* moves_;
  };
  engine::RegionSnapshotPtr inner_;
  uint64_t* moves_;
};

// A key with `chain` records between two others: PUTs, or one PUT under LOCK records that say where it is. The moves of
// a point read and of both scans, at a timestamp in the middle and at the newest.
uint64_t moves_over_chain(uint64_t chain, WriteKind kind) {
  Data data;
  engine::WriteData records;
  for (const Bytes key : {"a", "b", "c"}) {
    for (uint64_t i = 0; i < (key == "b" ? chain : 1); ++i) {
      Write write{.kind = i == 0 ? WriteKind::kPut : kind, .start_ts = Timestamp(i * 4 + 3), .short_value = "v"};
      if (write.kind == WriteKind::kLock) {
        write.short_value.reset();
        write.last_change = LastChange::at(Timestamp(4), i);
      }
      const Bytes at = codec::append_ts(codec::encode_bytes(key), Timestamp(i * 4 + 4));
      records.changes.push_back(engine::Modify::put(engine::Cf::kWrite, at, write.encode()));
    }
  }
  CHECK(data.store.write_now(records).ok(), "{} records are not written", records.changes.size());
  uint64_t moves = 0;
  const CountingSnapshot snapshot(data.store.snapshot_now(), &moves);
  for (const Timestamp ts : {Timestamp(chain * 2), Timestamp::max()}) {
    ReadOptions options;
    options.read_ts = ts;
    const auto value = PointGetter(snapshot, options).get(Key::from_user("b"));
    EXPECT_TRUE(value.ok() && *value) << "chain " << chain;
    for (bool is_reverse : {false, true}) {
      auto scanner = is_reverse ? backward_scanner(snapshot, options, {}) : forward_scanner(snapshot, options, {});
      int rows = 0;
      while (scanner->next().value().has_value()) ++rows;
      EXPECT_EQ(rows, 3);
    }
  }
  return moves;
}

TEST(Scanner, AKeyWithAHundredThousandVersionsIsReadInAsManyMovesAsOneWithFifty) {
  for (const WriteKind kind : {WriteKind::kPut, WriteKind::kLock}) {
    const uint64_t few = moves_over_chain(50, kind);
    EXPECT_LE(few, 250u) << static_cast<int>(kind);
    EXPECT_EQ(moves_over_chain(100'000, kind), few) << static_cast<int>(kind);
  }
}

TEST(Scanner, ADamagedRecordIsAnErrorNotAnEnd) {
  Data data;
  data.add_write("a", 4, Write{.kind = WriteKind::kPut, .start_ts = Timestamp(3), .short_value = "v"});
  data.put(engine::Modify::put(engine::Cf::kWrite, codec::append_ts(codec::encode_bytes("b"), Timestamp(4)), "?"));
  const auto snapshot = data.store.snapshot_now();
  ReadOptions options;
  options.read_ts = Timestamp(9);
  auto scanner = forward_scanner(*snapshot, options, {});
  auto first = scanner->next();
  ASSERT_TRUE(first.ok() && *first);
  auto second = scanner->next();
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error().kind, engine::Error::Kind::kCorruption);
}

TEST(MvccReader, AMissingLongValueIsCorruption) {
  Data data;
  data.put(engine::Modify::put(engine::Cf::kWrite, codec::append_ts(codec::encode_bytes("a"), Timestamp(4)),
                               Write{.kind = WriteKind::kPut, .start_ts = Timestamp(3)}.encode()));
  const auto snapshot = data.store.snapshot_now();
  ReadOptions options;
  options.read_ts = Timestamp(9);
  auto value = PointGetter(*snapshot, options).get(Key::from_user("a"));
  ASSERT_FALSE(value.ok());
  EXPECT_TRUE(std::holds_alternative<engine::Error>(value.error()));
}

}  // namespace
}  // namespace cairn::mvcc
