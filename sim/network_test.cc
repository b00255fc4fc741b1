#include "sim/network.h"

#include <gtest/gtest.h>

#include "api/call.h"
#include "sim/proxies.h"

namespace cairn::sim {
namespace {

struct Machine {
  runtime::SimClock clock;
  runtime::SimExecutors executors;
  std::shared_ptr<runtime::Executor> inbox;
  NodeId id;
  Endpoint self;
  Machine(runtime::SimLoop& loop, Network& network, const std::string& name)
      : clock(loop), executors(loop, clock, name), inbox(executors.make("inbox")), id(network.add_node(name)) {
    self = network.attach(id, inbox);
  }
};

class NetworkTest : public ::testing::Test {
 protected:
  runtime::SimLoop loop_{7};
  Network network_{loop_};
  Machine a_{loop_, network_, "a"};
  Machine b_{loop_, network_, "b"};
  int arrived_ = 0;
  int lost_ = 0;
  void mail(NodeId from = {}, NodeId to = {}) {
    const Endpoint sender = network_.here(from.is_set() ? from : a_.id);
    network_.send_datagram(sender, to.is_set() ? to : b_.id, [this] { ++arrived_; }, [this] { ++lost_; });
  }
};

TEST_F(NetworkTest, ALetterArrivesOnTheReceiversInboxAfterADelay) {
  bool right_place = false;
  network_.send_datagram(a_.self, b_.id, [&] { right_place = b_.inbox->is_current(); }, nullptr);
  EXPECT_FALSE(right_place);
  loop_.run_for(50us);
  EXPECT_FALSE(right_place);
  loop_.run_for(1s);
  EXPECT_TRUE(right_place);
}

TEST_F(NetworkTest, APartitionMayBeOneWay) {
  network_.block(a_.id, b_.id);
  mail();
  mail(b_.id, a_.id);
  loop_.run_for(1min);
  EXPECT_EQ(arrived_, 1);
  EXPECT_EQ(lost_, 1);
  network_.heal();
  mail();
  loop_.run_for(1s);
  EXPECT_EQ(arrived_, 2);
}

TEST_F(NetworkTest, LettersAreLostAndDuplicatedAsTheWeatherHasIt) {
  network_.weather().loss = 0.5;
  for (int i = 0; i < 200; ++i) mail();
  loop_.run_for(1min);
  EXPECT_EQ(arrived_ + lost_, 200);
  EXPECT_GT(arrived_, 60);
  EXPECT_GT(lost_, 60);
  network_.heal();
  network_.weather().duplicate = 1.0;
  arrived_ = 0;
  mail();
  loop_.run_for(1s);
  EXPECT_EQ(arrived_, 2);
}

TEST_F(NetworkTest, ACloggedLinkDeliversLate) {
  network_.clog(a_.id, b_.id, 5s);
  mail();
  loop_.run_for(4s);
  EXPECT_EQ(arrived_, 0);
  loop_.run_for(2s);
  EXPECT_EQ(arrived_, 1);
}

TEST_F(NetworkTest, ADeadNodeGetsNothingAndItsWatcherIsTold) {
  bool told = false;
  network_.watch(b_.self, a_.self, [&] { told = true; });
  mail();
  b_.executors.kill();
  network_.detach(b_.id);
  loop_.run_for(1min);
  EXPECT_EQ(arrived_, 0);
  EXPECT_EQ(lost_, 1);
  EXPECT_TRUE(told);
}

TEST_F(NetworkTest, LettersOfAChannelDoNotOvertakeOneAnother) {
  network_.weather().straggle = 0.5;
  Channel channel;
  std::vector<int> seen;
  for (int i = 0; i < 100; ++i) {
    network_.send({.from = a_.id,
                   .to = b_.id,
                   .to_incarnation = {},
                   .deliver = [&seen, i] { seen.push_back(i); },
                   .notify = a_.self,
                   .lost = nullptr,
                   .channel = &channel});
  }
  loop_.run_for(1min);
  ASSERT_EQ(seen.size(), 100U);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

class EchoTikv final : public api::Tikv {
 public:
  void raw_get(api::Call<kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse> call) override {
    call.response().set_value("echo " + call.request().key());
    call.finish();
  }
  void raw_put(api::Call<kvrpcpb::RawPutRequest, kvrpcpb::RawPutResponse> call) override { held = std::move(call); }
  api::Call<kvrpcpb::RawPutRequest, kvrpcpb::RawPutResponse> held;
};

using GetReply = api::Reply<kvrpcpb::RawGetResponse>;
runtime::Task<void> get(runtime::Executor* executor, api::Tikv* tikv, std::optional<GetReply>* reply) {
  kvrpcpb::RawGetRequest request;
  request.set_key("k");
  *reply = co_await api::ask<kvrpcpb::RawGetRequest, kvrpcpb::RawGetResponse>(
      *executor, 2s, std::move(request), [tikv](auto call) { tikv->raw_get(std::move(call)); });
}

TEST_F(NetworkTest, ACallIsAnsweredOverTheNetwork) {
  EchoTikv echo;
  SimTikv proxy(network_, a_.self, b_.id, [&] { return &echo; });
  std::optional<GetReply> reply;
  runtime::spawn(*a_.inbox, get(a_.inbox.get(), &proxy, &reply));
  loop_.run_for(1s);
  ASSERT_TRUE(reply.has_value());
  ASSERT_TRUE(reply->ok());
  EXPECT_EQ((*reply)->value(), "echo k");
}

TEST_F(NetworkTest, ACallToADeadOrUnreadyNodeFails) {
  SimTikv unready(network_, a_.self, b_.id, [] { return nullptr; });
  std::optional<GetReply> reply;
  runtime::spawn(*a_.inbox, get(a_.inbox.get(), &unready, &reply));
  loop_.run_for(1s);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->error().code, api::Code::kUnavailable);

  network_.detach(b_.id);
  for (int i = 0; i < 20; ++i) {
    reply.reset();
    runtime::spawn(*a_.inbox, get(a_.inbox.get(), &unready, &reply));
    loop_.run_for(3s);
    ASSERT_TRUE(reply.has_value());
    EXPECT_FALSE(reply->ok());
  }
}

TEST_F(NetworkTest, AnAnswerThatAServerGivesAfterItsDeathIsNotHeard) {
  EchoTikv echo;
  SimTikv proxy(network_, a_.self, b_.id, [&] { return &echo; });
  bool finished = false;
  proxy.raw_put(api::make_call<kvrpcpb::RawPutRequest, kvrpcpb::RawPutResponse>(
      {}, [&](api::Reply<kvrpcpb::RawPutResponse> reply) { finished = reply.ok(); }));
  loop_.run_for(1s);
  ASSERT_TRUE(echo.held.is_pending());
  network_.detach(b_.id);
  echo.held.finish();
  loop_.run_for(1min);
  EXPECT_FALSE(finished);
}

}  // namespace
}  // namespace cairn::sim
