// Garbage collection against a naive model that keeps everything: random histories, safe points, partial compactions,
// forgotten leftovers, crashes with a replay of what was lost, and records that a replica without collection rewrites.
#include "mvcc/gc_collect.h"

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <set>

#include "base/codec.h"
#include "engine/memory/local_region_store.h"
#include "engine/memory/memory_engine.h"
#include "mvcc/gc_filter.h"
#include "mvcc/point_getter.h"
#include "mvcc/scanner.h"
#include "runtime/random.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::mvcc {
namespace {

using engine::Cf;

// As the engine has it.
Bytes data_key(const Bytes& user_key) { return "z" + codec::encode_bytes(user_key); }

constexpr size_t kLongValue = 300;

Write make_write(WriteKind kind, uint64_t start_ts, std::optional<Bytes> short_value = {}) {
  Write write;
  write.kind = kind;
  write.start_ts = Timestamp(start_ts);
  write.short_value = std::move(short_value);
  return write;
}

struct Leftovers final : GcSink, engine::CompactionFilterFactory {
  void on_leftover(ByteView key) override { keys.insert(Bytes(key)); }
  void on_pass(const GcPass& pass) override { dropped += pass.dropped; }
  std::unique_ptr<engine::CompactionFilter> begin(Cf cf) override {
    if (cf != Cf::kWrite || !safe_point.is_set()) return nullptr;
    return std::make_unique<GcFilter>(safe_point, sink.lock());
  }
  std::weak_ptr<GcSink> sink;
  Timestamp safe_point;
  std::set<Bytes> keys;
  uint64_t dropped = 0;
};

// A replica: an engine that applies a log of changes, each once, from where a crash left it.
class Replica {
 public:
  Replica() { open(); }

  struct Change {
    Bytes key;  // user key
    uint64_t commit_ts = 0;
    Write write;
    std::optional<Bytes> value;  // for the default column family
  };
  void apply(const std::vector<Change>& log) {
    for (; applied_ < log.size(); ++applied_) {
      const Change& change = log[applied_];
      const Bytes key = data_key(change.key);
      auto batch = kv().new_batch();
      if (change.value) {
        batch->put(Cf::kDefault, codec::append_ts(key, change.write.start_ts), *change.value);
      }
      batch->put(Cf::kWrite, codec::append_ts(key, Timestamp(change.commit_ts)), change.write.encode());
      batch->put(Cf::kRaft, "applied", std::to_string(applied_ + 1));
      ASSERT_TRUE(kv().write(*batch).ok());
    }
  }
  void crash(runtime::Random& dice) {
    disk_->crash(dice, engine::CrashKind::kProcess);
    store_.reset();
    open();
  }
  void set_safe_point(Timestamp safe_point) { gc_->safe_point = safe_point; }
  void compact(const Bytes& begin, const Bytes& end) {
    std::atomic<bool> canceled{false};
    ASSERT_TRUE(kv().compact(Cf::kWrite, begin, end, canceled).ok());
  }
  // Collects the leftovers; some are forgotten, if `dice` are given.
  void collect(runtime::Random* dice, size_t changes_max) {
    for (const Bytes& key : std::exchange(gc_->keys, {})) {
      if (dice != nullptr && dice->below(4) == 0) continue;
      for (bool is_done = false; !is_done;) {
        auto batch = kv().new_batch();
        auto done = collect_garbage(*kv().snapshot(), key, gc_->safe_point, changes_max, *batch);
        ASSERT_TRUE(done.ok());
        ASSERT_TRUE(kv().write(*batch).ok());
        is_done = done->is_done;
        collected += done->records;
        if (dice != nullptr && dice->below(4) == 0) break;
      }
    }
  }
  engine::KvEngine& kv() { return store_->engine(); }
  engine::LocalRegionStore& store() { return *store_; }
  std::shared_ptr<Leftovers> gc() { return gc_; }
  size_t count(Cf cf) {
    size_t count = 0;
    auto snapshot = kv().snapshot();
    auto it = snapshot->iterator(cf, {});
    for (it->seek_to_first(); it->valid(); it->next()) ++count;
    return count;
  }
  // Every value has its record and every record its value, except for a fenced record whose value may be gone.
  void expect_no_orphans() {
    auto snapshot = kv().snapshot();
    std::set<Bytes> wanted;
    auto writes = snapshot->iterator(Cf::kWrite, {});
    for (writes->seek_to_first(); writes->valid(); writes->next()) {
      auto write = Write::decode(writes->value());
      if (write->kind != WriteKind::kPut || write->short_value) continue;
      wanted.insert(codec::append_ts(codec::split_ts(writes->key())->encoded_key, write->start_ts));
    }
    auto values = snapshot->iterator(Cf::kDefault, {});
    for (values->seek_to_first(); values->valid(); values->next()) {
      EXPECT_TRUE(wanted.contains(Bytes(values->key()))) << "an orphan: " << to_hex(values->key());
    }
  }
  uint64_t collected = 0;

