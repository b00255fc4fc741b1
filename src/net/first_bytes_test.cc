#include "net/first_bytes.h"

#include <gtest/gtest.h>

namespace cairn::net {
namespace {

TEST(FirstBytes, TellTlsAndTheHttpsApart) {
  EXPECT_EQ(dialect_of("\x16\x03\x01\x02"), Dialect::kTls);
  EXPECT_EQ(dialect_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), Dialect::kHttp2);
  EXPECT_EQ(dialect_of("GET / HTTP/1.1\r\n"), Dialect::kHttp1);
  EXPECT_EQ(dialect_of("CONNECT a:1 HTTP/1.1\r\n"), Dialect::kHttp1);
  for (const char* other : {"GETS", "\x15\x03\x01", "SSH-2.0", "PRINT"}) {
    EXPECT_EQ(dialect_of(other), Dialect::kUnknown) << other;
  }
  for (const char* start : {"", "G", "GET", "P", "PRI *", "OPTIONS", "\x16"}) {
    EXPECT_EQ(dialect_of(start), Dialect::kUndecided) << start;
  }
}

TEST(FirstBytes, ARefusalIsAWholeAnswerOfHttp1) {
  EXPECT_EQ(refusal_in_http1("no"),
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: "
            "3\r\n\r\nno\n");
}

TEST(FirstBytes, TheWordsOfARefusalAreFound) {
  EXPECT_EQ(words_in_http1(refusal_in_http1("this port speaks TLS")), "this port speaks TLS");
  EXPECT_EQ(words_in_http1("HTTP/1.1 200 OK\r\n"), "");
  EXPECT_EQ(words_in_http1("HTTP/2"), std::nullopt);
}

}  // namespace
}  // namespace cairn::net
