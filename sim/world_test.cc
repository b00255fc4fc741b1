// Random worlds, by seed. CAIRN_SIM_SEED=n plays one seed alone, with its log.
#include "sim/world.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "base/check.h"
#include "base/log.h"

namespace cairn::sim {
namespace {

uint64_t seed_of_run = 0;

class WorldTest : public ::testing::Test {
 protected:
  void SetUp() override {
    chosen_ = std::getenv("CAIRN_SIM_SEED");
    ASSERT_EQ(log::init({.level = chosen_ == nullptr ? "fatal" : "info", .file = ""}), "");
    set_check_hook([] { std::fprintf(stderr, "CAIRN_SIM_SEED=%llu\n", static_cast<unsigned long long>(seed_of_run)); });
  }
  void TearDown() override { set_check_hook(nullptr); }

  static Report play(uint64_t seed, WorldOptions options = {}) {
    seed_of_run = seed;
    World world(seed, options);
    return world.run();
  }
  const char* chosen_ = nullptr;
};

TEST_F(WorldTest, AWorldWithoutFaultsWorks) {
  const Report report = play(1, {.faults = 2s, .has_faults = false});
  EXPECT_TRUE(report.failures.empty()) << report.to_string();
  EXPECT_GT(report.register_operations, 50U) << report.to_string();
  EXPECT_GT(report.transfers, 10U) << report.to_string();
  EXPECT_GT(report.audits, 5U) << report.to_string();
}

TEST_F(WorldTest, FiftySeedsOfFaultsBreakNoPromise) {
  if (chosen_ != nullptr) {
    const Report report = play(std::strtoull(chosen_, nullptr, 10));
    EXPECT_TRUE(report.failures.empty());
    std::printf("%s\n", report.to_string().c_str());
    return;
  }
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    const Report report = play(seed);
    EXPECT_TRUE(report.failures.empty()) << "CAIRN_SIM_SEED=" << seed << "\n" << report.to_string();
  }
}

TEST_F(WorldTest, TheSameSeedPlaysTheSameWorldTwice) {
  for (uint64_t seed = 101; seed <= 110; ++seed) {
    EXPECT_EQ(play(seed).to_string(), play(seed).to_string()) << "CAIRN_SIM_SEED=" << seed;
  }
}

}  // namespace
}  // namespace cairn::sim