 private:
  void open() {
    auto kv = engine::open_memory_kv(disk_);
    applied_ = 0;
    if (auto applied = kv->get(Cf::kRaft, "applied"); *applied) applied_ = std::stoul(**applied);
    gc_->sink = gc_;
    kv->set_compaction_filters(gc_);
    store_ = std::make_unique<engine::LocalRegionStore>(std::move(kv), *executor_);
  }

  runtime::SimLoop loop_{1};
  runtime::SimClock clock_{loop_};
  runtime::SimExecutors executors_{loop_, clock_, "node"};
  std::shared_ptr<runtime::Executor> executor_ = executors_.make("shard");
  std::shared_ptr<engine::MemoryDisk> disk_ =
      std::make_shared<engine::MemoryDisk>(engine::MemoryDiskOptions{.flush_bytes = 2000, .flush_lag = 3});
  std::shared_ptr<Leftovers> gc_ = std::make_shared<Leftovers>();
  std::unique_ptr<engine::LocalRegionStore> store_;
  size_t applied_ = 0;
};

// All that was ever written.
class History {
 public:
  explicit History(runtime::Random& dice) : dice_(dice) {}

  // A transaction on a random key, or the rollback of one, or a rollback that overlaps another's commit.
  void step() {
    const Bytes key(1, static_cast<char>('a' + dice_.below(5)));
    auto& records = keys_[key];
    const uint64_t start_ts = ++clock_;
    Replica::Change change{.key = key, .commit_ts = 0, .write = {}, .value = {}};
    switch (dice_.below(8)) {
      case 0:
        change.write = Write::rollback(Timestamp(start_ts), dice_.below(2) == 0);
        change.commit_ts = start_ts;
        break;
      case 1:
        change.write = make_write(WriteKind::kLock, start_ts);
        change.write.last_change = last_change(records);
        change.commit_ts = ++clock_;
        break;
      case 2:
        if (rewrite(key, records)) return;
        [[fallthrough]];
      case 3:
      case 4:
        change.write = make_write(WriteKind::kDelete, start_ts);
        change.commit_ts = ++clock_;
        break;
      default:
        change.write = make_write(WriteKind::kPut, start_ts);
        change.commit_ts = ++clock_;
        if (dice_.below(2) == 0) {
          change.write.short_value = fmt::format("v{}", start_ts);
        } else {
          change.value = Bytes(kLongValue, static_cast<char>('A' + start_ts % 26));
        }
        break;
    }
    records[change.commit_ts] = change.write;
    log.push_back(std::move(change));
  }

  std::optional<Bytes> read(const Bytes& key, uint64_t ts) const {
    const auto found = keys_.find(key);
    if (found == keys_.end()) return std::nullopt;
    for (auto it = found->second.rbegin(); it != found->second.rend(); ++it) {
      if (it->first > ts || !it->second.changes_value()) continue;
      if (it->second.kind == WriteKind::kDelete) return std::nullopt;
      return it->second.short_value.value_or(
          Bytes(kLongValue, static_cast<char>('A' + it->second.start_ts.value % 26)));
    }
    return std::nullopt;
  }
  // The fewest records that may be left of it.
  size_t live_records(uint64_t safe_point) const {
    size_t count = 0;
    for (const auto& [key, records] : keys_) {
      for (const auto& [commit_ts, write] : records) count += commit_ts > safe_point ? 1 : 0;
      if (read(key, safe_point)) ++count;
    }
    return count;
  }
  uint64_t now() const { return clock_; }
  const std::map<Bytes, std::map<uint64_t, Write>>& keys() const { return keys_; }
  std::vector<Replica::Change> log;

