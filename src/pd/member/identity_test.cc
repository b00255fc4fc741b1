// Who a member is.
#include "pd/member/identity.h"

#include <gtest/gtest.h>

#include "cairnpb.pb.h"
#include "engine/memory/memory_engine.h"

namespace cairn::pd {
namespace {

Identity some_identity() {
  auto members = parse_initial_cluster("a=http://a:1,b=http://b:1,b=http://b:2").value();
  return {.member_id = members[1].id, .group_id = group_id_of(members), .data_id = 7, .initial = members};
}

TEST(Identity, TheInitialClusterNamesItsMembers) {
  const auto members = parse_initial_cluster(" a=http://a:1 ,b=http://b:1,b=http://b:2,");
  ASSERT_TRUE(members.ok()) << members.error();
  ASSERT_EQ(members->size(), 2u);
  EXPECT_EQ(members->at(0).name, "a");
  EXPECT_EQ(members->at(1).peer_urls, (std::vector<std::string>{"http://b:1", "http://b:2"}));
  EXPECT_NE(members->at(0).id, members->at(1).id);
  for (const char* bad : {"a", "=http://a:1", "a=", "a=http://a:1,b=http://a:1"}) {
    EXPECT_FALSE(parse_initial_cluster(bad).ok()) << bad;
  }
}

TEST(Identity, IdsDependOnUrlsAndNotOnTheirOrder) {
  EXPECT_EQ(member_id_of({"x", "y"}), member_id_of({"y", "x"}));
  EXPECT_NE(member_id_of({"x", "y"}), member_id_of({"xy"}));
  auto members = some_identity().initial;
  const uint64_t group = group_id_of(members);
  std::swap(members[0], members[1]);
  EXPECT_EQ(group_id_of(members), group);
  members.pop_back();
  EXPECT_NE(group_id_of(members), group);
  EXPECT_NE(group_id_of(uint64_t{1}), group_id_of(uint64_t{2}));
}

TEST(Identity, WhatIsWrittenIsReadAgain) {
  const auto identity = some_identity();
  const auto again = decode_identity(encode_identity(identity));
  ASSERT_TRUE(again.ok()) << again.error();
  EXPECT_EQ(again->member_id, identity.member_id);
  EXPECT_EQ(again->group_id, identity.group_id);
  EXPECT_EQ(again->data_id, identity.data_id);
  EXPECT_EQ(again->initial.size(), identity.initial.size());
}

TEST(Identity, ARecordOfALaterFormatIsRefusedInWords) {
  cairnpb::MemberIdentity record;
  record.ParseFromString(encode_identity(some_identity()));
  record.set_format(2);
  const auto read = decode_identity(record.SerializeAsString());
  ASSERT_FALSE(read.ok());
  EXPECT_NE(read.error().find("it was written by a newer one"), std::string::npos) << read.error();
  EXPECT_FALSE(decode_identity("garbage").ok());
  EXPECT_FALSE(decode_identity("").ok());
}

TEST(Identity, AnEmptyDirectoryHasNone) {
  auto kv = engine::open_memory_kv(std::make_shared<engine::MemoryDisk>());
  EXPECT_TRUE(is_empty(*kv).value());
  EXPECT_FALSE(read_identity(*kv).value().has_value());
  auto batch = kv->new_batch();
  batch->put(engine::Cf::kDefault, kIdentityKey, encode_identity(some_identity()));
  ASSERT_TRUE(kv->write(*batch).ok());
  EXPECT_FALSE(is_empty(*kv).value());
  EXPECT_EQ(read_identity(*kv).value()->data_id, 7u);
}

}  // namespace
}  // namespace cairn::pd
