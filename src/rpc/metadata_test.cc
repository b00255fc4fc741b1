#include "rpc/metadata.h"

#include <gtest/gtest.h>

namespace cairn::rpc {
namespace {

Metadata taken(std::string_view name, std::string_view value) {
  Metadata out;
  take_metadata(name, value, out);
  return out;
}

TEST(Metadata, WhatHttpAndGrpcUseThemselvesIsNone) {
  for (const char* name : {":path", "te", "content-type", "user-agent", "grpc-status", "grpc-accept-encoding"})
    EXPECT_TRUE(taken(name, "x").empty()) << name;
  EXPECT_EQ(taken("grpc-status-details-bin", "AAE"),
            (Metadata{{"grpc-status-details-bin", std::string("\x00\x01", 2)}}));
}

TEST(Metadata, BinaryValuesThatWereJoinedComeApart) {
  EXPECT_EQ(taken("key-bin", "YQ==,Yg"), (Metadata{{"key-bin", "a"}, {"key-bin", "b"}}));
  EXPECT_EQ(taken("key-bin", "***"), Metadata());
  EXPECT_EQ(taken("key", "a,b"), (Metadata{{"key", "a,b"}}));
}

TEST(Metadata, WhatIsShownIsTakenBack) {
  const Metadata metadata = {{"a", "printable"}, {"b-bin", std::string("\x00\xff,", 3)}, {"c-bin", ""}};
  std::vector<std::string> text;
  std::vector<net::HeaderView> headers;
  show_metadata(metadata, text, headers);
  Metadata back;
  for (const auto& [name, value] : headers) take_metadata(name, value, back);
  EXPECT_EQ(back, metadata);
}

}  // namespace
}  // namespace cairn::rpc
