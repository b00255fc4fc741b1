// The PD client against a real server with a fake PD behind it.
#include "rpc/pd_client.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpc/metrics.h"
#include "rpc/server.h"
#include "rpc/services.h"
#include "rpc/testing/fakes.h"
#include "runtime/threaded/real_clock.h"
#include "runtime/threaded/thread_executor.h"

namespace cairn::rpc {
namespace {

using testing::FakePd;
using testing::Waiter;

// A PD on a port, which may be stopped and started again.
struct PdOnAPort {
  FakePd pd;
  std::unique_ptr<Server> server;
  int port = 0;

  void start() {
    Router router;
    serve_pd(router, pd);
    auto started = Server::start({.addresses = {"127.0.0.1:" + std::to_string(port)}}, std::move(router));
    ASSERT_TRUE(started.ok()) << started.error();
    server = std::move(*started);
    port = server->port();
    pd.set_leader(address());
  }
  std::string address() const { return "http://127.0.0.1:" + std::to_string(port); }
};

struct Fixture : ::testing::Test {
  PdOnAPort pd;
  runtime::RealClock clock;
  ClientLoop loop;
  runtime::ThreadedExecutors executors;
  std::unique_ptr<PdClient> client;

  void make_client(Duration budget = std::chrono::seconds(10), std::vector<std::string> endpoints = {}) {
    if (endpoints.empty()) endpoints = {"127.0.0.1:1", pd.address()};  // the first is nobody
    client = std::make_unique<PdClient>(PdClientOptions{.endpoints = endpoints,
                                                        .call_budget = budget,
                                                        .backoff_min = std::chrono::milliseconds(5),
                                                        .backoff_max = std::chrono::milliseconds(20)},
                                        loop, clock, executors.make("pd-client"));
  }
  ~Fixture() override {
    client.reset();
    executors.stop();
    loop.stop();
  }

