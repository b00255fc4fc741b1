#include "net/frame_heads.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace cairn::net {
namespace {

TEST(FrameHeads, AreFoundHoweverTheBytesComeApart) {
  using Heads = std::vector<std::pair<uint8_t, int32_t>>;
  const std::string bytes =
      std::string("preface") + std::string("\0\0\3\0\1\0\0\1\2abc", 12) + std::string("\0\0\0\4\0\x80\0\0\0", 9);
  for (size_t step = 1; step <= bytes.size(); ++step) {
    FrameHeads heads(7);
    Heads found;
    for (size_t at = 0; at < bytes.size(); at += step) {
      heads.feed(std::string_view(bytes).substr(at, step),
                 [&](uint8_t type, int32_t stream) { found.emplace_back(type, stream); });
    }
    EXPECT_EQ(found, (Heads{{0, 258}, {4, 0}})) << step;
  }
}

}  // namespace
}  // namespace cairn::net
