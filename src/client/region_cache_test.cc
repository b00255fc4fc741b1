#include "client/region_cache.h"

#include <gtest/gtest.h>

#include "client/region_reaction.h"
#include "client/testing/fake_cluster.h"

namespace cairn::client {
namespace {

using testing::make_region;

metapb::Region region(uint64_t id, Bytes start, Bytes end, uint64_t version) {
  return make_region(id, std::move(start), std::move(end), version, {1, 2, 3}, 1).meta;
}

TEST(RegionCache, FindsTheRegionThatHoldsTheKeyAndNoOther) {
  RegionCache cache;
  ASSERT_TRUE(cache.install(region(1, "b", "d", 1), {}));
  EXPECT_EQ(cache.find("b")->id, RegionId(1));
  EXPECT_EQ(cache.find("czz")->id, RegionId(1));
  EXPECT_FALSE(cache.find("a"));
  EXPECT_FALSE(cache.find("d"));
}

TEST(RegionCache, FindsTheRegionBeforeAKey) {
  RegionCache cache;
  cache.install(region(1, "", "d", 1), {});
  cache.install(region(2, "d", "", 1), {});
  EXPECT_EQ(cache.find_before("d")->id, RegionId(1));
  EXPECT_EQ(cache.find_before("da")->id, RegionId(2));
  EXPECT_EQ(cache.find_before("")->id, RegionId(2));
  cache.drop(RegionId(2));
  EXPECT_FALSE(cache.find_before(""));
  EXPECT_FALSE(cache.find_before("e"));
}

TEST(RegionCache, ASplitReplacesTheParentByItsParts) {
  RegionCache cache;
  cache.install(region(1, "a", "z", 1), {});
  EXPECT_TRUE(cache.install(region(2, "a", "m", 2), {}));
  EXPECT_TRUE(cache.install(region(1, "m", "z", 2), {}));
  EXPECT_EQ(cache.find("b")->id, RegionId(2));
  EXPECT_EQ(cache.find("n")->id, RegionId(1));
  EXPECT_EQ(cache.size(), 2u);
}

TEST(RegionCache, RefusesWhatIsOlderThanWhatItHas) {
  RegionCache cache;
  cache.install(region(1, "a", "m", 3), {});
  EXPECT_FALSE(cache.install(region(1, "a", "z", 2), {}));
  EXPECT_FALSE(cache.install(region(7, "a", "z", 2), {}));
  EXPECT_EQ(cache.find("b")->epoch.version(), 3u);
}

TEST(RegionCache, SwitchesLeadersAndForgetsARegionWhoseLeaderItDoesNotKnow) {
  RegionCache cache;
  const auto meta = region(1, "a", "z", 1);
  cache.install(meta, meta.peers(0));
  EXPECT_TRUE(cache.switch_leader(RegionId(1), meta.peers(2)));
  EXPECT_EQ(cache.find("b")->peer.id(), meta.peers(2).id());
  metapb::Peer stranger;
  stranger.set_id(999);
  EXPECT_FALSE(cache.switch_leader(RegionId(1), stranger));
  EXPECT_FALSE(cache.find("b"));
}

TEST(RegionCache, AFailedPeerIsLeftOnceHoweverManyReportIt) {
  RegionCache cache;
  const auto meta = region(1, "a", "z", 1);
  cache.install(meta, meta.peers(0));
  cache.next_peer(RegionId(1), PeerId(meta.peers(0).id()));
  cache.next_peer(RegionId(1), PeerId(meta.peers(0).id()));
  EXPECT_EQ(cache.find("b")->peer.id(), meta.peers(1).id());
}

TEST(RegionReaction, EachErrorHasItsOwn) {
  errorpb::Error error;
  error.mutable_not_leader();
  EXPECT_TRUE(std::holds_alternative<NextPeer>(react(error)));
  error.mutable_not_leader()->mutable_leader()->set_id(3);
  EXPECT_TRUE(std::holds_alternative<SwitchLeader>(react(error)));
  error.Clear();
  error.mutable_epoch_not_match();
  EXPECT_TRUE(std::holds_alternative<Reload>(react(error)));
  error.mutable_epoch_not_match()->add_current_regions();
  EXPECT_TRUE(std::holds_alternative<Install>(react(error)));
  error.Clear();
  error.mutable_server_is_busy()->set_backoff_ms(100);
  EXPECT_EQ(std::get<SameAgain>(react(error)).at_least, 100ms);
  error.Clear();
  error.mutable_region_not_initialized();
  EXPECT_TRUE(std::holds_alternative<NextPeer>(react(error))) << "it leads nothing";
  error.Clear();
  error.mutable_raft_entry_too_large();
  EXPECT_TRUE(std::holds_alternative<Hopeless>(react(error)));
  error.Clear();
  error.mutable_undetermined_result();
  EXPECT_TRUE(std::holds_alternative<Unknown>(react(error)));
  error.Clear();
  error.set_message("words only");
  EXPECT_TRUE(std::holds_alternative<NextPeer>(react(error)));
}

}  // namespace
}  // namespace cairn::client