  api::Reply<pdpb::AllocIDResponse> alloc_id() {
    Waiter<api::Reply<pdpb::AllocIDResponse>> waiter;
    client->alloc_id(api::make_call<pdpb::AllocIDRequest, pdpb::AllocIDResponse>({}, waiter.setter()));
    return waiter.get();
  }
};

using PdClientTest = Fixture;

TEST_F(PdClientTest, FindsTheLeaderAndFillsInTheClustersId) {
  pd.start();
  make_client();
  auto reply = alloc_id();
  ASSERT_TRUE(reply.ok()) << reply.error().message;
  EXPECT_EQ(reply->id(), 1u);
  EXPECT_EQ(reply->header().cluster_id(), 77u);
}

TEST_F(PdClientTest, AMemberThatStandsStillDoesNotHoldUpTheLookForTheLeader) {
  pd.start();
  // Its system takes connections, and it reads nothing.
  const int still = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(::bind(still, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(still, 10), 0);
  ASSERT_EQ(::getsockname(still, reinterpret_cast<sockaddr*>(&address), &size), 0);
  pd.pd.refuse_next(2);
  make_client(std::chrono::seconds(10),
              {"127.0.0.1:" + std::to_string(ntohs(address.sin_port)), "127.0.0.1:1", pd.address()});
  const auto since = clock.now();
  EXPECT_TRUE(alloc_id().ok());
  EXPECT_LT(clock.now() - since, PdClientOptions().call_timeout);
  ::close(still);
}

TEST_F(PdClientTest, TriesAgainWhileThereIsNoLeader) {
  pd.start();
  pd.pd.refuse_next(3);
  make_client();
  EXPECT_TRUE(alloc_id().ok());
}

TEST_F(PdClientTest, SaysWhichEndpointsCannotBeReachedOnceTheBudgetIsSpent) {
  make_client(std::chrono::milliseconds(100), {"127.0.0.1:1"});
  auto reply = alloc_id();
  ASSERT_FALSE(reply.ok());
  EXPECT_EQ(reply.error().code, api::Code::kUnavailable);
  EXPECT_NE(reply.error().message.find("127.0.0.1:1"), std::string::npos) << reply.error().message;
}

TEST_F(PdClientTest, TimestampsAreAskedForOnOneStreamAndAnsweredEachInItsTurn) {
  pd.start();
  pd.pd.fail_next_tso(1);  // the stream breaks once; what waited is asked again
  make_client();
  constexpr uint32_t kCalls = 200;
  std::vector<Waiter<api::Reply<pdpb::TsoResponse>>> waiters(kCalls);
  for (uint32_t i = 0; i < kCalls; ++i) {
    pdpb::TsoRequest request;
    request.set_count(i + 1);
    client->tso(api::make_call<pdpb::TsoRequest, pdpb::TsoResponse>(request, waiters[i].setter()));
  }
  for (uint32_t i = 0; i < kCalls; ++i) {
    auto reply = waiters[i].get();
    ASSERT_TRUE(reply.ok()) << reply.error().message;
    EXPECT_EQ(reply->count(), i + 1);
  }
}

TEST_F(PdClientTest, ARefusedTimestampFailsAloneWithItsText) {
  pd.start();
  make_client();
  Waiter<api::Reply<pdpb::TsoResponse>> refused;
  client->tso(api::make_call<pdpb::TsoRequest, pdpb::TsoResponse>({}, refused.setter()));
  EXPECT_EQ(refused.get().error().message, "count must be positive");
  pdpb::TsoRequest request;
  request.set_count(2);
  Waiter<api::Reply<pdpb::TsoResponse>> served;
  client->tso(api::make_call<pdpb::TsoRequest, pdpb::TsoResponse>(request, served.setter()));
  EXPECT_TRUE(served.get().ok());
}

TEST_F(PdClientTest, AStreamOfHeartbeatsEndsWithItsPdAndTheNextOneMayBeOpenedWhilePdIsAway) {
  pd.start();
  make_client();
  Mutex mutex;
  CondVar came;
  int answers = 0;
  int closed = 0;
  const auto open = [&] {
    return client->open_region_heartbeat({.on_response =
                                              [&](pdpb::RegionHeartbeatResponse) {
                                                MutexLock lock(mutex);
                                                ++answers;
                                                came.notify_all();
                                              },
                                          .on_closed =
                                              [&](api::Status) {
                                                MutexLock lock(mutex);
                                                ++closed;
                                                came.notify_all();
                                              }});
  };
  auto stream = open();
  const auto beat_until = [&](int wanted) {
    for (bool is_enough = false; !is_enough;) {
      pdpb::RegionHeartbeatRequest request;
      request.mutable_region()->set_id(1);
      stream->send(request);
      MutexLock lock(mutex);
      is_enough = came.wait_for(mutex, std::chrono::milliseconds(20), [&] { return answers >= wanted; });
    }
  };
  beat_until(1);
  pd.server->stop(Duration(0));
  {
    MutexLock lock(mutex);
    came.wait(mutex, [&] { return closed == 1; });
  }
  stream = open();
  pd.start();
  beat_until(answers + 1);
  stream.reset();
}

TEST_F(PdClientTest, HeartbeatsThatWaitForAFormerLeaderAreNotCountedAsWaitingForEver) {
  PdOnAPort next;
  pd.start();
  next.start();
  make_client(std::chrono::seconds(10), {pd.address()});
  ASSERT_TRUE(alloc_id().ok());
  const auto& waiting = NetworkMetrics::get().heartbeats_waiting;
  const double before = waiting.value();
  Waiter<api::Status> closed;
  auto stream = client->open_region_heartbeat(
      {.on_response = [](pdpb::RegionHeartbeatResponse) {}, .on_closed = closed.setter()});
  for (uint64_t i = 0; i < 5000; ++i) {  // faster than they are sent
    pdpb::RegionHeartbeatRequest request;
    request.mutable_region()->set_id(i);
    stream->send(request);
  }
  pd.pd.set_leader(next.address());
  pd.pd.refuse_next(1);
  EXPECT_TRUE(alloc_id().ok());
  EXPECT_EQ(closed.get().code, api::Code::kUnavailable);
  EXPECT_EQ(waiting.value(), before);
}

TEST_F(PdClientTest, StoppingFailsWhatWaits) {
  make_client(std::chrono::seconds(60), {"127.0.0.1:1"});
  Waiter<api::Reply<pdpb::AllocIDResponse>> waiter;
  client->alloc_id(api::make_call<pdpb::AllocIDRequest, pdpb::AllocIDResponse>({}, waiter.setter()));
  client.reset();
  EXPECT_FALSE(waiter.get().ok());
}

}  // namespace
}  // namespace cairn::rpc
