// Operators and their steps: what a step says of a region, and what operators under way count for.
#include "pd/schedule/operator_controller.h"

#include <gtest/gtest.h>

#include "pd/testing/modelled_cluster.h"

namespace cairn::pd {
namespace {

TEST(OperatorController, WhatItWillHaveChangedIsCountedUntilItsStepsAreDone) {
  ModelledCluster model(4);
  model.add_region(1, {1, 2, 3}, 7);
  auto& operators = model.operators();
  const auto peer = model.region(1)->peer_on(StoreId(1))->id();
  const std::vector<Step> steps{AddLearner{StoreId(4), 9}, PromoteLearner{StoreId(4), 9},
                                TransferLeader{StoreId(1), StoreId(4), 9}, RemovePeer{StoreId(1), peer}};
  ASSERT_EQ(model.begin(*model.region(1), {"move-peer", steps}), "");
  const auto& influences = operators.influences();
  EXPECT_EQ(influences.of(StoreId(4)),
            (Influence{.peers = 1, .size_mib = 7, .leaders = 1, .leader_size_mib = 7, .adding = 1}));
  EXPECT_EQ(influences.of(StoreId(1)), (Influence{.peers = -1, .size_mib = -7, .leaders = -1, .leader_size_mib = -7}));
  EXPECT_EQ(influences.of(StoreId(2)), Influence{});
  model.round();
  model.round();
  EXPECT_EQ(influences.of(StoreId(4)), (Influence{.leaders = 1, .leader_size_mib = 7}));
  operators.cancel(RegionId(1), model.view().now());
  EXPECT_EQ(influences.of(StoreId(4)), Influence{});
  EXPECT_EQ(influences.of(StoreId(1)), Influence{});
}

TEST(Steps, AreToldInTheWordsOfPd) {
  EXPECT_EQ(to_string(AddLearner{StoreId(4), 9}), "add learner peer 9 on store 4");
  EXPECT_EQ(to_string(PromoteLearner{StoreId(4), 9}), "promote learner peer 9 on store 4 to voter");
  EXPECT_EQ(to_string(TransferLeader{StoreId(1), StoreId(4), 9}), "transfer leader from store 1 to store 4");
  EXPECT_EQ(to_string(RemovePeer{StoreId(1), 3}), "remove peer on store 1");
}

}  // namespace
}  // namespace cairn::pd
