// Calls through TLS, and what a client is told that does not fit the port.
#include <gtest/gtest.h>

#include "net/testing/certificates.h"
#include "rpc/client.h"
#include "rpc/server.h"
#include "rpc/services.h"
#include "rpc/testing/fakes.h"

namespace cairn::rpc {
namespace {

using net::testing::Authority;
using net::testing::TlsFolder;
using testing::FakeTikv;
using testing::Waiter;

class RpcOverTls : public ::testing::Test {
 public:
  void serve(std::shared_ptr<net::Tls> tls) {
    Router router;
    serve_tikv(router, tikv_);
    auto started = Server::start({.addresses = {"127.0.0.1:0"}, .tls = std::move(tls)}, std::move(router));
    ASSERT_TRUE(started.ok());
    server_ = std::move(*started);
  }
  // How a call goes to `scheme` and the server's port.
  api::Reply<kvrpcpb::RawGetResponse> get(ClientLoop& loop, const std::string& scheme = "",
                                          const std::string& key = "k") {
    kvrpcpb::RawGetRequest request;
    request.set_key(key);
    Waiter<api::Reply<kvrpcpb::RawGetResponse>> waiter;
    call_unary<kvrpcpb::RawGetResponse>(*loop.channel(scheme + "127.0.0.1:" + std::to_string(server_->port())),
                                        "/tikvpb.Tikv/RawGet", request, std::chrono::seconds(5), waiter.setter());
    return waiter.get();
  }

  Authority authority_;
  TlsFolder files_{authority_, {.common_name = "store"}};
  TlsFolder client_files_{authority_, {.common_name = "client"}};
  FakeTikv tikv_;
  std::unique_ptr<Server> server_;
};

TEST_F(RpcOverTls, CallsAreServedWhateverTheSchemeOfTheAddress) {
  serve(files_.open());
  ClientLoop loop(client_files_.open());
  for (const char* scheme : {"", "http://", "https://"}) {
    const auto reply = get(loop, scheme);
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    EXPECT_EQ(reply->value(), "value of k");
  }
  const auto big = get(loop, "", std::string(1'000'000, 'k'));
  ASSERT_TRUE(big.ok()) << big.error().message;
  EXPECT_EQ(big->value().size(), 1'000'000 + std::string("value of ").size());
}

TEST_F(RpcOverTls, WhatIsRefusedIsSaidInWords) {
  files_.options.allowed_cn = {"tidb"};
  serve(files_.open());
  const auto error_of = [this](std::shared_ptr<net::Tls> tls, const std::string& scheme) {
    ClientLoop loop(std::move(tls));
    const auto reply = get(loop, scheme);
    EXPECT_FALSE(reply.ok());
    return reply.ok() ? "" : reply.error().message;
  };
  EXPECT_NE(error_of(nullptr, "https://").find("TLS is not configured here"), std::string::npos);
  EXPECT_NE(error_of(nullptr, "").find("this port speaks TLS"), std::string::npos);
  EXPECT_NE(error_of(client_files_.open(), "").find("TLS"), std::string::npos);
  Authority other;
  client_files_.trust(other.certificate());
  EXPECT_NE(error_of(client_files_.open(), "").find("its certificate is refused"), std::string::npos);
}

TEST_F(RpcOverTls, TlsToAPlainPortFailsInWords) {
  serve(nullptr);
  ClientLoop loop(client_files_.open());
  const auto reply = get(loop);
  ASSERT_FALSE(reply.ok());
  EXPECT_NE(reply.error().message.find("it does not speak TLS"), std::string::npos) << reply.error().message;
}

}  // namespace
}  // namespace cairn::rpc
