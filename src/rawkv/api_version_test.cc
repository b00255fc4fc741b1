#include "rawkv/api_version.h"

#include <gtest/gtest.h>

#include "base/codec.h"

namespace cairn::rawkv {
namespace {

TEST(ApiVersion, TheFirstByteSaysWhoseAKeyIs) {
  EXPECT_EQ(key_mode(ByteView("r\0\0\0k", 5)), KeyMode::kRaw);
  EXPECT_EQ(key_mode("x"), KeyMode::kTransaction);
  EXPECT_EQ(key_mode("m_meta"), KeyMode::kSql);
  EXPECT_EQ(key_mode("t_table"), KeyMode::kSql);
  for (const char* other : {"", "a", "s", "y", "z"}) EXPECT_EQ(key_mode(other), KeyMode::kUnknown) << other;
}

TEST(ApiVersion, ARangeIsOfOneModeOrOfNone) {
  EXPECT_EQ(range_mode("ra", "rb"), KeyMode::kRaw);
  EXPECT_EQ(range_mode("ra", "s"), KeyMode::kRaw);
  EXPECT_EQ(range_mode("xa", "y"), KeyMode::kTransaction);
  EXPECT_EQ(range_mode("ra", "sa"), KeyMode::kUnknown);
  EXPECT_EQ(range_mode("ra", ""), KeyMode::kUnknown);
  EXPECT_EQ(range_mode("", "rb"), KeyMode::kUnknown);
  EXPECT_EQ(range_mode("ra", "xa"), KeyMode::kUnknown);
  EXPECT_EQ(range_mode("aa", "ab"), KeyMode::kUnknown);
}

TEST(ApiVersion, OnlyV2EncodesKeys) {
  EXPECT_EQ(engine_key(ApiVersion::kV1, "ra"), "ra");
  EXPECT_EQ(engine_key(ApiVersion::kV1Ttl, "ra"), "ra");
  EXPECT_EQ(engine_key(ApiVersion::kV2, "ra"), codec::encode_bytes("ra"));
  EXPECT_EQ(engine_bound(ApiVersion::kV2, ""), "");
  EXPECT_EQ(engine_key(ApiVersion::kV2, ""), codec::encode_bytes(""));
}

}  // namespace
}  // namespace cairn::rawkv
