// The services over a real server on 127.0.0.1: what a client sees of them.
#include "rpc/services.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "rpc/client.h"
#include "rpc/server.h"
#include "rpc/testing/fakes.h"
#include "rpc/tikv_client.h"
#include "runtime/threaded/real_clock.h"
#include "tikvpb.pb.h"

namespace cairn::rpc {
namespace {

using testing::FakePd;
using testing::FakeTikv;
using testing::RecordingStream;
using testing::Waiter;

struct Served {
  runtime::RealClock clock;
  FakeTikv tikv;
  FakePd pd;
  ClientLoop loop;
  std::unique_ptr<Server> server;
  std::shared_ptr<Channel> channel;

  Served() {
    Router router;
    serve_tikv(router, tikv, {.health_feedback_interval = std::chrono::hours(1), .clock = &clock});
    serve_pd(router, pd);
    auto started = Server::start({.addresses = {"127.0.0.1:0"}, .threads = 2}, std::move(router));
    EXPECT_TRUE(started.ok());
    server = std::move(*started);
    channel = loop.channel("127.0.0.1:" + std::to_string(server->port()));
  }
  ~Served() {
    loop.stop();
    tikv.finish_held();
    server->stop(Duration(0));
  }

  template <class Resp>
  api::Reply<Resp> call(const std::string& method, const google::protobuf::MessageLite& request) {
    Waiter<api::Reply<Resp>> waiter;
    call_unary<Resp>(*channel, method, request, std::chrono::seconds(5), waiter.setter());
    return waiter.get();
  }
};

TEST(Services, AUnaryCallReachesItsMethodAndItsAnswerComesBack) {
  Served served;
  kvrpcpb::RawGetRequest request;
  request.set_key("fruit");
  auto reply = served.call<kvrpcpb::RawGetResponse>("/tikvpb.Tikv/RawGet", request);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->value(), "value of fruit");
}

TEST(Services, AMethodThatIsLeftOutAnswersUnimplementedByName) {
  Served served;
  auto reply = served.call<kvrpcpb::RawChecksumResponse>("/tikvpb.Tikv/RawChecksum", kvrpcpb::RawChecksumRequest());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, api::Code::kUnimplemented);
  EXPECT_NE(reply.error().message.find("RawChecksum"), std::string::npos) << reply.error().message;
}

TEST(Services, AnUnknownMethodAnswersUnimplementedByName) {
  Served served;
  auto reply = served.call<kvrpcpb::RawGetResponse>("/tikvpb.Tikv/NoSuchThing", kvrpcpb::RawGetRequest());
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, api::Code::kUnimplemented);
  EXPECT_NE(reply.error().message.find("NoSuchThing"), std::string::npos) << reply.error().message;
}

TEST(Services, AnErrorOfTheCallIsItsGrpcStatus) {
  Served served;
  kvrpcpb::RawGetRequest request;
  request.set_key("refuse");
  auto reply = served.call<kvrpcpb::RawGetResponse>("/tikvpb.Tikv/RawGet", request);
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, api::Code::kInvalidArgument);
  EXPECT_EQ(reply.error().message, "refused");
}

TEST(Services, AValueOfSixteenMebibytesTravelsBothWays) {
  Served served;
  kvrpcpb::RawGetRequest request;
  request.set_key(std::string(16 << 20, 'k'));
  auto reply = served.call<kvrpcpb::RawGetResponse>("/tikvpb.Tikv/RawGet", request);
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->value().size(), request.key().size() + 9);
}

TEST(Services, TheTikvClientIsTheSameInterfaceOverTheWire) {
  Served served;
  TikvClient client(served.channel);
  Waiter<api::Reply<kvrpcpb::RawGetResponse>> waiter;
  kvrpcpb::RawGetRequest request;
  request.set_key("fruit");
  client.raw_get(api::make_call<kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse>(request, waiter.setter()));
  auto reply = waiter.get();
  ASSERT_TRUE(reply.ok());
  EXPECT_EQ(reply->value(), "value of fruit");
}

tikvpb::BatchCommandsRequest raw_gets(uint64_t first_id, int count) {
  tikvpb::BatchCommandsRequest message;
  for (int i = 0; i < count; ++i) {
    message.add_requests()->mutable_rawget()->set_key("k" + std::to_string(first_id + static_cast<uint64_t>(i)));
    message.add_request_ids(first_id + static_cast<uint64_t>(i));
  }
  return message;
}

