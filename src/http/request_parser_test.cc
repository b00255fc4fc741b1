#include "http/request_parser.h"

#include <gtest/gtest.h>

namespace cairn::http {
namespace {

using Outcome = RequestParser::Outcome;

// Feeds it so many bytes at a time; what is left over comes again.
Outcome feed(RequestParser& parser, std::string_view bytes, size_t step) {
  std::string waiting;
  Outcome outcome = Outcome::kMore;
  for (size_t at = 0; at < bytes.size() && outcome == Outcome::kMore; at += step) {
    waiting += bytes.substr(at, step);
    const auto fed = parser.feed(waiting);
    waiting.erase(0, fed.taken);
    outcome = fed.outcome;
  }
  return outcome;
}

constexpr Limits kSmall{.header_bytes_max = 200, .body_bytes_max = 20};

TEST(HttpRequestParser, ReadsARequestHoweverItIsCut) {
  for (const size_t step : {size_t{1}, size_t{7}, size_t{1000}}) {
    RequestParser parser(kSmall);
    ASSERT_EQ(feed(parser, "\r\nPOST /a/b?c=d HTTP/1.1\r\nHost: h\r\nX-Some:  thing \r\nContent-Length: 5\r\n\r\nhello",
                   step),
              Outcome::kWhole);
    const Request& request = parser.request();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.path, "/a/b");
    EXPECT_EQ(request.query, "c=d");
    EXPECT_EQ(request.header("x-some"), "thing");
    EXPECT_EQ(request.body, "hello");
    EXPECT_TRUE(parser.keeps_alive());
  }
}

TEST(HttpRequestParser, ReadsABodyInChunks) {
  for (const size_t step : {size_t{1}, size_t{1000}}) {
    RequestParser parser(kSmall);
    ASSERT_EQ(feed(parser,
                   "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                   "3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
                   step),
              Outcome::kWhole);
    EXPECT_EQ(parser.request().body, "abcde");
    EXPECT_EQ(parser.request().header("trailer"), "") << "it comes too late to be a header";
  }
}

TEST(HttpRequestParser, AnEmptyBodyInChunksEndsHoweverItIsCut) {
  const std::string head = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string end : {"0\r\n\r\n", "0\r\nA: b\r\n\r\n", "000;x\r\n\r\n"}) {
    for (size_t step = 1; step < 7; ++step) {
      RequestParser parser(kSmall);
      ASSERT_EQ(feed(parser, head, 1000), Outcome::kMore);
      ASSERT_EQ(feed(parser, end, step), Outcome::kWhole) << end << " by " << step;
      EXPECT_EQ(parser.request().body, "");
    }
  }
}

TEST(HttpRequestParser, WhatFollowsIsLeftForTheNextOne) {
  RequestParser parser(kSmall);
  const std::string_view first = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n";
  const auto fed = parser.feed(std::string(first) + "GET /2 HTTP/1.1\r\n");
  EXPECT_EQ(fed.outcome, Outcome::kWhole);
  EXPECT_EQ(fed.taken, first.size());
}

TEST(HttpRequestParser, MistakesHaveTheirStatus) {
  const std::string host = " HTTP/1.1\r\nHost: h\r\n";
  const std::string much(300, 'x');
  const std::vector<std::pair<std::string, int>> mistakes = {
      {"nonsense\r\n\r\n", 400},
      {"GET nowhere" + host + "\r\n", 400},
      {"GET / HTTP/1.1\r\n\r\n", 400},  // no host
      {"GET /" + host + "Host: other\r\n\r\n", 400},
      {"GET / HTTP/2.0\r\n\r\n", 505},
      {"GET /" + host + "Bad Name: x\r\n\r\n", 400},
      {"GET /" + host + "Name : x\r\n\r\n", 400},
      {"GET /" + much, 431},
      {"GET /" + host + "Much: " + much + "\r\n\r\n", 431},
      {"POST /" + host + "Content-Length: 21\r\n\r\n", 413},
      {"POST /" + host + "Content-Length: x\r\n\r\n", 400},
      {"POST /" + host + "Content-Length: 18446744073709551616\r\n\r\n", 400},
      {"POST /" + host + "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400},
      {"POST /" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /" + host + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 413},
      {"POST /" + host + "Transfer-Encoding: chunked\r\n\r\n15\r\nx", 413},
      {"POST /" + host + "Transfer-Encoding: chunked\r\n\r\n14\r\n" + std::string(20, 'x') + "\r\n2\r\nab\r\n", 413},
      {"POST /" + host + "Transfer-Encoding: chunked, gzip\r\n\r\n", 501},
      {"POST /" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
      {"POST /" + host + "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", 501},
      {"POST /" + host + "Content-Length: 3\r\nTransfer-Encoding: identity\r\n\r\nabc", 400},
      {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
      {"POST /" + host + "Transfer-Encoding: chunked\r\n\r\n1;" + much, 431},
      {"POST /" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\nTrailer: " + much, 431},
      {"POST /" + host + "Expect: wonders\r\n\r\n", 417},
  };
  for (const auto& [bytes, status] : mistakes) {
    for (const size_t step : {size_t{1}, size_t{1000}}) {
      RequestParser parser(kSmall);
      EXPECT_EQ(feed(parser, bytes, step), Outcome::kMistaken) << bytes;
      EXPECT_EQ(parser.status(), status) << bytes;
    }
  }
}

TEST(HttpRequestParser, OldRequestsNeedNoHostAndEndTheConnection) {
  RequestParser parser(kSmall);
  EXPECT_EQ(feed(parser, "GET http://host:1/path HTTP/1.0\r\n\r\n", 1000), Outcome::kWhole);
  EXPECT_EQ(parser.request().path, "/path");
  EXPECT_FALSE(parser.keeps_alive());
}

TEST(HttpRequestParser, AnExpectationIsSeenOnceTheHeadersAreHere) {
  RequestParser parser(kSmall);
  EXPECT_EQ(feed(parser, "POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 1),
            Outcome::kMore);
  EXPECT_TRUE(parser.has_headers());
  EXPECT_TRUE(parser.take_expectation());
  EXPECT_FALSE(parser.take_expectation());
}

}  // namespace
}  // namespace cairn::http