 private:
  static LastChange last_change(const std::map<uint64_t, Write>& records) {
    uint64_t versions = 0;
    for (auto it = records.rbegin(); it != records.rend(); ++it) {
      ++versions;
      if (it->second.changes_value()) return LastChange::at(Timestamp(it->first), versions);
    }
    return LastChange::not_exist();
  }
  // Someone's start_ts is the commit_ts of a record here, and he is rolled back: the leader has collected nothing and
  // still finds that record.
  bool rewrite(const Bytes& key, std::map<uint64_t, Write>& records) {
    if (records.empty()) return false;
    auto it = std::next(records.begin(), static_cast<long>(dice_.below(records.size())));
    if (it->second.kind == WriteKind::kRollback) return false;
    it->second.has_overlapped_rollback = true;
    Timestamp next;
    for (auto above = std::next(it); above != records.end() && !next.is_set(); ++above) {
      if (above->second.changes_value()) next = Timestamp(above->first);
    }
    it->second.gc_fence = next;
    log.push_back({.key = key, .commit_ts = it->first, .write = it->second, .value = {}});
    return true;
  }

  runtime::Random& dice_;
  uint64_t clock_ = 10;
  std::map<Bytes, std::map<uint64_t, Write>> keys_;
};

void expect_same_reads(Replica& replica, const History& history, uint64_t safe_point, const std::string& where) {
  const auto snapshot = replica.store().snapshot_now();
  for (uint64_t ts = safe_point; ts <= history.now() + 1; ++ts) {
    ReadOptions options;
    options.read_ts = Timestamp(ts);
    PointGetter getter(*snapshot, options);
    std::vector<std::pair<Bytes, Bytes>> expected;
    for (const auto& [key, records] : history.keys()) {
      const auto want = history.read(key, ts);
      if (want) expected.emplace_back(key, *want);
      const auto value = getter.get(Key::from_user(key));
      ASSERT_TRUE(value.ok()) << where << " key " << key << " ts " << ts;
      ASSERT_EQ(*value ? std::optional((*value)->value) : std::nullopt, want)
          << where << " key " << key << " ts " << ts << " safe point " << safe_point;
    }
    for (bool is_reverse : {false, true}) {
      auto scanner = is_reverse ? backward_scanner(*snapshot, options, {}) : forward_scanner(*snapshot, options, {});
      std::vector<std::pair<Bytes, Bytes>> rows;
      while (true) {
        auto row = scanner->next();
        ASSERT_TRUE(row.ok()) << where;
        if (!*row) break;
        rows.emplace_back((*row)->user_key, (*row)->value);
      }
      if (is_reverse) std::reverse(rows.begin(), rows.end());
      ASSERT_EQ(rows, expected) << where << " ts " << ts << (is_reverse ? " backwards" : " forwards");
    }
  }
}

TEST(Gc, readers_at_or_above_the_safe_point_see_what_they_saw_before) {
  uint64_t dropped = 0, collected = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const std::string where = fmt::format("seed {}", seed);
    runtime::Random dice(seed);
    History history(dice);
    Replica replica;
    uint64_t safe_point = 0;
    for (int round = 0; round < 40; ++round) {
      for (uint64_t steps = dice.below(8); steps > 0; --steps) history.step();
      replica.apply(history.log);
      switch (dice.below(7)) {
        case 0:
          ASSERT_TRUE(replica.kv().flush().ok());
          break;
        case 1:
          safe_point = dice.between(safe_point, history.now());
          replica.set_safe_point(Timestamp(safe_point));
          break;
        case 2:
          replica.crash(dice);
          replica.apply(history.log);
          break;
        case 3:
          replica.collect(&dice, 1 + dice.below(6));
          break;
        default: {
          const Bytes begin = data_key(Bytes(1, static_cast<char>('a' + dice.below(5))));
          replica.compact(dice.below(3) == 0 ? begin : "", dice.below(3) == 0 ? prefix_end(begin) : "");
          break;
        }
      }
      if (dice.below(3) == 0) expect_same_reads(replica, history, std::max<uint64_t>(1, safe_point), where);
      if (::testing::Test::HasFatalFailure()) return;
    }
    expect_same_reads(replica, history, std::max<uint64_t>(1, safe_point), where);
    replica.expect_no_orphans();
    dropped += replica.gc()->dropped;
    collected += replica.collected;
    if (::testing::Test::HasFailure()) return;
  }
  EXPECT_GT(dropped, 500u) << "the test is of no use";
  EXPECT_GT(collected, 500u);
}