TEST(BatchCommands, EachIdIsAnsweredExactlyOnceWhileManyThreadsFinish) {
  Served served;
  served.tikv.answer_on_threads(3);
  auto events = std::make_shared<RecordingStream<tikvpb::BatchCommandsResponse>>();
  events->open(*served.channel, "/tikvpb.Tikv/BatchCommands");
  constexpr int kMessages = 200;
  constexpr int kPerMessage = 37;
  for (int m = 0; m < kMessages; ++m) events->send(raw_gets(1 + static_cast<uint64_t>(m) * kPerMessage, kPerMessage));
  std::map<uint64_t, int> seen;
  int total = 0;
  while (total < kMessages * kPerMessage) {
    auto message = events->next();
    ASSERT_TRUE(message) << "the stream ended after " << total << " answers";
    ASSERT_EQ(message->responses_size(), message->request_ids_size());
    for (int i = 0; i < message->responses_size(); ++i, ++total) {
      const uint64_t id = message->request_ids(i);
      ++seen[id];
      ASSERT_EQ(message->responses(i).rawget().value(), "value of k" + std::to_string(id));
    }
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(kMessages * kPerMessage));
  EXPECT_TRUE(std::all_of(seen.begin(), seen.end(), [](const auto& entry) { return entry.second == 1; }));
  events->end();
  EXPECT_TRUE(events->status().ok());
}

// A small message may ask for scans that find more than there is memory: the first is to end, and its answer to leave,
// before the next begins.
TEST(BatchCommands, ScansOfMuchAreBegunOneByOneAndHoldUpNoGets) {
  Served served;
  auto events = std::make_shared<RecordingStream<tikvpb::BatchCommandsResponse>>();
  events->open(*served.channel, "/tikvpb.Tikv/BatchCommands");
  tikvpb::BatchCommandsRequest message = raw_gets(1000, 1);
  constexpr uint64_t kScans = 300;
  for (uint64_t i = 0; i < kScans; ++i) {
    message.add_requests()->mutable_rawscan()->set_limit(1'000'000);
    message.add_request_ids(i);
  }
  message.MergeFrom(raw_gets(1001, 1));
  events->send(message);
  size_t gets = 0, scans = 0;
  while (gets < 2) gets += static_cast<size_t>(events->next().value().responses_size());
  for (; scans < kScans; ++scans) {
    served.tikv.wait_for_scans(1);
    EXPECT_EQ(served.tikv.finish_scans(1 << 20), 1u);
    auto answer = events->next();
    ASSERT_TRUE(answer);
    ASSERT_EQ(answer->responses_size(), 1);
    ASSERT_TRUE(answer->responses(0).has_rawscan());
  }
}

// Gets may wait for a region that has no leader; what ends the wait of others must come through all the same.
TEST(BatchCommands, WhatAsksForNoValuesPassesGetsThatWaitForRoom) {
  Served served;
  auto events = std::make_shared<RecordingStream<tikvpb::BatchCommandsResponse>>();
  events->open(*served.channel, "/tikvpb.Tikv/BatchCommands");
  constexpr uint64_t kGets = 600;
  constexpr size_t kBegun = 512;  // 8 MiB, while each may answer with 16 KiB
  tikvpb::BatchCommandsRequest gets;
  for (uint64_t i = 0; i < kGets; ++i) {
    gets.add_requests()->mutable_rawget()->set_key("hold");
    gets.add_request_ids(i);
  }
  events->send(gets);
  served.tikv.wait_for_held(kBegun);
  tikvpb::BatchCommandsRequest other;
  other.add_requests()->mutable_empty()->set_test_id(7);
  other.add_request_ids(kGets);
  events->send(other);
  const auto first = events->next();
  ASSERT_TRUE(first);
  ASSERT_EQ(first->responses_size(), 1);
  EXPECT_EQ(first->responses(0).empty().test_id(), 7u);
  size_t answered = 0;
  const auto finish = [&](size_t held) {
    served.tikv.wait_for_held(held);
    served.tikv.finish_held();
    for (const size_t target = answered + held; answered < target;) {
      answered += static_cast<size_t>(events->next().value().responses_size());
    }
  };
  finish(kBegun);
  finish(kGets - kBegun);
  events->end();
  EXPECT_TRUE(events->status().ok());
}

