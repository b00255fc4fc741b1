#include "cli/ending.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

namespace cairn::cli {
namespace {

TEST(Ending, PartsEndOneAfterTheOther) {
  Ending ending;
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) ending.step("a part", 10s, [&order, i] { order.push_back(i); });
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
  EXPECT_TRUE(ending.is_clean());
}

TEST(Ending, APartThatIsStuckIsLeftBehindAndTheNextHasItsTurn) {
  Ending ending;
  auto never = std::make_shared<std::promise<void>>();
  auto blocked = never->get_future().share();
  ending.step("a stuck part", 20ms, [blocked] { blocked.wait(); });
  EXPECT_FALSE(ending.is_clean());
  bool had_its_turn = false;
  ending.step("the next", 10s, [&had_its_turn] { had_its_turn = true; });
  EXPECT_TRUE(had_its_turn);
  EXPECT_FALSE(ending.is_clean());
  never->set_value();
}

TEST(EndingDeathTest, WithAPartLeftBehindTheProcessEndsWithItsCode) {
  ::testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(
      {
        Ending ending;
        std::promise<void> never;
        ending.step("a stuck part", 10ms, [&never] { never.get_future().wait(); });
        ending.finish(7, 1s);
      },
      ::testing::ExitedWithCode(7), "");
}

}  // namespace
}  // namespace cairn::cli
