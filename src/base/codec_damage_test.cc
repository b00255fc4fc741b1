#include <gtest/gtest.h>

#include <limits>

#include "base/testing/check_codec.h"
#include "base/testing/damaged_bytes.h"

namespace cairn {
namespace {

TEST(Codec, DecodersTakeAnyBytes) {
  std::vector<Bytes> sound;
  for (const char* key : {"", "a", "12345678", "123456789"}) sound.push_back(codec::encode_bytes(key));
  sound.push_back(codec::append_ts(sound[1], Timestamp(7)));
  Bytes compact;
  codec::put_compact_bytes(compact, "value");
  sound.push_back(compact);
  Bytes large;
  codec::put_var_u64(large, std::numeric_limits<uint64_t>::max());
  sound.push_back(large);
  testing::DamagedBytes damaged(sound);
  for (const auto& bytes : sound) testing::check_codec(bytes);
  for (int i = 0; i < 50'000; ++i) testing::check_codec(damaged.next());
}

}  // namespace
}  // namespace cairn
