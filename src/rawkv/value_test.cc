#include "rawkv/value.h"

#include <gtest/gtest.h>

#include "runtime/random.h"

namespace cairn::rawkv {
namespace {

TEST(RawValue, HasTheBytesOfItsVersion) {
  EXPECT_EQ(encode_value(ApiVersion::kV1, "v", 0), "v");
  EXPECT_EQ(to_hex(encode_value(ApiVersion::kV1Ttl, "v", 0)), "760000000000000000");
  EXPECT_EQ(to_hex(encode_value(ApiVersion::kV1Ttl, "v", 258)), "760000000000000102");
  EXPECT_EQ(to_hex(encode_value(ApiVersion::kV2, "v", 0)), "7600");
  EXPECT_EQ(to_hex(encode_value(ApiVersion::kV2, "v", 258)), "76000000000000010201");
  EXPECT_EQ(to_hex(encode_tombstone()), "02");
}

TEST(RawValue, WhatIsEncodedIsDecoded) {
  runtime::Random random(7);
  for (const ApiVersion version : {ApiVersion::kV1, ApiVersion::kV1Ttl, ApiVersion::kV2}) {
    for (int i = 0; i < 2000; ++i) {
      Bytes value(random.below(20), '\0');
      for (char& c : value) c = static_cast<char>(random.below(4) - 1);
      const uint64_t expires = version == ApiVersion::kV1 || random.chance(0.3) ? 0 : random.next();
      const Bytes stored = encode_value(version, value, expires);
      const auto decoded = decode_value(version, stored);
      ASSERT_TRUE(decoded.ok());
      EXPECT_EQ(decoded->value, value);
      EXPECT_EQ(decoded->expires_s, expires);
      EXPECT_FALSE(decoded->is_deleted);
    }
  }
  const Bytes tombstone = encode_tombstone();
  const auto decoded = decode_value(ApiVersion::kV2, tombstone);
  ASSERT_TRUE(decoded.ok());
  EXPECT_TRUE(decoded->is_deleted);
  EXPECT_FALSE(decoded->is_live(0));
}

TEST(RawValue, WhatIsNoValueOfItsVersionIsCorruption) {
  EXPECT_FALSE(decode_value(ApiVersion::kV1Ttl, "short").ok());
  EXPECT_FALSE(decode_value(ApiVersion::kV2, "").ok());
  EXPECT_FALSE(decode_value(ApiVersion::kV2, "v\x04").ok()) << "an unknown flag";
  EXPECT_FALSE(decode_value(ApiVersion::kV2, "v\x01").ok()) << "an expiry time is promised";
}

TEST(RawValue, ExpiresAtItsSecondAndZeroIsNever) {
  EXPECT_TRUE((StoredValue{"v", 10}.is_live(9)));
  EXPECT_FALSE((StoredValue{"v", 10}.is_live(10)));
  EXPECT_TRUE((StoredValue{"v", 0}.is_live(UINT64_MAX)));
}

}  // namespace
}  // namespace cairn::rawkv
