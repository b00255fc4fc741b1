#include "rpc/status_pages.h"

#include <gtest/gtest.h>

namespace cairn::rpc {
namespace {

http::Response get(const http::Router& router, const std::string& path) {
  http::Response seen;
  http::Request request;
  request.method = "GET";
  request.path = path;
  router.serve(std::move(request), http::Responder([&](http::Response response) { seen = std::move(response); }));
  return seen;
}

TEST(StatusPages, AreServed) {
  bool is_serving = false;
  http::Router router;
  serve_status(router, {.version = "8.5.0",
                        .is_serving = [&] { return is_serving; },
                        .pages = {{"/regions", [] { return std::string("[1]"); }}}});
  EXPECT_EQ(get(router, "/status").status, 503);
  EXPECT_EQ(get(router, "/health").status, 503);
  is_serving = true;
  EXPECT_NE(get(router, "/status").body.find("\"version\":\"8.5.0\""), std::string::npos);
  EXPECT_EQ(get(router, "/health").body, "{\"health\":\"true\",\"reason\":\"\"}");
  EXPECT_NE(get(router, "/metrics").body.find("tikv_status_server_request_duration_seconds_count"), std::string::npos);
  EXPECT_EQ(get(router, "/regions").body, "[1]");
  EXPECT_EQ(get(router, "/nowhere").status, 404);
}

}  // namespace
}  // namespace cairn::rpc
