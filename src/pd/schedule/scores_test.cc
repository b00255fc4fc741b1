#include "pd/schedule/scores.h"

#include <gtest/gtest.h>

#include "pd/testing/modelled_cluster.h"

namespace cairn::pd {
namespace {

constexpr uint64_t kGib = uint64_t{1} << 30;

void set_space(ModelledCluster& model, StoreId id, uint64_t capacity_gib, uint64_t available_gib) {
  model.change_store(id, [&](StoreInfo& store) {
    store.stats.set_capacity(capacity_gib * kGib);
    store.stats.set_available(available_gib * kGib);
    store.stats.set_used_size((capacity_gib - available_gib) * kGib);
  });
}

double score_of(const ModelledCluster& model, StoreId id) {
  return region_score(*model.view().store(id), model.config, 0);
}

TEST(Scores, TheFullerDiskScoresHigherWithTheSameRegions) {
  ModelledCluster model(2);
  model.add_region(1, {1, 2}, 1000);
  set_space(model, StoreId(1), 1000, 900);
  set_space(model, StoreId(2), 1000, 250);
  EXPECT_LT(score_of(model, StoreId(1)), score_of(model, StoreId(2)));
  EXPECT_GT(score_of(model, StoreId(1)), 1000);
  model.config.region_score_formula_version = "v1";
  EXPECT_EQ(score_of(model, StoreId(1)), 1000) << "much room is left";
  EXPECT_GT(score_of(model, StoreId(2)), 1000);
}

TEST(Scores, LittleRoomCountsOnceThereAreManyRegions) {
  ModelledCluster model(2);
  for (uint64_t id = 1; id <= 99; ++id) model.add_region(id, {1, 2}, 10);
  set_space(model, StoreId(1), 250, 41);
  set_space(model, StoreId(2), 250, 30);
  EXPECT_FALSE(is_low_on_space(*model.view().store(StoreId(1)), model.config));
  EXPECT_EQ(score_of(model, StoreId(1)), score_of(model, StoreId(2))) << "the disks' other work has no say";
  model.add_region(100, {1, 2}, 10);
  EXPECT_TRUE(is_low_on_space(*model.view().store(StoreId(1)), model.config));
  EXPECT_GT(score_of(model, StoreId(2)), score_of(model, StoreId(1)) * 1.01);
  model.change_store(StoreId(1), [](StoreInfo& store) { store.stats.set_capacity(0); });
  EXPECT_FALSE(is_low_on_space(*model.view().store(StoreId(1)), model.config)) << "its disk is not told";
}

TEST(Scores, AMoveIsWorthItIfTheSourceIsStillTheFullerOneAfterwards) {
  ModelledCluster model(2);
  for (uint64_t id = 1; id <= 3; ++id) model.add_region(id, {1}, 10);
  const auto source = *model.view().store(StoreId(1));
  const auto target = *model.view().store(StoreId(2));
  EXPECT_TRUE(is_region_move_worth_it(model.view(), source, target, 10));
  EXPECT_FALSE(is_region_move_worth_it(model.view(), source, target, 15)) << "it would go back";
  EXPECT_FALSE(is_region_move_worth_it(model.view(), target, source, 10));
}

TEST(Scores, WhatIsTolerated) {
  ModelledCluster model(1);
  for (uint64_t id = 1; id <= 4; ++id) model.add_region(id, {1}, 10 * id);
  EXPECT_EQ(tolerable_leaders(model.view()), 5);
  EXPECT_EQ(tolerable_mib(model.view()), 25) << "one of average size";
  model.config.tolerant_size_ratio = 2;
  EXPECT_EQ(tolerable_leaders(model.view()), 2);
  EXPECT_EQ(tolerable_mib(model.view()), 50);
}

}  // namespace
}  // namespace cairn::pd
