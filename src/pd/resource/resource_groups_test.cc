// The rules of resource groups.
#include "pd/resource/resource_groups.h"

#include <gtest/gtest.h>

namespace cairn::pd {
namespace {

namespace rm = resource_manager;

rm::ResourceGroup group(const std::string& name, uint64_t rate) {
  rm::ResourceGroup out;
  out.set_name(name);
  out.set_mode(rm::RUMode);
  out.set_priority(8);
  out.mutable_r_u_settings()->mutable_r_u()->mutable_settings()->set_fill_rate(rate);
  return out;
}

void put(MetaStore& store, const Bytes& key, const Bytes& value) {
  etcdserverpb::TxnRequest txn;
  txn.add_success()->mutable_request_put()->set_key(key);
  txn.mutable_success(0)->mutable_request_put()->set_value(value);
  ASSERT_TRUE(store.apply(MetaStore::encode_txn(txn))->status.ok());
}

TEST(ResourceGroups, TheDefaultIsThereFromTheStart) {
  MetaStore store;
  const GroupPlace place;
  ASSERT_EQ(list_groups(store, place).size(), 1u);
  const auto found = find_group(store, place, "default");
  ASSERT_TRUE(found);
  EXPECT_EQ(bucket_settings(*found), (TokenBucket::Settings{2147483647, -1}));
  put(store, place.key("default"), group("default", 7).SerializeAsString());
  ASSERT_EQ(list_groups(store, place).size(), 1u);
  EXPECT_EQ(bucket_settings(*find_group(store, place, "default")).fill_rate, 7u);
}

TEST(ResourceGroups, WhatCannotBeAGroupIsRefused) {
  EXPECT_EQ(refuse_group(group("a", 1)), "");
  auto bad = group("a", 1);
  bad.set_mode(rm::Unknown);
  EXPECT_NE(refuse_group(bad), "");
  bad.set_mode(rm::RawMode);
  EXPECT_NE(refuse_group(bad), "");
  bad = group("", 1);
  EXPECT_NE(refuse_group(bad), "");
  bad = group(std::string(33, 'a'), 1);
  EXPECT_NE(refuse_group(bad), "");
  bad = group("a", 1);
  bad.set_priority(17);
  EXPECT_NE(refuse_group(bad), "");
  bad = group("a", 1);
  bad.clear_r_u_settings();
  EXPECT_NE(refuse_group(bad), "");
}

TEST(ResourceGroups, WhatClientsSpoiltIsNoGroup) {
  MetaStore store;
  const GroupPlace place;
  put(store, place.key("a"), "garbage");
  put(store, place.key("b"), group("another", 1).SerializeAsString());
  put(store, place.key("default"), "garbage");
  EXPECT_FALSE(find_group(store, place, "a"));
  EXPECT_FALSE(find_group(store, place, "b"));
  EXPECT_TRUE(find_group(store, place, "default"));
}

TEST(ResourceGroups, KeyspacesHaveTheirOwn) {
  MetaStore store;
  rm::KeyspaceIDValue keyspace;
  EXPECT_EQ(place_of(keyspace).key("a"), "resource_group/settings/a");
  keyspace.set_value(5);
  EXPECT_EQ(place_of(keyspace).key("a"), "resource_group/keyspace/settings/5/a");
  put(store, GroupPlace().key("a"), group("a", 1).SerializeAsString());
  EXPECT_FALSE(find_group(store, place_of(keyspace), "a"));
}

TEST(ResourceGroups, AChangeKeepsTheMode) {
  auto change = group("a", 9);
  EXPECT_EQ(bucket_settings(*patch_group(group("a", 1), change)).fill_rate, 9u);
  change.set_mode(rm::RawMode);
  EXPECT_FALSE(patch_group(group("a", 1), change).ok());
}

}  // namespace
}  // namespace cairn::pd
