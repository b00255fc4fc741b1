#include "rpc/reactor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "rpc/client.h"
#include "rpc/server.h"
#include "rpc/testing/fakes.h"

namespace cairn::rpc {
namespace {

using testing::Waiter;

TEST(Reactor, RunsJobsInTheOrderOfPostingFromAnyThread) {
  Reactor reactor("reactor");
  std::vector<int> seen;
  Waiter<bool> done;
  for (int i = 0; i < 1000; ++i) reactor.post([&seen, i] { seen.push_back(i); });
  reactor.post([set = done.setter()] { set(true); });
  EXPECT_TRUE(done.get());
  ASSERT_EQ(seen.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(seen[static_cast<size_t>(i)], i);
}

TEST(Reactor, WakesForEachOfManyPostersThatComeWhileItSleeps) {
  Reactor reactor("reactor");
  std::atomic<int> ran{0};
  Waiter<bool> done;
  std::vector<std::thread> posters;
  for (int p = 0; p < 4; ++p) {
    posters.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) {
        Waiter<bool> ran_here;
        reactor.post([&ran, set = ran_here.setter()] {
          ++ran;
          set(true);
        });
        EXPECT_TRUE(ran_here.get());
      }
    });
  }
  for (auto& poster : posters) poster.join();
  EXPECT_EQ(ran, 8000);
}

TEST(Reactor, AJobPostedByAJobRunsLaterAndOnTheSameThread) {
  Reactor reactor("reactor");
  EXPECT_FALSE(reactor.is_current());
  std::vector<int> seen;
  Waiter<bool> done;
  reactor.post([&] {
    reactor.post([&, set = done.setter()] {
      seen.push_back(2);
      set(reactor.is_current());
    });
    seen.push_back(1);
  });
  EXPECT_TRUE(done.get());
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
}

TEST(Reactor, TimersRunInTheOrderOfTheirTimesUnlessCancelled) {
  Reactor reactor("reactor");
  std::vector<int> seen;
  Waiter<bool> done;
  reactor.after(std::chrono::milliseconds(30), [&, set = done.setter()] {
    seen.push_back(3);
    set(true);
  });
  reactor.after(std::chrono::milliseconds(1), [&] { seen.push_back(1); });
  const auto dropped = reactor.after(std::chrono::milliseconds(5), [&] { seen.push_back(2); });
  reactor.cancel(dropped);
  reactor.cancel(dropped);
  EXPECT_TRUE(done.get());
  EXPECT_EQ(seen, (std::vector<int>{1, 3}));
}

TEST(Reactor, AfterItsStopJobsAreDropped) {
  auto token = std::make_shared<int>(1);
  Reactor reactor("reactor");
  reactor.after(std::chrono::hours(1), [token] {});
  reactor.stop();
  reactor.stop();
  reactor.post([token] { FAIL() << "it ran"; });
  EXPECT_FALSE(reactor.after(std::chrono::milliseconds(1), [token] { FAIL() << "it ran"; }).is_set());
  EXPECT_EQ(token.use_count(), 1);
}

TEST(Reactor, CarriesAServerAndTheClientThatCallsIt) {
  auto reactor = std::make_shared<Reactor>("reactor");
  ClientLoop loop(reactor);
  Router router;
  router.add("/test/Thread", Router::Kind::kUnary, [&](std::shared_ptr<ServerStream> stream) {
    if (reactor->is_current()) stream->write_and_finish(Payload());
  });
  auto server = Server::start({.addresses = {"127.0.0.1:0"}, .reactor = reactor}, std::move(router));
  ASSERT_TRUE(server.ok());
  auto channel = loop.channel("127.0.0.1:" + std::to_string((*server)->port()));
  for (int i = 0; i < 100; ++i) {
    Waiter<bool> done;
    channel->call("/test/Thread", Payload(), std::chrono::seconds(10),
                  [&, set = done.setter()](api::Status status, Payload) { set(status.ok() && reactor->is_current()); });
    EXPECT_TRUE(done.get());
  }
  (*server)->stop(std::chrono::seconds(1));
  loop.stop();
  reactor->stop();
}

TEST(Reactor, AServerThatCannotListenLeavesItUsable) {
  auto reactor = std::make_shared<Reactor>("reactor");
  EXPECT_FALSE(Server::start({.addresses = {"no-such-host.invalid:1"}, .reactor = reactor}, Router()).ok());
  Waiter<bool> done;
  reactor->post([set = done.setter()] { set(true); });
  EXPECT_TRUE(done.get());
}

}  // namespace
}  // namespace cairn::rpc
