// The way between PD's members, over a real server.
#include "rpc/peer_transport.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>

#include "base/mutex.h"
#include "rpc/server.h"
#include "runtime/threaded/thread_executor.h"

namespace cairn::rpc {
namespace {

struct PeerTransportTest : ::testing::Test {
  ClientLoop loop;
  runtime::ThreadedExecutors executors;
  std::shared_ptr<runtime::Executor> home = executors.make("pd");
  Mutex mutex;
  CondVar came;
  std::vector<Bytes> received CAIRN_GUARDED_BY(mutex);
  int unreachable CAIRN_GUARDED_BY(mutex) = 0;
  std::unique_ptr<Server> server;
  std::unique_ptr<PeerTransport> transport;

  void start_server(int port = 0) {
    Router router;
    serve_member_exchange(router, [this](Bytes message) {
      MutexLock lock(mutex);
      received.push_back(std::move(message));
      came.notify_all();
    });
    auto started = Server::start({.addresses = {"127.0.0.1:" + std::to_string(port)}}, std::move(router));
    ASSERT_TRUE(started.ok()) << started.error();
    server = std::move(*started);
  }
  void SetUp() override {
    start_server();
    PeerTransportOptions options;
    options.queue_messages_max = 100;
    options.backoff_min = std::chrono::milliseconds(5);
    options.backoff_max = std::chrono::milliseconds(20);
    transport = std::make_unique<PeerTransport>(options, loop, home);
    transport->on_unreachable([this](uint64_t) {
      MutexLock lock(mutex);
      ++unreachable;
      came.notify_all();
    });
  }
  void TearDown() override {
    transport->stop();
    loop.stop();
    server.reset();
    executors.stop();
  }

  void on_home(std::function<void()> job) {
    std::promise<void> done;
    home->post([&] {
      job();
      done.set_value();
    });
    done.get_future().wait();
  }
  void tell_address(int port) {
    on_home([&] { transport->set_address({.id = 2, .peer_urls = {"http://127.0.0.1:" + std::to_string(port)}}); });
  }
  void send(Bytes message) {
    on_home([&] { transport->send(2, std::move(message)); });
  }
};

TEST_F(PeerTransportTest, MessagesComeInOrder) {
  tell_address(server->port());
  for (int i = 0; i < 50; ++i) send(std::to_string(i));
  MutexLock lock(mutex);
  while (received.size() < 50) came.wait(mutex);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(received[static_cast<size_t>(i)], std::to_string(i));
}

TEST_F(PeerTransportTest, AMemberWithoutAnAddressGetsNothing) {
  send("x");
  tell_address(server->port());
  send("y");
  MutexLock lock(mutex);
  while (received.empty()) came.wait(mutex);
  EXPECT_EQ(received.front(), "y");
}

TEST_F(PeerTransportTest, ABrokenStreamIsToldAndOpenedAnew) {
  const int port = server->port();
  tell_address(port);
  send("a");
  {
    MutexLock lock(mutex);
    while (received.empty()) came.wait(mutex);
  }
  server->stop(Duration{});
  server.reset();
  {
    MutexLock lock(mutex);
    while (unreachable == 0) came.wait(mutex);
    received.clear();
  }
  start_server(port);
  for (bool is_there = false; !is_there;) {
    send("b");
    MutexLock lock(mutex);
    is_there = !received.empty();
  }
}

// The member's own messages tell that it is there, long before the back-off is over.
TEST_F(PeerTransportTest, AMemberThatIsHeardOfIsReachedAtOnce) {
  transport->stop();
  transport = std::make_unique<PeerTransport>(
      PeerTransportOptions{.backoff_min = std::chrono::hours(1), .backoff_max = std::chrono::hours(1)}, loop, home);
  transport->on_unreachable([this](uint64_t) {
    MutexLock lock(mutex);
    ++unreachable;
    came.notify_all();
  });
  const int port = server->port();
  server->stop(Duration{});
  server.reset();
  tell_address(port);
  send("a");
  {
    MutexLock lock(mutex);
    while (unreachable == 0) came.wait(mutex);
  }
  start_server(port);
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  for (bool is_there = false; !is_there && std::chrono::steady_clock::now() < until;) {
    send("b");
    on_home([&] { transport->on_heard_of(2); });
    MutexLock lock(mutex);
    is_there = !received.empty();
  }
  MutexLock lock(mutex);
  ASSERT_FALSE(received.empty());
}

TEST_F(PeerTransportTest, WhatFindsNoRoomIsDropped) {
  server->stop(Duration{});
  server.reset();
  tell_address(1);  // nobody listens there
  for (int i = 0; i < 1000; ++i) send(Bytes(1000, 'x'));
  MutexLock lock(mutex);
  while (unreachable == 0) came.wait(mutex);
  EXPECT_TRUE(received.empty());
}

}  // namespace
}  // namespace cairn::rpc
