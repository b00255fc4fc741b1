#include "cli/profile.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cstring>

namespace cairn::cli {
namespace {

// Uses the CPU for that long.
uint64_t burn(std::chrono::milliseconds span) {
  const auto end = std::chrono::steady_clock::now() + span;
  volatile uint64_t sum = 0;
  while (std::chrono::steady_clock::now() < end) {
    for (int i = 0; i < 1000; ++i) sum = sum + static_cast<uint64_t>(i);
  }
  return sum;
}

uint64_t word(const std::string& text, size_t at) {
  uint64_t out = 0;
  std::memcpy(&out, text.data() + at * sizeof(out), sizeof(out));
  return out;
}

TEST(CpuProfile, HoldsTheStacksThatRanInPprofsFormat) {
  auto profile = CpuProfile::start(200);
  ASSERT_TRUE(profile.ok()) << profile.error();
  EXPECT_FALSE(CpuProfile::start(100).ok());
  burn(std::chrono::milliseconds(300));
  const std::string text = (*profile)->finish();
  EXPECT_EQ(word(text, 1), 3U);
  EXPECT_EQ(word(text, 3), 5000U);
  size_t at = 5;
  uint64_t samples = 0;
  while (word(text, at) != 0) {
    samples += word(text, at);
    at += 2 + word(text, at + 1);
  }
  EXPECT_GT(samples, 5U);
  EXPECT_EQ(word(text, at + 1), 1U);
  EXPECT_NE(text.find("r-xp"), std::string::npos);
  profile->reset();
  EXPECT_TRUE(CpuProfile::start(100).ok());
}

TEST(HeapProfile, OfJemallocIsPutIntoPprofsFormat) {
  EXPECT_EQ(pprof_of_jemalloc("heap_v2/524288\n  t*: 3: 900 [0: 0]\n  t0: 3: 900 [0: 0]\n"
                              "@ 0x1 0x2\n  t*: 2: 600 [0: 0]\n  t0: 2: 600 [0: 0]\n"
                              "@ 0x3\n  t*: 1: 300 [0: 0]\n  t0: 1: 300 [0: 0]\n"
                              "\nMAPPED_LIBRARIES:\n00400000-00500000 r-xp 0 0 0 /bin/x\n"),
            "heap profile: 3: 900 [0: 0] @ heap_v2/524288\n2: 600 [0: 0] @ 0x1 0x2\n1: 300 [0: 0] @ 0x3\n"
            "\nMAPPED_LIBRARIES:\n00400000-00500000 r-xp 0 0 0 /bin/x\n");
}

}  // namespace
}  // namespace cairn::cli
