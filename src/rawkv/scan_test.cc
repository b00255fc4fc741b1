// Reads against a naive model: random histories of writes in each API version, then every kind of read over random
// ranges must show what a plain map holds.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>

#include "base/codec.h"
#include "base/crc.h"
#include "engine/memory/local_region_store.h"
#include "engine/memory/memory_engine.h"
#include "rawkv/rawkv.h"
#include "rawkv/testing/reader_now.h"
#include "rawkv/value.h"
#include "runtime/random.h"
#include "runtime/simulated/sim_loop.h"

namespace cairn::rawkv {
namespace {

constexpr uint64_t kNow = 1000;

// What is live.
using Model = std::map<Bytes, Bytes>;

class History {
 public:
  History(ApiVersion version, uint64_t seed) : version_(version), random_(seed) {
    for (int i = 0; i < 300; ++i) write_one();
  }

  // Few, of all lengths around the groups of eight, some prefixes of others.
  Bytes random_key() {
    Bytes key = "r";
    const size_t length = random_.below(10);
    for (size_t i = 0; i < length; ++i) key.push_back(random_.chance(0.7) ? '\0' : '\xFF');
    return key;
  }
  const Model& model() const { return model_; }
  engine::RegionSnapshotPtr snapshot() const { return store_.snapshot_now(); }
  runtime::Random& random() { return random_; }

 private:
  void write_one() {
    const Bytes key = random_key();
    const bool deletes = random_.chance(0.25);
    const bool has_expiry = version_ != ApiVersion::kV1 && random_.chance(0.4);
    const uint64_t expires = has_expiry ? (random_.chance(0.5) ? kNow : kNow + 1) : 0;  // gone, or just not yet
    Bytes value(random_.below(4), 'v');
    Bytes stored_key = engine_key(version_, key);
    engine::WriteData data;
    if (version_ == ApiVersion::kV2) {
      stored_key = codec::append_ts(stored_key, Timestamp(++ts_));
      data.changes.push_back(engine::Modify::put(
          engine::Cf::kDefault, stored_key, deletes ? encode_tombstone() : encode_value(version_, value, expires)));
    } else if (deletes) {
      data.changes.push_back(engine::Modify::del(engine::Cf::kDefault, stored_key));
    } else {
      data.changes.push_back(
          engine::Modify::put(engine::Cf::kDefault, stored_key, encode_value(version_, value, expires)));
    }
    ASSERT_TRUE(store_.write_now(data).ok());
    if (deletes || expires == kNow) {
      model_.erase(key);
    } else {
      model_[key] = value;
    }
  }

  const ApiVersion version_;
  runtime::Random random_;
  runtime::SimLoop loop_{1};
  runtime::SimClock clock_{loop_};
  runtime::SimExecutors executors_{loop_, clock_, "node"};
  std::shared_ptr<runtime::Executor> executor_ = executors_.make("shard");
  engine::LocalRegionStore store_{engine::open_memory_kv(std::make_shared<engine::MemoryDisk>()), *executor_};
  uint64_t ts_ = 0;
  Model model_;
};

std::vector<KvPair> forward(const Model& model, const Bytes& start, const Bytes& end, uint32_t limit, bool key_only) {
  std::vector<KvPair> out;
  for (auto it = model.lower_bound(start); it != model.end() && it->first < end && out.size() < limit; ++it) {
    out.push_back({it->first, key_only ? Bytes() : it->second});
  }
  return out;
}

std::vector<KvPair> backward(const Model& model, const Bytes& start, const Bytes& end, uint32_t limit, bool key_only) {
  auto all = forward(model, end, start, UINT32_MAX, key_only);
  std::reverse(all.begin(), all.end());
  if (all.size() > limit) all.resize(limit);
  return all;
}

class ScanModel : public testing::TestWithParam<ApiVersion> {};

TEST_P(ScanModel, EveryReadShowsWhatTheModelHolds) {
  for (uint64_t seed = 1; seed <= 30; ++seed) {
    History history(GetParam(), seed);
    const auto snapshot = history.snapshot();
    const Config config{.api_version = GetParam()};
    const ReaderNow reader(*snapshot, config, kNow);
    for (int i = 0; i < 60; ++i) {
      const Bytes a = history.random_key(), b = history.random().chance(0.2) ? Bytes("s") : history.random_key();
      const auto limit = static_cast<uint32_t>(history.random().below(12));
      const bool key_only = history.random().chance(0.3);
      const auto value = reader.get("", a);
      ASSERT_TRUE(value.ok());
      const auto found = history.model().find(a);
      ASSERT_EQ(value->has_value(), found != history.model().end()) << "seed " << seed << " key " << to_hex(a);
      if (*value) {
        ASSERT_EQ(**value, found->second);
      }
      const auto up = reader.scan("", {a, b, limit, key_only, false});
      ASSERT_TRUE(up.ok());
      ASSERT_EQ(*up, forward(history.model(), a, b, limit, key_only)) << "seed " << seed;
      const auto down = reader.scan("", {b, a, limit, key_only, true});
      ASSERT_TRUE(down.ok());
      ASSERT_EQ(*down, backward(history.model(), b, a, limit, key_only)) << "seed " << seed;
      const auto sum = reader.checksum({{a, b}});
      ASSERT_TRUE(sum.ok());
      uint64_t expected = 0;
      for (const auto& pair : forward(history.model(), a, b, UINT32_MAX, false)) {
        expected ^= crc64(pair.value, crc64(pair.key));
      }
      ASSERT_EQ(sum->checksum, expected) << "seed " << seed;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EachVersion, ScanModel, testing::Values(ApiVersion::kV1, ApiVersion::kV1Ttl, ApiVersion::kV2),
                         [](const auto& info) { return std::string(api_version_name(info.param)); });

}  // namespace
}  // namespace cairn::rawkv