TEST(BatchCommands, ACommandWithoutAHandlerAnswersInKindWithAnErrorText) {
  Served served;
  auto events = std::make_shared<RecordingStream<tikvpb::BatchCommandsResponse>>();
  events->open(*served.channel, "/tikvpb.Tikv/BatchCommands");
  tikvpb::BatchCommandsRequest message;
  message.add_requests()->mutable_rawcoprocessor();
  message.add_request_ids(7);
  message.add_requests()->mutable_empty()->set_test_id(99);
  message.add_request_ids(8);
  events->send(message);
  auto answer = events->next();
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->responses_size(), 2);
  EXPECT_EQ(answer->request_ids(0), 7u);
  EXPECT_NE(answer->responses(0).rawcoprocessor().error(), "");
  EXPECT_EQ(answer->responses(1).empty().test_id(), 99u);
}

TEST(BatchCommands, SayHowTheStoreIsFromTimeToTimeAndWheneverAsked) {
  Served served;
  auto events = std::make_shared<RecordingStream<tikvpb::BatchCommandsResponse>>();
  events->open(*served.channel, "/tikvpb.Tikv/BatchCommands");
  const auto answer_to = [&](const tikvpb::BatchCommandsRequest& message) {
    events->send(message);
    return events->next().value();
  };
  EXPECT_EQ(answer_to(raw_gets(1, 1)).health_feedback().feedback_seq_no(), 1u);
  EXPECT_FALSE(answer_to(raw_gets(2, 1)).has_health_feedback()) << "not so soon again";
  tikvpb::BatchCommandsRequest question;
  question.add_requests()->mutable_gethealthfeedback();
  question.add_request_ids(3);
  const auto answer = answer_to(question);
  EXPECT_EQ(answer.health_feedback().feedback_seq_no(), 2u) << "asked for";
  EXPECT_EQ(answer.responses(0).gethealthfeedback().health_feedback().feedback_seq_no(), 2u);
}

TEST(BatchCommands, AWrongClusterEndsTheStream) {
  Served served;
  auto events = std::make_shared<RecordingStream<tikvpb::BatchCommandsResponse>>();
  events->open(*served.channel, "/tikvpb.Tikv/BatchCommands");
  tikvpb::BatchCommandsRequest message;
  message.add_requests()->mutable_rawget()->set_key("refuse");
  message.add_request_ids(1);
  events->send(message);
  EXPECT_FALSE(events->next());
  EXPECT_EQ(events->status().code, api::Code::kInvalidArgument);
}

TEST(OrderedStreams, TimestampsComeInTheOrderOfTheRequestsThoughCallsFinishInAnother) {
  Served served;
  auto events = std::make_shared<RecordingStream<pdpb::TsoResponse>>();
  events->open(*served.channel, "/pdpb.PD/Tso");
  constexpr uint32_t kRequests = 400;
  for (uint32_t i = 1; i <= kRequests; ++i) {
    pdpb::TsoRequest request;
    request.set_count(i);
    events->send(request);
  }
  for (uint32_t i = 1; i <= kRequests; ++i) {
    auto answer = events->next();
    ASSERT_TRUE(answer) << i;
    ASSERT_EQ(answer->count(), i);
  }
  pdpb::TsoRequest bad;  // count 0: the fake refuses it
  events->send(bad);
  EXPECT_FALSE(events->next());
  EXPECT_EQ(events->status().message, "count must be positive");
}

TEST(RegionHeartbeats, GoInAndCommandsComeOut) {
  Served served;
  auto events = std::make_shared<RecordingStream<pdpb::RegionHeartbeatResponse>>();
  events->open(*served.channel, "/pdpb.PD/RegionHeartbeat");
  pdpb::RegionHeartbeatRequest request;
  request.mutable_region()->set_id(42);
  events->send(request);
  auto answer = events->next();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->region_id(), 42u);
  events->end();
  EXPECT_TRUE(events->status().ok());
}

}  // namespace
}  // namespace cairn::rpc
