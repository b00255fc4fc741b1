#include "pd/keyspace/keyspaces.h"

#include <gtest/gtest.h>

#include "pd/meta/meta_store.h"

namespace cairn::pd {
namespace {

using keyspacepb::KeyspaceMeta;

class Keyspaces : public testing::Test {
 protected:
  std::string create(const std::string& name) {
    auto change = create_keyspace(store_.own(), keys_, name, 100);
    if (!change.ok()) return change.error();
    commit(change->writes);
    return std::to_string(change->keyspace.id());
  }
  std::string move(const std::string& name, keyspacepb::KeyspaceState to) {
    auto change = change_keyspace_state(store_.own(), keys_, *find_keyspace(store_.own(), keys_, name), to, 200);
    if (!change.ok()) return change.error();
    commit(change->writes);
    return "";
  }
  void commit(const MetaTxn& txn) {
    const auto result = store_.apply(MetaStore::encode_own(txn));
    ASSERT_TRUE(result.ok() && result->txn.succeeded());
  }

  MetaStore store_;
  Keys keys_{7};
};

TEST_F(Keyspaces, DefaultHasIdZeroAndTheOthersCountFromOne) {
  EXPECT_EQ(create("a"), "1");
  EXPECT_EQ(create("DEFAULT"), "0");
  EXPECT_EQ(create("b"), "2");
  EXPECT_EQ(create("a"), "keyspace a already exists");
  EXPECT_EQ(find_keyspace(store_.own(), keys_, "b")->id(), 2u);
  EXPECT_EQ(find_keyspace(store_.own(), keys_, 1)->name(), "a");
  EXPECT_EQ(find_keyspace(store_.own(), keys_, 1)->created_at(), 100);
  EXPECT_FALSE(find_keyspace(store_.own(), keys_, "c"));
  EXPECT_FALSE(find_keyspace(store_.own(), keys_, 3));
}

TEST_F(Keyspaces, AreListedInTheOrderOfIds) {
  EXPECT_EQ(create("DEFAULT"), "0");
  for (int i = 1; i <= 12; ++i) EXPECT_EQ(create("k" + std::to_string(i)), std::to_string(i));
  const auto names = [&](uint32_t start, uint32_t limit) {
    std::string out;
    for (const auto& keyspace : list_keyspaces(store_.own(), keys_, start, limit)) out += keyspace.name() + " ";
    return out;
  };
  EXPECT_EQ(names(9, 2), "k9 k10 ");
  EXPECT_EQ(names(11, 0), "k11 k12 ");
  EXPECT_EQ(list_keyspaces(store_.own(), keys_, 0, 0).size(), 13u);
}

TEST_F(Keyspaces, NamesAreShortAndPlain) {
  EXPECT_EQ(refuse_keyspace_name("tenant-1_B"), "");
  for (const char* bad : {"", "a/b", "white space", "far-too-long-a-name-for-it"}) {
    EXPECT_NE(refuse_keyspace_name(bad), "") << bad;
    EXPECT_NE(create(bad).find("illegal keyspace name"), std::string::npos) << bad;
  }
}

TEST_F(Keyspaces, StatesChangeStepByStepAndDefaultStays) {
  EXPECT_EQ(create("DEFAULT"), "0");
  EXPECT_EQ(create("a"), "1");
  EXPECT_EQ(move("DEFAULT", keyspacepb::DISABLED), "cannot modify default keyspace's state");
  EXPECT_EQ(move("a", keyspacepb::ARCHIVED), "cannot change keyspace state from ENABLED to ARCHIVED");
  EXPECT_EQ(move("a", keyspacepb::ENABLED), "") << "it is already";
  EXPECT_EQ(find_keyspace(store_.own(), keys_, "a")->state_changed_at(), 100);
  EXPECT_EQ(move("a", keyspacepb::DISABLED), "");
  EXPECT_EQ(find_keyspace(store_.own(), keys_, "a")->state_changed_at(), 200);
  EXPECT_EQ(move("a", keyspacepb::ENABLED), "");
  EXPECT_EQ(move("a", keyspacepb::DISABLED), "");
  EXPECT_EQ(move("a", keyspacepb::ARCHIVED), "");
  EXPECT_EQ(move("a", keyspacepb::ENABLED), "cannot change keyspace state from ARCHIVED to ENABLED");
  EXPECT_EQ(move("a", keyspacepb::TOMBSTONE), "");
  EXPECT_EQ(move("a", keyspacepb::DISABLED), "cannot change keyspace state from TOMBSTONE to DISABLED");
}

}  // namespace
}  // namespace cairn::pd