TEST(Gc, in_the_end_nothing_is_left_but_what_readers_at_the_safe_point_need) {
  for (uint64_t seed = 100; seed < 130; ++seed) {
    runtime::Random dice(seed);
    History history(dice);
    Replica replica;
    for (int i = 0; i < 150; ++i) history.step();
    replica.apply(history.log);
    ASSERT_TRUE(replica.kv().flush().ok());
    const uint64_t safe_point = dice.between(10, history.now() + 1);
    replica.set_safe_point(Timestamp(safe_point));
    for (int round = 0; round < 12; ++round) {
      replica.compact("", "");
      replica.collect(nullptr, 5);
      ASSERT_TRUE(replica.kv().flush().ok());
    }
    expect_same_reads(replica, history, safe_point, fmt::format("seed {}", seed));
    EXPECT_EQ(replica.count(Cf::kWrite), history.live_records(safe_point)) << "seed " << seed;
    replica.expect_no_orphans();
  }
}

TEST(Gc, a_deletion_goes_only_together_with_all_that_it_hides) {
  Replica replica;
  const Bytes key = data_key("k");
  replica.apply({{"k", 4, make_write(WriteKind::kPut, 3, "old"), {}}, {"k", 8, make_write(WriteKind::kDelete, 7), {}}});
  auto batch = replica.kv().new_batch();
  auto part = collect_garbage(*replica.kv().snapshot(), key, Timestamp(9), 1, *batch);
  ASSERT_TRUE(part.ok());
  EXPECT_FALSE(part->is_done);
  ASSERT_TRUE(replica.kv().write(*batch).ok());
  EXPECT_EQ(*replica.kv().get(Cf::kWrite, codec::append_ts(key, Timestamp(4))), std::nullopt);
  EXPECT_NE(*replica.kv().get(Cf::kWrite, codec::append_ts(key, Timestamp(8))), std::nullopt);
  batch->clear();
  auto rest = collect_garbage(*replica.kv().snapshot(), key, Timestamp(9), 1, *batch);
  ASSERT_TRUE(rest.ok());
  ASSERT_TRUE(replica.kv().write(*batch).ok());
  EXPECT_EQ(replica.count(Cf::kWrite), 0u);
}

TEST(Gc, a_record_that_comes_back_from_a_replica_without_collection_stays_dead) {
  Replica replica;
  const Bytes key = data_key("k");
  std::vector<Replica::Change> log = {{"k", 4, make_write(WriteKind::kPut, 3), Bytes(kLongValue, 'x')},
                                      {"k", 8, make_write(WriteKind::kDelete, 7), {}}};
  replica.apply(log);
  auto batch = replica.kv().new_batch();
  ASSERT_TRUE(collect_garbage(*replica.kv().snapshot(), key, Timestamp(9), 100, *batch).ok());
  ASSERT_TRUE(replica.kv().write(*batch).ok());
  EXPECT_EQ(replica.count(Cf::kDefault), 0u);
  // A transaction that began at 4 is rolled back elsewhere, where the PUT committed at 4 is still there.
  Write again = make_write(WriteKind::kPut, 3);
  again.has_overlapped_rollback = true;
  again.gc_fence = Timestamp(8);
  log.push_back({"k", 4, again, {}});
  replica.apply(log);
  ReadOptions options;
  options.read_ts = Timestamp(9);
  const auto snapshot = replica.store().snapshot_now();
  auto value = PointGetter(*snapshot, options).get(Key::from_user("k"));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->has_value(), false);
  batch->clear();
  auto done = collect_garbage(*replica.kv().snapshot(), key, Timestamp(9), 100, *batch);
  EXPECT_EQ(done->records, 1u);
}

TEST(Gc, a_filter_keeps_what_is_no_write_record) {
  auto gc = std::make_shared<Leftovers>();
  GcFilter filter(Timestamp(100), gc);
  EXPECT_EQ(filter.judge("short", "x"), engine::CompactionFilter::Verdict::kKeep);
  EXPECT_EQ(filter.judge(codec::append_ts("raw", Timestamp(5)), "?"), engine::CompactionFilter::Verdict::kKeep);
  EXPECT_EQ(filter.judge(codec::append_ts("raw", Timestamp(4)), "?"), engine::CompactionFilter::Verdict::kKeep);
  EXPECT_TRUE(gc->keys.empty());
}

}  // namespace
}  // namespace cairn::mvcc
