#include "sim/linearizability.h"

#include <gtest/gtest.h>

namespace cairn::sim {
namespace {

using Kind = Operation::Kind;

Operation write(int client, int called, std::optional<int> returned, std::optional<Bytes> value) {
  Operation op{.kind = Kind::kWrite, .client = client, .called = Duration(called)};
  if (returned) op.returned = Duration(*returned);
  op.value = std::move(value);
  return op;
}
Operation read(int client, int called, int returned, std::optional<Bytes> value) {
  return {.kind = Kind::kRead,
          .client = client,
          .called = Duration(called),
          .returned = Duration(returned),
          .value = std::move(value)};
}
Operation swap(int client, int called, std::optional<int> returned, std::optional<Bytes> expected, Bytes value,
               std::optional<Bytes> previous, bool swapped) {
  Operation op{.kind = Kind::kSwap, .client = client, .called = Duration(called)};
  if (returned) op.returned = Duration(*returned);
  op.value = std::move(value);
  op.expected = std::move(expected);
  op.previous = std::move(previous);
  op.swapped = swapped;
  return op;
}

TEST(Linearizability, AReadAfterAWriteMustSeeIt) {
  EXPECT_TRUE(is_linearizable({write(1, 0, 10, "a"), read(2, 20, 30, "a")}));
  EXPECT_FALSE(is_linearizable({write(1, 0, 10, "a"), read(2, 20, 30, std::nullopt)}));
}

TEST(Linearizability, AReadDuringAWriteMaySeeEither) {
  EXPECT_TRUE(is_linearizable({write(1, 0, 100, "a"), read(2, 20, 30, "a")}));
  EXPECT_TRUE(is_linearizable({write(1, 0, 100, "a"), read(2, 20, 30, std::nullopt)}));
}

TEST(Linearizability, ValuesDoNotGoBack) {
  EXPECT_FALSE(is_linearizable({write(1, 0, 100, "a"), read(2, 20, 30, "a"), read(3, 40, 50, std::nullopt)}));
  EXPECT_FALSE(
      is_linearizable({write(1, 0, 10, "a"), write(1, 20, 30, "b"), read(2, 40, 50, "b"), read(2, 60, 70, "a")}));
}

TEST(Linearizability, AWriteWithoutOutcomeMayTakeEffectLateOrNever) {
  EXPECT_TRUE(is_linearizable({write(1, 0, std::nullopt, "a"), read(2, 50, 60, std::nullopt), read(2, 70, 80, "a")}));
  EXPECT_TRUE(is_linearizable({write(1, 0, std::nullopt, "a"), read(2, 50, 60, std::nullopt)}));
  EXPECT_FALSE(is_linearizable({write(1, 0, std::nullopt, "a"), read(2, 50, 60, "a"), read(2, 70, 80, std::nullopt)}));
  EXPECT_FALSE(is_linearizable({read(2, 0, 10, "a"), write(1, 20, std::nullopt, "a")}));
}

TEST(Linearizability, OneOfTwoSwapsThatRaceMustFail) {
  EXPECT_TRUE(is_linearizable(
      {swap(1, 0, 100, std::nullopt, "a", std::nullopt, true), swap(2, 0, 100, std::nullopt, "b", "a", false)}));
  EXPECT_FALSE(is_linearizable({swap(1, 0, 100, std::nullopt, "a", std::nullopt, true),
                                swap(2, 0, 100, std::nullopt, "b", std::nullopt, true)}));
}

TEST(Linearizability, ALongHistoryOfManyClientsIsDecidedQuickly) {
  std::vector<Operation> history;
  std::optional<Bytes> current;
  for (int i = 0; i < 400; ++i) {
    if (i % 3 == 0) {
      current = std::to_string(i);
      history.push_back(write(i % 5, i * 10, i * 10 + 45, current));
    } else {
      history.push_back(read(i % 5, i * 10, i * 10 + 45, current));
    }
    if (i % 40 == 0) history.push_back(write(9, i * 10, std::nullopt, "lost" + std::to_string(i)));
  }
  EXPECT_TRUE(is_linearizable(history));
  history.push_back(read(1, 100'000, 100'001, "0"));
  EXPECT_FALSE(is_linearizable(history));
}

}  // namespace
}  // namespace cairn::sim
