#include "pd/schedule/location.h"

#include <gtest/gtest.h>

namespace cairn::pd {
namespace {

const std::vector<std::string> kLabels{"zone", "host"};

metapb::Store store(uint64_t id, const std::string& zone, const std::string& host) {
  metapb::Store out;
  out.set_id(id);
  for (const auto& [key, value] : {std::pair<std::string, std::string>{"Zone", zone}, {"host", host}}) {
    if (value.empty()) continue;
    auto& label = *out.add_labels();
    label.set_key(key);
    label.set_value(value);
  }
  return out;
}

TEST(Location, AWiderPlaceCountsMore) {
  const auto a = store(1, "z1", "h1");
  const auto b = store(2, "Z1", "h2");
  const auto c = store(3, "z2", "h1");
  EXPECT_EQ(first_difference(a, b, kLabels), 1);
  EXPECT_EQ(first_difference(a, c, kLabels), 0);
  EXPECT_EQ(first_difference(a, store(4, "", ""), kLabels), -1);
  EXPECT_EQ(isolation_score(a, {&a, &b, &c}, kLabels), 101);
}

TEST(Location, ALevelAsksForAnotherPlace) {
  const auto a = store(1, "z1", "h1");
  const auto b = store(2, "z1", "h2");
  const auto c = store(3, "z2", "h1");
  EXPECT_TRUE(is_isolated(a, {&b}, kLabels, ""));
  EXPECT_TRUE(is_isolated(a, {&b}, kLabels, "host"));
  EXPECT_FALSE(is_isolated(a, {&b}, kLabels, "zone"));
  EXPECT_TRUE(is_isolated(a, {&c}, kLabels, "zone"));
}

}  // namespace
}  // namespace cairn::pd
