// The server itself: ports, health, and its end.
#include "rpc/server.h"

#include <gtest/gtest.h>

#include "grpc_health_v1.pb.h"
#include "rpc/client.h"
#include "rpc/services.h"
#include "rpc/testing/fakes.h"
#include "tikvpb.pb.h"

namespace cairn::rpc {
namespace {

namespace health = ::grpc::health::v1;
using testing::FakeTikv;
using testing::RecordingStream;
using testing::Waiter;

std::unique_ptr<Server> must_start(FakeTikv& tikv) {
  Router router;
  serve_tikv(router, tikv);
  auto started = Server::start({.addresses = {"127.0.0.1:0"}}, std::move(router));
  EXPECT_TRUE(started.ok());
  return std::move(*started);
}

std::shared_ptr<Channel> channel_to(ClientLoop& loop, const Server& server) {
  return loop.channel("127.0.0.1:" + std::to_string(server.port()));
}

TEST(Server, APortInUseIsAnErrorThatNamesAddressAndReason) {
  FakeTikv tikv;
  auto first = must_start(tikv);
  const std::string address = "127.0.0.1:" + std::to_string(first->port());
  auto second = Server::start({.addresses = {address}}, Router());
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().find(address), std::string::npos) << second.error();
  EXPECT_NE(second.error().find("in use"), std::string::npos) << second.error();
}

TEST(Server, TheHealthCheckSaysServing) {
  FakeTikv tikv;
  auto server = must_start(tikv);
  ClientLoop loop;
  Waiter<api::Reply<health::HealthCheckResponse>> waiter;
  call_unary<health::HealthCheckResponse>(*channel_to(loop, *server), "/grpc.health.v1.Health/Check",
                                          health::HealthCheckRequest(), std::chrono::seconds(5), waiter.setter());
  auto reply = waiter.get();
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->status(), health::HealthCheckResponse::SERVING);
}

TEST(Server, StoppingLetsTheCallsUnderWayFinish) {
  FakeTikv tikv;
  auto server = must_start(tikv);
  ClientLoop loop;
  auto channel = channel_to(loop, *server);
  kvrpcpb::RawGetRequest request;
  request.set_key("hold");
  Waiter<api::Reply<kvrpcpb::RawGetResponse>> waiter;
  call_unary<kvrpcpb::RawGetResponse>(*channel, "/tikvpb.Tikv/RawGet", request, std::chrono::seconds(5),
                                      waiter.setter());
  auto stream = std::make_shared<RecordingStream<tikvpb::BatchCommandsResponse>>();
  stream->open(*channel, "/tikvpb.Tikv/BatchCommands");
  tikvpb::BatchCommandsRequest batch;
  batch.add_requests()->mutable_rawget()->set_key("hold");
  batch.add_request_ids(5);
  stream->send(batch);
  tikv.wait_for_held(2);

  std::thread stopper([&] { server->stop(std::chrono::seconds(5)); });
  tikv.finish_held();
  stopper.join();

  auto reply = waiter.get();
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->value(), "value of hold");
  auto answer = stream->next();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->request_ids(0), 5u);
  EXPECT_FALSE(stream->next());
  EXPECT_EQ(stream->status().code, api::Code::kUnavailable);
}

TEST(Server, StoppingAtOnceCancelsTheCallsUnderWayAndTheirLateAnswersGoNowhere) {
  FakeTikv tikv;
  auto server = must_start(tikv);
  ClientLoop loop;
  auto channel = channel_to(loop, *server);
  kvrpcpb::RawGetRequest request;
  request.set_key("hold");
  Waiter<api::Reply<kvrpcpb::RawGetResponse>> waiter;
  call_unary<kvrpcpb::RawGetResponse>(*channel, "/tikvpb.Tikv/RawGet", request, std::chrono::seconds(5),
                                      waiter.setter());
  tikv.wait_for_held(1);
  server->stop(Duration(0));
  EXPECT_FALSE(waiter.get().ok());
  tikv.finish_held();
  server.reset();
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

}  // namespace
}  // namespace cairn::rpc
