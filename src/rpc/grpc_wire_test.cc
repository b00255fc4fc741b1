#include "rpc/grpc_wire.h"

#include <gtest/gtest.h>

namespace cairn::rpc {
namespace {

TEST(GrpcWire, TimeoutsAreDigitsAndAUnit) {
  EXPECT_EQ(parse_timeout("100m"), Duration(100ms));
  EXPECT_EQ(parse_timeout("5S"), Duration(5s));
  EXPECT_EQ(parse_timeout("0n"), Duration(0));
  EXPECT_EQ(parse_timeout("99999999H"), Duration::max());
  for (const char* bad : {"", "5", "S", "-1S", "1 S", "123456789n", "5s", "1e3m"})
    EXPECT_FALSE(parse_timeout(bad)) << bad;
}

TEST(GrpcWire, ATimeoutIsWrittenInTheFinestUnitThatHoldsIt) {
  EXPECT_EQ(show_timeout(Duration(0)), "0n");
  EXPECT_EQ(show_timeout(-1s), "0n");
  EXPECT_EQ(show_timeout(1ms), "1000000n");
  EXPECT_EQ(show_timeout(10s), "10000000u");
  EXPECT_EQ(show_timeout(100s + 1ns), "100001m") << "rounded up";
  EXPECT_EQ(show_timeout(std::chrono::hours(24 * 365)), "31536000S");
}

TEST(GrpcWire, StatusMessagesSurviveTheWay) {
  const std::string text = "100 % \n \xc3\xa4 \x01";
  EXPECT_EQ(percent_encode(text), "100 %25 %0A %C3%A4 %01");
  EXPECT_EQ(percent_decode(percent_encode(text)), text);
  EXPECT_EQ(percent_decode("50% %zz %"), "50% %zz %") << "what is no escape stays";
}

TEST(GrpcWire, AContentTypeIsGrpcsWithOrWithoutAMessageFormat) {
  for (const char* good : {"application/grpc", "application/grpc+proto", "application/grpc; charset=utf-8"})
    EXPECT_TRUE(is_grpc(good)) << good;
  for (const char* bad : {"", "application/grpc-web", "application/grpc-web+proto", "application/json"})
    EXPECT_FALSE(is_grpc(bad)) << bad;
}

TEST(GrpcWire, BinaryMetadataIsBase64) {
  for (const std::string& bytes :
       {std::string(), std::string("a"), std::string("ab"), std::string("abc"), std::string("\x00\xff\x10\x80", 4)}) {
    const std::string text = base64_encode(bytes);
    EXPECT_EQ(base64_decode(text), bytes);
    EXPECT_EQ(base64_decode(text + std::string((4 - text.size() % 4) % 4, '=')), bytes) << "with padding";
  }
  EXPECT_EQ(base64_encode("\xff\xfe"), "//4");
  EXPECT_FALSE(base64_decode("a"));
  EXPECT_FALSE(base64_decode("ab*d"));
}

}  // namespace
}  // namespace cairn::rpc
