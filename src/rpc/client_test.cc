// The client's side: how calls end, and what becomes of the connection.
#include "rpc/client.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listen.h"
#include "rpc/server.h"
#include "rpc/services.h"
#include "rpc/testing/fakes.h"

namespace cairn::rpc {
namespace {

using testing::channel_to;
using testing::FakeTikv;
using testing::must_start;
using testing::Waiter;

api::Reply<kvrpcpb::RawGetResponse> get(Channel& channel, const std::string& key, Duration timeout = 10s) {
  kvrpcpb::RawGetRequest request;
  request.set_key(key);
  Waiter<api::Reply<kvrpcpb::RawGetResponse>> waiter;
  call_unary<kvrpcpb::RawGetResponse>(channel, "/tikvpb.Tikv/RawGet", request, timeout, waiter.setter());
  return waiter.get();
}

TEST(ClientLoop, StoppingFailsWhatIsUnderWay) {
  FakeTikv tikv;
  auto server = must_start(tikv);
  ClientLoop loop;
  auto channel = channel_to(loop, *server);
  kvrpcpb::RawGetRequest request;
  request.set_key("hold");
  Waiter<api::Reply<kvrpcpb::RawGetResponse>> waiter;
  call_unary<kvrpcpb::RawGetResponse>(*channel, "/tikvpb.Tikv/RawGet", request, std::chrono::seconds(50),
                                      waiter.setter());
  tikv.wait_for_held(1);
  loop.stop();
  EXPECT_EQ(waiter.get().error().code, api::Code::kCancelled);
  tikv.finish_held();
}

TEST(ClientLoop, ACallToNobodyIsUnavailable) {
  ClientLoop loop;
  Waiter<api::Reply<kvrpcpb::RawGetResponse>> waiter;
  call_unary<kvrpcpb::RawGetResponse>(*loop.channel("http://127.0.0.1:1"), "/tikvpb.Tikv/RawGet",
                                      kvrpcpb::RawGetRequest(), std::chrono::seconds(5), waiter.setter());
  EXPECT_EQ(waiter.get().error().code, api::Code::kUnavailable);
}

TEST(ClientLoop, ACallEndsAtItsDeadlineHoweverFarItCame) {
  FakeTikv tikv;
  auto server = must_start(tikv);
  ClientLoop loop;
  EXPECT_EQ(get(*channel_to(loop, *server), "hold", 20ms).error().code, api::Code::kDeadlineExceeded);
  tikv.finish_held();
  // Somebody listens, and never answers.
  const auto silent = net::listen_on("127.0.0.1:0");
  ASSERT_TRUE(silent.ok());
  auto channel = loop.channel("127.0.0.1:" + std::to_string(net::port_of(*silent)));
  EXPECT_EQ(get(*channel, "key", 20ms).error().code, api::Code::kDeadlineExceeded);
  close(*silent);
}

TEST(ClientLoop, AServerThatComesBackIsFoundAgain) {
  FakeTikv tikv;
  auto server = must_start(tikv);
  const std::string address = "127.0.0.1:" + std::to_string(server->port());
  ClientLoop loop;
  auto channel = loop.channel(address);
  EXPECT_TRUE(get(*channel, "key").ok());
  server->stop(1s);
  EXPECT_EQ(get(*channel, "key").error().code, api::Code::kUnavailable);
  server = must_start(tikv, address);
  while (!get(*channel, "key").ok()) channel->reconnect_now();
}

TEST(ClientLoop, WhileItBacksOffCallsFailAtOnceAndSayWhy) {
  ClientLoop loop;
  auto channel = loop.channel("127.0.0.1:1");
  for (int i = 0; i < 3; ++i) {
    const auto reply = get(*channel, "key");
    EXPECT_EQ(reply.error().code, api::Code::kUnavailable);
    EXPECT_EQ(reply.error().message, "failed to connect to 127.0.0.1:1: Connection refused");
  }
}

TEST(ClientLoop, ManyCallsAtOnceAreAllAnswered) {
  FakeTikv tikv;
  tikv.answer_on_threads(2);
  auto server = must_start(tikv);
  ClientLoop loop;
  auto channel = channel_to(loop, *server);
  constexpr int kCalls = 5000;  // more than may be open at once
  std::vector<Waiter<api::Reply<kvrpcpb::RawGetResponse>>> waiters(kCalls);
  kvrpcpb::RawGetRequest request;
  for (int i = 0; i < kCalls; ++i) {
    request.set_key(std::to_string(i));
    call_unary<kvrpcpb::RawGetResponse>(*channel, "/tikvpb.Tikv/RawGet", request, std::chrono::seconds(30),
                                        waiters[static_cast<size_t>(i)].setter());
  }
  for (int i = 0; i < kCalls; ++i) {
    auto reply = waiters[static_cast<size_t>(i)].get();
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    EXPECT_EQ(reply->value(), "value of " + std::to_string(i));
  }
}

}  // namespace
}  // namespace cairn::rpc
