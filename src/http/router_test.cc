#include "http/router.h"

#include <gtest/gtest.h>

namespace cairn::http {
namespace {

// Serves by saying which route it is, and its parameters.
Handler named(const std::string& name) {
  return page([name](const Request& request) {
    std::string body = name;
    for (const auto& param : request.params) body += " [" + param + "]";
    return Response{.body = body, .headers = {}};
  });
}

Response ask(const Router& router, const std::string& method, const std::string& path) {
  Response seen;
  Request request;
  request.method = method;
  request.path = path;
  router.serve(std::move(request), Responder([&](Response response) { seen = std::move(response); }));
  return seen;
}

TEST(HttpRouter, FindsTheRouteThatIsClosest) {
  Router router;
  router.add("GET", "/store/{id}", named("store"));
  router.add("GET", "/store/all", named("all"));
  router.add("GET", "/store/{id}/weight", named("weight"));
  router.add("GET", "/{rest...}", named("rest"));
  EXPECT_EQ(ask(router, "GET", "/store/7").body, "store [7]");
  EXPECT_EQ(ask(router, "GET", "/store/all").body, "all");
  EXPECT_EQ(ask(router, "GET", "/store/7/weight").body, "weight [7]");
  EXPECT_EQ(ask(router, "GET", "/store/7/other").body, "rest [store/7/other]");
  EXPECT_EQ(ask(router, "GET", "/store/").body, "rest [store/]");
}

TEST(HttpRouter, ParametersAreDecodedOneByOne) {
  Router router;
  router.add("GET", "/key/{key}", named("key"));
  EXPECT_EQ(ask(router, "GET", "/key/a%2Fb%20c").body, "key [a/b c]");
  EXPECT_EQ(ask(router, "GET", "/key/a%2").status, 400);
  EXPECT_EQ(ask(router, "GET", "/key/a%zz").status, 400);
}

TEST(HttpRouter, TellsAnUnknownPathFromAnotherMethod) {
  Router router;
  router.add("GET", "/config", named("get"));
  router.add("POST", "/config", named("post"));
  EXPECT_EQ(ask(router, "HEAD", "/config").body, "get");
  EXPECT_EQ(ask(router, "POST", "/config").body, "post");
  const Response other = ask(router, "DELETE", "/config");
  EXPECT_EQ(other.status, 405);
  EXPECT_EQ(other.headers, (decltype(other.headers){{"Allow", "GET, POST"}}));
  for (const char* path : {"/", "/conf", "/config/", "*", ""}) EXPECT_EQ(ask(router, "GET", path).status, 404) << path;
}

TEST(HttpRouter, WhatIsDroppedIsAnsweredAllTheSame) {
  Router router;
  router.add("*", "/lost", [](Request, Responder) {});
  EXPECT_EQ(ask(router, "PUT", "/lost").status, 500);
}

TEST(HttpMessage, ValuesOfAQueryAreDecoded) {
  Request request;
  request.query = "a=1&b=x%26y+z&a=2&c&=d";
  EXPECT_EQ(request.query_value("a"), "1");
  EXPECT_EQ(request.query_value("b"), "x&y z");
  EXPECT_EQ(request.query_value("c"), "");
  EXPECT_EQ(request.query_value("d"), std::nullopt);
}

}  // namespace
}  // namespace cairn::http
