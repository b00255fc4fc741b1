#include "store/split_keys.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "engine/memory/memory_engine.h"

namespace cairn::store {
namespace {

class SplitKeys : public testing::Test {
 protected:
  void put(engine::Cf cf, const Bytes& key, size_t bytes) {
    auto batch = kv_->new_batch();
    batch->put(cf, "z" + key, Bytes(bytes, 'v'));
    ASSERT_TRUE(kv_->write(*batch).ok());
  }
  std::unique_ptr<engine::KvEngine> kv_ = engine::open_memory_kv(std::make_shared<engine::MemoryDisk>());
  metapb::Region region_;
};

TEST_F(SplitKeys, PlainKeysAreHalvedByTheirBytes) {
  for (char c = 'a'; c <= 'z'; ++c) put(engine::Cf::kDefault, Bytes(1, c), c < 'f' ? 1000 : 10);
  auto keys = find_split_keys(*kv_, rawkv::ApiVersion::kV1, region_, 2);
  ASSERT_TRUE(keys.ok());
  ASSERT_EQ(keys->size(), 1u);
  EXPECT_GE(keys->front(), "c");
  EXPECT_LE(keys->front(), "e");
}

TEST_F(SplitKeys, VersionsOfOneRowAreNotParted) {
  for (char c : {'a', 'b'}) {
    for (uint64_t ts = 1; ts <= 50; ++ts) {
      put(engine::Cf::kWrite, codec::append_ts(codec::encode_bytes(Bytes(1, c)), Timestamp(ts)), 10);
    }
  }
  auto keys = find_split_keys(*kv_, rawkv::ApiVersion::kV1, region_, 2);
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(*keys, std::vector<Bytes>{codec::encode_bytes("b")});
}

TEST_F(SplitKeys, ARegionOfOneKeyCannotBeSplit) {
  put(engine::Cf::kDefault, "k", 1000);
  region_.set_start_key("k");
  auto keys = find_split_keys(*kv_, rawkv::ApiVersion::kV1, region_, 4);
  ASSERT_TRUE(keys.ok());
  EXPECT_TRUE(keys->empty());
}

TEST_F(SplitKeys, VersionsOfOneRawKeyOfV2AreNotParted) {
  for (const char* key : {"ra", "rb"}) {
    for (uint64_t ts = 1; ts <= 50; ++ts) {
      put(engine::Cf::kDefault, codec::append_ts(codec::encode_bytes(key), Timestamp(ts)), 10);
    }
  }
  put(engine::Cf::kWrite, codec::append_ts(codec::encode_bytes("xa"), Timestamp(1)), 10);  // hardly a transaction
  auto keys = find_split_keys(*kv_, rawkv::ApiVersion::kV2, region_, 2);
  ASSERT_TRUE(keys.ok());
  EXPECT_EQ(*keys, std::vector<Bytes>{codec::encode_bytes("rb")});
}

}  // namespace
}  // namespace cairn::store
