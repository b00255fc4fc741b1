#include "client/client.h"

#include <gtest/gtest.h>

#include "base/codec.h"
#include "client/testing/fake_cluster.h"

namespace cairn::client {
namespace {

using testing::FakeCluster;
using testing::make_region;
using testing::Trouble;

Trouble refused(errorpb::Error error) {
  error.set_message("scripted");
  Trouble trouble;
  trouble.region_error = std::move(error);
  return trouble;
}

TEST(Client, PutsAndGetsAcrossRegionsAskingPdOncePerRegion) {
  FakeCluster cluster;
  EXPECT_TRUE(cluster.run(cluster.client->raw_put("a", "1")).ok());
  EXPECT_TRUE(cluster.run(cluster.client->raw_put("z", "2")).ok());
  EXPECT_TRUE(cluster.run(cluster.client->raw_put("b", "")).ok());
  EXPECT_EQ(*cluster.run(cluster.client->raw_get("a")).value(), "1");
  EXPECT_EQ(*cluster.run(cluster.client->raw_get("z")).value(), "2");
  EXPECT_EQ(cluster.run(cluster.client->raw_get("b")).value(), std::optional<Bytes>(""));
  EXPECT_EQ(cluster.run(cluster.client->raw_get("c")).value(), std::nullopt);
  EXPECT_EQ(cluster.world.region_requests, 2);
}

TEST(Client, FollowsTheLeader) {
  FakeCluster cluster;
  ASSERT_TRUE(cluster.run(cluster.client->raw_put("a", "1")).ok());
  cluster.world.regions[0].leader_store = 3;
  ASSERT_TRUE(cluster.run(cluster.client->raw_put("a", "2")).ok());
  EXPECT_EQ(cluster.stores[3]->calls["raw_put"], 1);
  EXPECT_EQ(cluster.world.region_requests, 1) << "the error names the leader";
}

TEST(Client, LearnsASplitFromTheStore) {
  FakeCluster cluster;
  ASSERT_TRUE(cluster.run(cluster.client->raw_put("a", "1")).ok());
  cluster.world.regions = {make_region(1, "", "f", 6, {1, 2, 3}, 1),
                           make_region(3, "f", codec::encode_bytes("m"), 6, {1, 2, 3}, 2),
                           make_region(2, codec::encode_bytes("m"), "", 5, {1, 2, 3}, 2)};
  ASSERT_TRUE(cluster.run(cluster.client->raw_put("g", "2")).ok());
  EXPECT_EQ(cluster.world.raw["g"], "2");
  EXPECT_EQ(cluster.world.region_requests, 1);
}

TEST(Client, RetriesEveryRegionErrorThatPasses) {
  std::vector<std::function<void(errorpb::Error&)>> kinds = {
      [](auto& e) { e.mutable_not_leader(); },
      [](auto& e) { e.mutable_region_not_found(); },
      [](auto& e) { e.mutable_key_not_in_region(); },
      [](auto& e) { e.mutable_epoch_not_match(); },
      [](auto& e) { e.mutable_server_is_busy(); },
      [](auto& e) { e.mutable_stale_command(); },
      [](auto& e) { e.mutable_store_not_match(); },
      [](auto& e) { e.mutable_max_timestamp_not_synced(); },
      [](auto& e) { e.mutable_read_index_not_ready(); },
      [](auto& e) { e.mutable_proposal_in_merging_mode(); },
      [](auto& e) { e.mutable_data_is_not_ready(); },
      [](auto& e) { e.mutable_region_not_initialized(); },
      [](auto& e) { e.mutable_disk_full(); },
      [](auto& e) { e.mutable_mismatch_peer_id(); },
      [](auto&) {},
  };
  for (size_t i = 0; i < kinds.size(); ++i) {
    FakeCluster cluster;
    errorpb::Error error;
    kinds[i](error);
    cluster.stores[1]->troubles.push_back(refused(error));
    EXPECT_TRUE(cluster.run(cluster.client->raw_put("a", "1")).ok()) << i;
    EXPECT_EQ(cluster.world.raw["a"], "1") << i;
  }
}

TEST(Client, GivesUpWhenTheBudgetIsSpent) {
  FakeCluster cluster({.budget = 3s});
  errorpb::Error busy;
  busy.mutable_server_is_busy();
  for (auto& [id, store] : cluster.stores) store->troubles.assign(1000, refused(busy));
  const auto begin = cluster.clock.now();
  auto outcome = cluster.run(cluster.client->raw_put("a", "1"));
  ASSERT_FALSE(outcome.ok());
  EXPECT_TRUE(std::holds_alternative<GaveUp>(outcome.error())) << to_string(outcome.error());
  EXPECT_LE(cluster.clock.now() - begin, 4s);
  EXPECT_TRUE(cluster.world.raw.empty());
}

TEST(Client, ARawWriteWithoutAnswerIsUndeterminedAndSentOnce) {
  FakeCluster cluster;
  cluster.stores[1]->troubles.push_back({.region_error = {}, .status = {}, .is_lost_after = true});
  auto outcome = cluster.run(cluster.client->raw_put("a", "1"));
  ASSERT_FALSE(outcome.ok());
  EXPECT_TRUE(std::holds_alternative<Undetermined>(outcome.error()));
  EXPECT_EQ(cluster.stores[1]->calls["raw_put"], 1);
  // The next operation finds its way.
  EXPECT_EQ(cluster.run(cluster.client->raw_get("a")).value(), std::optional<Bytes>("1"));
}

TEST(Client, AReadWithoutAnswerIsRepeatedElsewhere) {
  FakeCluster cluster;
  cluster.world.raw["a"] = "1";
  cluster.stores[1]->troubles.push_back({.region_error = {}, .status = {}, .is_lost_before = true});
  EXPECT_EQ(cluster.run(cluster.client->raw_get("a")).value(), std::optional<Bytes>("1"));
}

TEST(Client, ARefusalInWordsIsFinal) {
  FakeCluster cluster;
  auto outcome = cluster.run(cluster.client->raw_put("forbidden", "1"));
  ASSERT_FALSE(outcome.ok());
  EXPECT_EQ(std::get<Refused>(outcome.error()).message, "not this key");
}

TEST(Client, ScansOverRegionsInBothDirections) {
  FakeCluster cluster({.scan_page = 2});
  std::vector<KeyValue> pairs;
  for (const char* key : {"a", "b", "c", "n", "o", "p", "q"}) pairs.push_back({key, "v"});
  ASSERT_TRUE(cluster.run(cluster.client->raw_batch_put(pairs)).ok());
  EXPECT_EQ(cluster.run(cluster.client->raw_scan("", "", 100)).value(), pairs);
  EXPECT_EQ(cluster.run(cluster.client->raw_scan("b", "p", 100)).value(),
            std::vector<KeyValue>(pairs.begin() + 1, pairs.begin() + 5));
  auto reversed = pairs;
  std::reverse(reversed.begin(), reversed.end());
  EXPECT_EQ(cluster.run(cluster.client->raw_reverse_scan("", "", 100)).value(), reversed);
  EXPECT_EQ(cluster.run(cluster.client->raw_reverse_scan("b", "p", 3)).value(),
            std::vector<KeyValue>(reversed.begin() + 2, reversed.begin() + 5));
}

TEST(Client, ComparesAndSwaps) {
  FakeCluster cluster;
  EXPECT_TRUE(cluster.run(cluster.client->raw_compare_and_swap("a", std::nullopt, "1")).value().swapped);
  auto second = cluster.run(cluster.client->raw_compare_and_swap("a", std::nullopt, "2"));
  EXPECT_FALSE(second.value().swapped);
  EXPECT_EQ(second.value().previous, std::optional<Bytes>("1"));
  EXPECT_TRUE(cluster.run(cluster.client->raw_compare_and_swap("a", "1", std::nullopt)).value().swapped);
  EXPECT_TRUE(cluster.world.raw.empty());
}

runtime::Task<Timestamp> one_of_many(Client* client) { co_return (co_await client->timestamp()).value(); }
runtime::Task<void> collect(Client* client, std::vector<Timestamp>* to) { to->push_back(co_await one_of_many(client)); }

TEST(Client, ManyCallersShareARequestForTimestampsAndGetDifferentOnes) {
  FakeCluster cluster;
  cluster.world.tso_answers_on = cluster.executor.get();
  std::vector<Timestamp> got;
  for (int i = 0; i < 100; ++i) runtime::spawn(*cluster.executor, collect(cluster.client.get(), &got));
  cluster.settle();
  ASSERT_EQ(got.size(), 100u);
  std::sort(got.begin(), got.end());
  EXPECT_EQ(std::unique(got.begin(), got.end()), got.end());
  EXPECT_LE(cluster.world.tso_requests, 3);
}

}  // namespace
}  // namespace cairn::client
