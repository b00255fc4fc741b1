#include "replica/known_stores.h"

#include <gtest/gtest.h>

namespace cairn::replica {
namespace {

metapb::Store store(uint64_t id, const std::string& key = {}, const std::string& value = {}) {
  metapb::Store out;
  out.set_id(id);
  if (key.empty()) return out;
  auto& label = *out.add_labels();
  label.set_key(key);
  label.set_value(value);
  return out;
}

TEST(KnownStores, WhoDoesNotSayOtherwiseIsTikv) {
  KnownStores stores(StoreId(1));
  EXPECT_TRUE(stores.is_ours(StoreId(1)));
  EXPECT_FALSE(stores.is_known(StoreId(2)));
  EXPECT_FALSE(stores.has_others());
  EXPECT_TRUE(stores.learn(store(2, "engine-family", "cairn")));
  EXPECT_TRUE(stores.is_ours(StoreId(2)));
  EXPECT_FALSE(stores.has_others());
  EXPECT_TRUE(stores.learn(store(3)));
  EXPECT_TRUE(stores.learn(store(4, "engine", "cairn")));
  EXPECT_TRUE(stores.learn(store(5, "engine-family", "another")));
  for (uint64_t id : {3, 4, 5}) {
    EXPECT_TRUE(stores.is_known(StoreId(id)));
    EXPECT_FALSE(stores.is_ours(StoreId(id)));
  }
  EXPECT_TRUE(stores.has_others());
}

TEST(KnownStores, ALabelMayComeLaterAndThenCountsForGood) {
  KnownStores stores(StoreId(1));
  EXPECT_TRUE(stores.learn_unknown(StoreId(2)));
  EXPECT_FALSE(stores.learn(store(2)));
  EXPECT_TRUE(stores.learn(store(2, "engine-family", "cairn")));
  EXPECT_FALSE(stores.has_others());
  EXPECT_FALSE(stores.learn(store(2)));
  EXPECT_FALSE(stores.learn_unknown(StoreId(2)));
  EXPECT_TRUE(stores.is_ours(StoreId(2)));
  EXPECT_FALSE(stores.learn(store(1)));
  EXPECT_TRUE(stores.is_ours(StoreId(1)));
}

TEST(KnownStores, BesideTikvTicksAddUpToItsElectionTimeout) {
  EXPECT_EQ(election_ticks_beside_tikv(50ms, 12), 200);
  EXPECT_EQ(election_ticks_beside_tikv(30ms, 12), 334);
  EXPECT_EQ(election_ticks_beside_tikv(1s, 20), 20);
  EXPECT_EQ(election_ticks_beside_tikv(1min, 2), 2);
}

}  // namespace
}  // namespace cairn::replica
