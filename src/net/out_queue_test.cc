#include "net/out_queue.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <string>

namespace cairn::net {
namespace {

std::string first_bytes(const OutQueue& queue, size_t parts = 64) {
  std::array<iovec, 64> out;
  std::string bytes;
  const size_t count = queue.fill(out.data(), std::min(parts, out.size()));
  for (size_t i = 0; i < count; ++i) bytes.append(static_cast<const char*>(out[i].iov_base), out[i].iov_len);
  return bytes;
}

Slice slice_of(std::string bytes) {
  auto owner = std::make_shared<const std::string>(std::move(bytes));
  const char* data = owner->data();
  const size_t size = owner->size();
  return {std::move(owner), data, size};
}

TEST(OutQueue, SmallPartsAreOneAndLargeOnesAreNotCopied) {
  OutQueue queue;
  queue.append("ab");
  queue.append(slice_of("cd"));
  const Slice large = slice_of(std::string(100'000, 'x'));
  queue.append(large);
  queue.append("ef");
  std::array<iovec, 4> parts;
  ASSERT_EQ(queue.fill(parts.data(), parts.size()), 3U);
  EXPECT_EQ(parts[0].iov_len, 4U);
  EXPECT_EQ(parts[1].iov_base, large.data);
  EXPECT_EQ(queue.size(), 100'006U);
  queue.consume(100'004);
  EXPECT_EQ(large.owner.use_count(), 1) << "what was sent is let go";
  EXPECT_EQ(first_bytes(queue), "ef");
}

TEST(OutQueue, BytesComeOutAsTheyWentInWhateverTheirParts) {
  std::mt19937 random(7);
  OutQueue from;
  OutQueue to;
  std::string expected;
  std::string seen;
  for (int round = 0; round < 2000; ++round) {
    const size_t size = random() % (random() % 4 == 0 ? 20'000 : 50);
    std::string bytes(size, static_cast<char>('a' + round % 26));
    expected += bytes;
    if (random() % 2 == 0) {
      from.append(bytes);
    } else {
      from.append(slice_of(bytes));
    }
    if (!from.empty()) from.move_to(to, random() % from.size() + 1);
    while (!to.empty() && random() % 3 != 0) {
      const std::string here = first_bytes(to, 3);
      const size_t taken = random() % here.size() + 1;
      seen += here.substr(0, taken);
      to.consume(taken);
    }
  }
  from.move_to(to, from.size());
  while (!to.empty()) {
    const std::string here = first_bytes(to);
    seen += here;
    to.consume(here.size());
  }
  EXPECT_EQ(seen, expected);
}

}  // namespace
}  // namespace cairn::net
