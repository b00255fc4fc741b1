#include "net/acceptor.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <vector>

#include "net/connect.h"
#include "net/listen.h"
#include "net/testing/waiter.h"

namespace cairn::net {
namespace {

using testing::Waiter;

// Sockets that listen and dial on a loop of their own.
class Sockets : public ::testing::Test {
 public:
  Sockets() {
    auto listening = listen_on("127.0.0.1:0");
    EXPECT_TRUE(listening.ok());
    address_ = "127.0.0.1:" + std::to_string(port_of(*listening));
    on_loop([this, socket = *listening] {
      acceptor_ = std::make_unique<Acceptor>(*loop_, socket, [this](int descriptor, const std::string&) {
        accepted_.push_back(descriptor);
        ++count_;
      });
    });
  }
  ~Sockets() override {
    on_loop([this] {
      acceptor_.reset();
      dialling_.clear();
      for (const int descriptor : accepted_) close(descriptor);
    });
    loop_->stop();
  }

  void on_loop(std::function<void()> what) {
    std::promise<void> done;
    loop_->post([&] {
      what();
      done.set_value();
    });
    done.get_future().wait();
  }
  Result<int, std::string> dial(const std::string& address, Duration patience = 10s) {
    Waiter<Result<int, std::string>> waiter;
    on_loop([&] { dialling_.push_back(connect(loop_, address, patience, waiter.setter())); });
    return waiter.get();
  }

  std::shared_ptr<Loop> loop_ = std::make_shared<Loop>("sockets");
  std::string address_;
  std::unique_ptr<Acceptor> acceptor_;
  std::vector<std::unique_ptr<Connecting>> dialling_;
  std::vector<int> accepted_;
  std::atomic<int> count_{0};
};

TEST_F(Sockets, AreConnectedByNumberAndByName) {
  auto first = dial(address_);
  ASSERT_TRUE(first.ok()) << first.error();
  close(*first);
  auto second = dial("localhost" + address_.substr(address_.find(':')));
  ASSERT_TRUE(second.ok()) << second.error();
  close(*second);
}

TEST_F(Sockets, WhatCannotBeReachedSaysWhy) {
  EXPECT_EQ(dial("127.0.0.1:1").error(), "Connection refused");
  EXPECT_EQ(dial("nowhere").error(), "'nowhere' is no host:port");
  EXPECT_FALSE(dial("no-such-host.invalid:1").ok());
}

// A socket that listens and whose queue is full: what dials it hears nothing.
class Silent {
 public:
  Silent() : listening_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(listening_, reinterpret_cast<const sockaddr*>(&own), sizeof own), 0);
    EXPECT_EQ(listen(listening_, 0), 0);
    address_.size = sizeof address_.bytes;
    EXPECT_EQ(getsockname(listening_, reinterpret_cast<sockaddr*>(&address_.bytes), &address_.size), 0);
    while (dialled_.size() < 20 && dial()) continue;
  }
  ~Silent() {
    for (const int one : dialled_) close(one);
    close(listening_);
  }
  Silent(const Silent&) = delete;
  Silent& operator=(const Silent&) = delete;

  const SocketAddress& address() const { return address_; }
  bool is_silent() const { return dialled_.size() < 20; }

 private:
  // Whether it was answered soon.
  bool dial() {
    const int made = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    dialled_.push_back(made);
    static_cast<void>(::connect(made, reinterpret_cast<const sockaddr*>(&address_.bytes), address_.size));
    pollfd ready{.fd = made, .events = POLLOUT, .revents = 0};
    return poll(&ready, 1, 100) == 1;
  }

  const int listening_;
  SocketAddress address_;
  std::vector<int> dialled_;
};

TEST_F(Sockets, AnAddressThatSwallowsEverythingDoesNotCostTheOthersTheirTime) {
  const Silent silent;
  if (!silent.is_silent()) GTEST_SKIP() << "no address here is silent";
  SocketAddress good = silent.address();
  reinterpret_cast<sockaddr_in&>(good.bytes).sin_port =
      htons(static_cast<uint16_t>(std::stoi(address_.substr(address_.find(':') + 1))));
  Waiter<bool> connected;
  on_loop([&] {
    dialling_.push_back(connect(loop_, {silent.address(), good}, 60s,
                                [set = connected.setter()](Result<int, std::string> result) mutable {
                                  if (result.ok()) close(*result);
                                  set(result.ok());
                                }));
  });
  EXPECT_TRUE(connected.get());
}

TEST_F(Sockets, AnAttemptThatIsDroppedEndsWithoutAWord) {
  on_loop([this] {
    auto attempt = connect(loop_, address_, 10s, [](auto) { FAIL() << "it was dropped"; });
    attempt.reset();
  });
  auto next = dial(address_);
  ASSERT_TRUE(next.ok());
  close(*next);
}

TEST_F(Sockets, ConnectionsAreAcceptedAgainAfterAShortageOfDescriptors) {
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
  GTEST_SKIP() << "the sanitizer's own checks need descriptors";
#endif
#endif
  std::vector<int> held;
  rlimit tight = before;
  tight.rlim_cur = 64;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  int free = dup(0);
  while (free >= 0) {
    held.push_back(free);
    free = dup(0);
  }
  ASSERT_FALSE(held.empty());
  close(held.back());  // one for the dialling side
  held.pop_back();
  auto turned_away = dial(address_);
  ASSERT_TRUE(turned_away.ok()) << turned_away.error();
  char byte = 0;
  while (read(*turned_away, &byte, 1) != 0) continue;  // until it is closed from there: it is non-blocking
  close(*turned_away);
  for (const int descriptor : held) close(descriptor);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);

  const int known = count_;
  auto next = dial(address_);
  ASSERT_TRUE(next.ok()) << next.error();
  while (count_ == known) on_loop([] {});
  close(*next);
}

}  // namespace
}  // namespace cairn::net
