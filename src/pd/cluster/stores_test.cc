// The rules for stores and versions.
#include "pd/cluster/stores.h"

#include <gtest/gtest.h>

namespace cairn::pd {
namespace {

metapb::Store store(uint64_t id, const std::string& version = "8.5.0") {
  metapb::Store out;
  out.set_id(id);
  out.set_address("s" + std::to_string(id));
  out.set_version(version);
  return out;
}

class StoresTest : public testing::Test {
 protected:
  void put(const metapb::Store& wanted) {
    auto record = stores_.put(wanted);
    ASSERT_TRUE(record.ok()) << record.error().message();
    stores_.set_cluster_version(stores_.version_with(*record));
    stores_.set(*record, now_);
  }

  ScheduleConfig config_;
  Stores stores_{config_};
  Instant now_{std::chrono::hours(1)};
};

TEST(Version, SortsLikeSemver) {
  const char* sorted[] = {"7.9.9", "8.0.0-alpha", "8.0.0-alpha.2", "8.0.0-alpha.10", "8.0.0-beta", "v8.0.0", "8.1.0+x"};
  for (size_t i = 0; i + 1 < std::size(sorted); ++i) {
    EXPECT_LT(*Version::parse(sorted[i]), *Version::parse(sorted[i + 1])) << sorted[i];
  }
  EXPECT_FALSE(Version::parse("8.1"));
  EXPECT_FALSE(Version::parse("latest"));
}

TEST_F(StoresTest, TheClusterVersionIsTheLowestAndNeverFalls) {
  put(store(1, "8.5.0"));
  EXPECT_EQ(stores_.cluster_version().to_string(), "8.5.0");
  put(store(2, "8.5.3"));
  EXPECT_EQ(stores_.cluster_version().to_string(), "8.5.0");
  put(store(1, "8.6.0"));
  EXPECT_EQ(stores_.cluster_version().to_string(), "8.5.3");
  EXPECT_TRUE(stores_.put(store(3, "8.5.0")).ok());  // an older patch of the same series may join
  EXPECT_EQ(stores_.put(store(3, "8.4.9")).error().message(),
            "version should compatible with version  8.5.3, got 8.4.9");
}

TEST_F(StoresTest, ATombstoneMayNotComeBack) {
  put(store(1));
  auto gone = store(2);
  gone.set_state(metapb::Tombstone);
  gone.set_node_state(metapb::Removed);
  stores_.set(gone, now_);
  EXPECT_EQ(stores_.put(store(2)).error().type(), pdpb::STORE_TOMBSTONE);
  pdpb::StoreStats stats;
  stats.set_store_id(2);
  EXPECT_EQ(stores_.heartbeat(stats, now_, {}).error().type(), pdpb::STORE_TOMBSTONE);
  auto heir = store(3);
  heir.set_address("s2");
  EXPECT_TRUE(stores_.put(heir).ok());
}

TEST_F(StoresTest, LabelsAreMerged) {
  auto labelled = store(1);
  labelled.add_labels()->set_key("zone");
  labelled.mutable_labels(0)->set_value("a");
  put(labelled);
  labelled.mutable_labels(0)->set_key("host");
  const auto record = stores_.put(labelled);
  EXPECT_EQ(record->labels_size(), 2);
  labelled.mutable_labels(0)->set_key("Zone");
  labelled.mutable_labels(0)->set_value("b");
  const auto moved = stores_.put(labelled);
  ASSERT_EQ(moved->labels_size(), 1) << "the case of a key does not count";
  EXPECT_EQ(moved->labels(0).value(), "b");
  labelled.mutable_labels(0)->set_value("");
  EXPECT_EQ(stores_.put(labelled)->labels_size(), 0) << "an empty value takes a label away";
}

TEST_F(StoresTest, ANewStoreIsNeitherDestroyedNorHeardWhateverItSays) {
  auto wanted = store(1);
  wanted.set_physically_destroyed(true);
  wanted.set_last_heartbeat(INT64_MIN);
  wanted.set_state(metapb::Tombstone);
  put(wanted);
  const auto& meta = stores_.get(StoreId(1))->meta;
  EXPECT_EQ(meta.state(), metapb::Up);
  EXPECT_FALSE(meta.physically_destroyed());
  EXPECT_EQ(meta.last_heartbeat(), 0);
}

TEST_F(StoresTest, AStoreThatGoesHoldsTheClusterVersionBackNoLonger) {
  put(store(1, "8.5.0"));
  put(store(2, "8.6.0"));
  auto gone = stores_.get(StoreId(1))->meta;
  gone.set_state(metapb::Tombstone);
  gone.set_node_state(metapb::Removed);
  EXPECT_EQ(stores_.version_with(gone).to_string(), "8.6.0");
}

TEST_F(StoresTest, HealthFollowsSilence) {
  put(store(1));
  const auto& info = *stores_.get(StoreId(1));
  EXPECT_EQ(stores_.health(info, now_ + std::chrono::seconds(20)), StoreHealth::kUp);
  EXPECT_EQ(stores_.health(info, now_ + std::chrono::seconds(21)), StoreHealth::kDisconnected);
  EXPECT_EQ(stores_.health(info, now_ + std::chrono::minutes(31)), StoreHealth::kDown);
}

TEST_F(StoresTest, AStoreIsNotEmptiedIfTooFewWouldBeLeftUnlessItIsLost) {
  for (uint64_t id = 1; id <= 3; ++id) put(store(id));
  EXPECT_EQ(stores_.remove(StoreId(1), Stores::Loss::kLeaves).error(),
            "can not remove store 1 since the number of up stores would be 2 while need 3");
  const auto lost = stores_.remove(StoreId(1), Stores::Loss::kPhysicallyDestroyed);
  ASSERT_TRUE(lost.ok());
  EXPECT_EQ(lost->node_state(), metapb::Removing);
  EXPECT_TRUE(lost->physically_destroyed());
  put(store(4));
  const auto record = stores_.remove(StoreId(1), Stores::Loss::kLeaves);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(record->node_state(), metapb::Removing);
  EXPECT_FALSE(record->physically_destroyed());
}

TEST_F(StoresTest, TheWayOut) {
  for (uint64_t id = 1; id <= 4; ++id) put(store(id));
  auto remove = [&](Stores::Loss loss) {
    auto record = stores_.remove(StoreId(1), loss);
    if (!record.ok()) return record.error();
    stores_.set(*record, now_);
    return std::string();
  };
  auto cancel = [&] {
    auto record = stores_.cancel_removal(StoreId(1));
    if (!record.ok()) return record.error();
    stores_.set(*record, now_);
    return std::string();
  };
  EXPECT_EQ(cancel(), "") << "it is up";
  EXPECT_EQ(remove(Stores::Loss::kLeaves), "");
  EXPECT_EQ(remove(Stores::Loss::kLeaves), "") << "twice is once";
  EXPECT_EQ(stores_.health(*stores_.get(StoreId(1)), now_ + std::chrono::hours(9)), StoreHealth::kOffline);
  EXPECT_EQ(cancel(), "");
  EXPECT_EQ(stores_.get(StoreId(1))->meta.node_state(), metapb::Serving);
  EXPECT_EQ(remove(Stores::Loss::kLeaves), "");
  EXPECT_EQ(remove(Stores::Loss::kPhysicallyDestroyed), "") << "it turns out to be lost";
  EXPECT_EQ(cancel(), "store 1 has been physically destroyed");
  EXPECT_EQ(remove(Stores::Loss::kLeaves), "store 1 has been physically destroyed");
  auto gone = stores_.get(StoreId(1))->meta;
  gone.set_state(metapb::Tombstone);
  gone.set_node_state(metapb::Removed);
  stores_.set(gone, now_);
  EXPECT_EQ(cancel(), "store 1 has been removed");
  EXPECT_EQ(remove(Stores::Loss::kLeaves), "store 1 has been removed");
  EXPECT_EQ(stores_.remove(StoreId(9), Stores::Loss::kLeaves).error(), "store 9 not found");
}

TEST_F(StoresTest, AnAddressIsFreeOnceItsStoreIsDestroyedOrGone) {
  put(store(1));
  auto heir = store(2);
  heir.set_address(store(1).address());
  EXPECT_FALSE(stores_.put(heir).ok());
  auto offline = stores_.get(StoreId(1))->meta;
  offline.set_state(metapb::Offline);
  offline.set_node_state(metapb::Removing);
  stores_.set(offline, now_);
  EXPECT_FALSE(stores_.put(heir).ok()) << "it is there until it is empty";
  offline.set_physically_destroyed(true);
  stores_.set(offline, now_);
  EXPECT_TRUE(stores_.put(heir).ok());
  auto crossed = store(3);
  put(heir);
  crossed.set_peer_address(heir.address());
  EXPECT_FALSE(stores_.put(crossed).ok()) << "a peer address is an address, too";
}

TEST_F(StoresTest, SilenceCountsThroughARestart) {
  put(store(1));
  const WallTime wall{std::chrono::hours(500'000)};
  pdpb::StoreStats stats;
  stats.set_store_id(1);
  ASSERT_TRUE(stores_.heartbeat(stats, now_, wall).ok());
  const auto record = stores_.get(StoreId(1))->meta;
  Stores after(config_);
  const Instant then{std::chrono::minutes(1)};
  after.load(record, then, wall + std::chrono::minutes(31));
  EXPECT_EQ(after.health(*after.get(StoreId(1)), then), StoreHealth::kDown);
  after.load(record, then, WallTime{wall.since_epoch - std::chrono::minutes(31)});
  EXPECT_EQ(after.health(*after.get(StoreId(1)), then), StoreHealth::kUp) << "the clock went back";
}

TEST_F(StoresTest, AHeartbeatIsSavedNowAndThen) {
  put(store(1));
  const WallTime wall{std::chrono::hours(500'000)};
  pdpb::StoreStats stats;
  stats.set_store_id(1);
  ASSERT_TRUE(stores_.heartbeat(stats, now_, wall).ok());
  EXPECT_TRUE(stores_.wants_heartbeat_saved(*stores_.get(StoreId(1))));
  stores_.set(stores_.get(StoreId(1))->meta, now_);
  ASSERT_TRUE(stores_.heartbeat(stats, now_, wall + std::chrono::minutes(5)).ok());
  EXPECT_FALSE(stores_.wants_heartbeat_saved(*stores_.get(StoreId(1))));
  ASSERT_TRUE(stores_.heartbeat(stats, now_, wall + std::chrono::minutes(6)).ok());
  EXPECT_TRUE(stores_.wants_heartbeat_saved(*stores_.get(StoreId(1))));
}

}  // namespace
}  // namespace cairn::pd
