#include "rawkv/gc.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/codec.h"
#include "engine/memory/memory_engine.h"
#include "runtime/random.h"

namespace cairn::rawkv {
namespace {

using Verdict = engine::CompactionFilter::Verdict;

constexpr uint64_t kNow = 1000;

Bytes data_key(const Bytes& user_key) { return "z" + codec::encode_bytes(user_key); }
Bytes version_key(const Bytes& user_key, uint64_t ts) { return codec::append_ts(data_key(user_key), Timestamp(ts)); }

TEST(RawGc, OfV2OldVersionsGoAndADeadOneIsLeftOver) {
  std::vector<Bytes> leftovers;
  VersionFilter filter(Timestamp(50), kNow, [&](ByteView key) { leftovers.emplace_back(key); });
  const Bytes live = encode_value(ApiVersion::kV2, "v", 0);
  const Bytes expired = encode_value(ApiVersion::kV2, "v", kNow);
  EXPECT_EQ(filter.judge(version_key("ra", 60), encode_tombstone()), Verdict::kKeep) << "above the safe point";
  EXPECT_EQ(filter.judge(version_key("ra", 50), live), Verdict::kKeep) << "the first at or below it";
  EXPECT_EQ(filter.judge(version_key("ra", 40), live), Verdict::kDrop);
  EXPECT_EQ(filter.judge(version_key("rb", 40), encode_tombstone()), Verdict::kKeep);
  EXPECT_EQ(filter.judge(version_key("rb", 30), live), Verdict::kDrop);
  EXPECT_EQ(filter.judge(version_key("rc", 40), expired), Verdict::kKeep);
  EXPECT_EQ(leftovers, (std::vector<Bytes>{data_key("rb"), data_key("rc")}));
  EXPECT_EQ(filter.judge(version_key("xa", 40), live), Verdict::kKeep);
  EXPECT_EQ(filter.judge(version_key("xa", 30), live), Verdict::kKeep) << "a transaction's value";
  EXPECT_EQ(filter.judge(version_key("rd", 40), live), Verdict::kKeep);
  EXPECT_EQ(filter.judge(version_key("rd", 30), "\x40"), Verdict::kKeep) << "unreadable";
}

TEST(RawGc, OfV1TtlWhatHasExpiredGoes) {
  ExpiryFilter filter(kNow);
  EXPECT_EQ(filter.judge("za", encode_value(ApiVersion::kV1Ttl, "v", kNow)), Verdict::kDrop);
  EXPECT_EQ(filter.judge("za", encode_value(ApiVersion::kV1Ttl, "v", kNow + 1)), Verdict::kKeep);
  EXPECT_EQ(filter.judge("za", encode_value(ApiVersion::kV1Ttl, "v", 0)), Verdict::kKeep);
  EXPECT_EQ(filter.judge(ByteView("\x01\x02", 2), encode_value(ApiVersion::kV1Ttl, "v", 1)), Verdict::kKeep);
  EXPECT_EQ(filter.judge("za", "short"), Verdict::kKeep);
}

// Random histories, of which each compaction sees a random part only: what a reader finds never changes, and what is
// collected by hand leaves nothing that may go.
class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {
    for (uint64_t ts = 1; ts <= 120; ++ts) {
      const Bytes key = Bytes("r") + static_cast<char>('a' + random_.below(5));
      const Bytes value = random_.chance(0.3)   ? encode_tombstone()
                          : random_.chance(0.3) ? encode_value(ApiVersion::kV2, "e", kNow)
                                                : encode_value(ApiVersion::kV2, std::to_string(ts), 0);
      stored_[version_key(key, ts)] = value;
    }
  }

  // What a read finds of each key.
  std::map<Bytes, Bytes> visible() const {
    std::map<Bytes, Bytes> out;
    std::set<Bytes> seen;
    for (const auto& [key, stored] : stored_) {
      const Bytes user(codec::split_ts(key)->encoded_key);
      if (!seen.insert(user).second) continue;
      const auto value = decode_value(ApiVersion::kV2, stored);
      if (value->is_live(kNow)) out[user] = Bytes(value->value);
    }
    return out;
  }
  void compact_a_part(Timestamp safe_point) {
    VersionFilter filter(safe_point, kNow, [&](ByteView key) { leftovers_.insert(Bytes(key)); });
    for (auto it = stored_.begin(); it != stored_.end();) {
      const bool is_seen = random_.chance(0.5);
      it = is_seen && filter.judge(it->first, it->second) == Verdict::kDrop ? stored_.erase(it) : std::next(it);
    }
  }
  void collect(Timestamp safe_point) {
    auto kv = engine::open_memory_kv(std::make_shared<engine::MemoryDisk>());
    auto all = kv->new_batch();
    for (const auto& [key, value] : stored_) all->put(engine::Cf::kDefault, key, value);
    ASSERT_TRUE(kv->write(*all).ok());
    while (!leftovers_.empty()) {
      const Bytes key = *leftovers_.begin();
      auto batch = kv->new_batch();
      const auto done = collect_versions(*kv->snapshot(), key, safe_point, kNow, 1 + random_.below(4), *batch);
      ASSERT_TRUE(done.ok());
      ASSERT_TRUE(kv->write(*batch).ok());
      if (done->is_done) leftovers_.erase(key);
      reload(*kv);
    }
  }
  bool has_garbage(Timestamp safe_point) const {
    std::map<Bytes, int> below;
    for (const auto& [key, stored] : stored_) {
      const auto parts = codec::split_ts(key);
      if (parts->ts > safe_point) continue;
      const bool is_live = decode_value(ApiVersion::kV2, stored)->is_live(kNow);
      if (++below[Bytes(parts->encoded_key)] > 1 || !is_live) return true;
    }
    return false;
  }
  runtime::Random& random() { return random_; }

 private:
  void reload(const engine::KvEngine& kv) {
    stored_.clear();
    const auto snapshot = kv.snapshot();
    const auto it = snapshot->iterator(engine::Cf::kDefault, {});
    for (it->seek_to_first(); it->valid(); it->next()) stored_[Bytes(it->key())] = Bytes(it->value());
  }

  runtime::Random random_;
  std::map<Bytes, Bytes> stored_;
  std::set<Bytes> leftovers_;
};

TEST(RawGc, NoCompactionAndNoCollectionChangesWhatAReadFinds) {
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    History history(seed);
    const auto before = history.visible();
    Timestamp safe_point;
    for (int round = 0; round < 6; ++round) {
      safe_point = Timestamp(safe_point.value + 1 + history.random().below(30));
      history.compact_a_part(safe_point);
      ASSERT_EQ(history.visible(), before) << "seed " << seed;
      if (history.random().chance(0.5)) history.collect(safe_point);
      ASSERT_EQ(history.visible(), before) << "seed " << seed;
    }
    for (int round = 0; round < 40; ++round) history.compact_a_part(safe_point);
    history.collect(safe_point);
    for (int round = 0; round < 40; ++round) history.compact_a_part(safe_point);
    history.collect(safe_point);
    ASSERT_EQ(history.visible(), before) << "seed " << seed;
    EXPECT_FALSE(history.has_garbage(safe_point)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace cairn::rawkv
