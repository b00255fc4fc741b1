// The byte forms against published vectors, against order, and against damaged input.
#include "base/codec.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/crc.h"

namespace cairn {
namespace {

using namespace std::string_literals;

TEST(Codec, MemcomparableVectorsAreThoseOfTiKV) {
  EXPECT_EQ(codec::encode_bytes(""), "\0\0\0\0\0\0\0\0\xF7"s);
  EXPECT_EQ(codec::encode_bytes("a"), "a\0\0\0\0\0\0\0\xF8"s);
  EXPECT_EQ(codec::encode_bytes("12345678"), "12345678\xFF\0\0\0\0\0\0\0\0\xF7"s);
}

TEST(Codec, TimestampSuffixSortsNewestFirst) {
  EXPECT_EQ(codec::append_ts("", Timestamp(1)), "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"s);
  EXPECT_LT(codec::append_ts("k", Timestamp(9)), codec::append_ts("k", Timestamp(8)));
}

TEST(Codec, CompactBytesVector) {
  Bytes out;
  codec::put_compact_bytes(out, "ab");
  EXPECT_EQ(out,
            "\x04"
            "ab"s);
}

TEST(Codec, MemcomparableRoundTripsAndKeepsOrder) {
  rc::check([](const std::string& a, const std::string& b) {
    const Bytes ea = codec::encode_bytes(a), eb = codec::encode_bytes(b);
    RC_ASSERT(codec::decode_bytes(ea) == a);
    RC_ASSERT(ea.size() == codec::encoded_bytes_size(a.size()));
    RC_ASSERT((ea < eb) == (a < b));
    RC_ASSERT(codec::encoded_bytes_prefix(ea + eb) == ea.size());
  });
}

TEST(Codec, DamagedMemcomparableIsRefused) {
  EXPECT_FALSE(codec::decode_bytes(""));
  EXPECT_FALSE(codec::decode_bytes("a\0\0\0\0\0\0\0"s));
  EXPECT_FALSE(codec::decode_bytes("a\0\0\0\0\0\0\1\xF8"s));   // padding that is not zero
  EXPECT_FALSE(codec::decode_bytes("a\0\0\0\0\0\0\0\x01"s));   // no such marker
  EXPECT_FALSE(codec::decode_bytes("a\0\0\0\0\0\0\0\xF8z"s));  // something behind it
}

TEST(Codec, IntegersRoundTripAndKeepOrder) {
  rc::check([](int64_t a, int64_t b, double x, double y) {
    Bytes ea, eb, v;
    codec::put_i64_be(ea, a);
    codec::put_i64_be(eb, b);
    RC_ASSERT((ea < eb) == (a < b));
    codec::put_var_i64(v, a);
    codec::put_var_u64(v, static_cast<uint64_t>(b));
    ByteView in = v;
    int64_t a2 = 0;
    uint64_t b2 = 0;
    RC_ASSERT(codec::get_var_i64(in, a2) && codec::get_var_u64(in, b2) && in.empty());
    RC_ASSERT(a2 == a && b2 == static_cast<uint64_t>(b));
    Bytes ex, ey;
    codec::put_f64_be(ex, x);
    codec::put_f64_be(ey, y);
    if (x < y) RC_ASSERT(ex < ey);
  });
}

TEST(Codec, TruncatedVarintConsumesNothing) {
  ByteView in = "\x80\x80";
  uint64_t v = 0;
  EXPECT_FALSE(codec::get_var_u64(in, v));
  EXPECT_EQ(in.size(), 2u);
}

TEST(Crc, CheckValuesOfTheStandards) {
  EXPECT_EQ(crc32("123456789"), 0xCBF43926u);
  EXPECT_EQ(crc64("123456789"), 0x995DC9BBDF1939FAu);
  EXPECT_EQ(crc64("6789", crc64("12345")), crc64("123456789"));
}

TEST(Crc, Crc64TakesEightBytesAtOnceAsItTakesEachByItself) {
  const auto bit_by_bit = [](ByteView bytes) {
    uint64_t crc = ~uint64_t{0};
    for (unsigned char c : bytes) {
      crc ^= c;
      for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xC96C5795D7870F42ULL : crc >> 1;
    }
    return ~crc;
  };
  Bytes text;
  for (int i = 0; i < 70; ++i) {
    EXPECT_EQ(crc64(text), bit_by_bit(text)) << text.size();
    EXPECT_EQ(crc64(ByteView(text).substr(text.size() / 3), crc64(ByteView(text).substr(0, text.size() / 3))),
              bit_by_bit(text));
    text.push_back(static_cast<char>(i * 37 + 200));
  }
}

TEST(Bytes, PrefixEndSkipsTrailingFF) {
  EXPECT_EQ(prefix_end("a"), "b");
  EXPECT_EQ(prefix_end("a\xFF"), "b");
  EXPECT_EQ(prefix_end("\xFF\xFF"), "");
}

}  // namespace
}  // namespace cairn
