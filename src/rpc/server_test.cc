// The server itself: ports, health, and its end.
#include "rpc/server.h"
#include "base/mutex.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <functional>
#include <future>
#include <thread>
#include <vector>

#include "grpc_health_v1.pb.h"
#include "rpc/client.h"
#include "rpc/services.h"
#include "rpc/testing/fakes.h"
#include "tikvpb.pb.h"

namespace cairn::rpc {
namespace {

namespace health = ::grpc::health::v1;
using testing::channel_to;
using testing::FakeTikv;
using testing::must_start;
using testing::RecordingStream;
using testing::Waiter;

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

// A bare socket that says this and hears all until the server ends the connection.
std::string converse(int port, const std::string& bytes, const std::string& until = "no end") {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  EXPECT_EQ(send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  std::string heard;
  char room[4096];
  for (ssize_t some = 0; heard.find(until) == std::string::npos && (some = recv(fd, room, sizeof room, 0)) > 0;) {
    heard.append(room, static_cast<size_t>(some));
  }
  close(fd);
  return heard;
}

TEST(Server, PlainHttpIsServedBesideGrpc) {
  auto pages = std::make_shared<http::Router>();
  pages->add("GET", "/page", http::page([](const http::Request& request) {
               return http::Response{.body = "asked by " + request.query, .headers = {}};
             }));
  FakeTikv tikv;
  Router router;
  serve_tikv(router, tikv);
  auto started = Server::start({.addresses = {"127.0.0.1:0"}, .http = pages}, std::move(router));
  ASSERT_TRUE(started.ok()) << started.error();
  const int port = (*started)->port();
  const std::string http1 = converse(port, "GET /page?1 HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(http1.starts_with("HTTP/1.1 200 OK") && http1.ends_with("asked by 1")) << http1;
  // The same by HTTP/2: ":method: GET", ":scheme: http", ":path: /page?2", ":authority: h".
  using namespace std::string_literals;
  const std::string block = "\x82\x86\x44\x07/page?2\x41\x01h"s;
  const std::string http2 = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0"s +
                            static_cast<char>(block.size()) + "\x01\x05\0\0\0\x01"s + block;
  EXPECT_NE(converse(port, http2, "asked by 2").find("asked by 2"), std::string::npos);
  ClientLoop loop;
  Waiter<api::Reply<kvrpcpb::RawGetResponse>> waiter;
  kvrpcpb::RawGetRequest request;
  request.set_key("k");
  call_unary<kvrpcpb::RawGetResponse>(*channel_to(loop, **started), "/tikvpb.Tikv/RawGet", request, 5s,
                                      waiter.setter());
  EXPECT_TRUE(waiter.get().ok());
  EXPECT_TRUE((*started)->stop(Duration(0)));
}

TEST(Server, WithoutPagesPlainHttpIsRefusedInWords) {
  FakeTikv tikv;
  auto server = must_start(tikv);
  const std::string answer = converse(server->port(), "GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ") && answer.ends_with("this port speaks HTTP/2 (gRPC)\n")) << answer;
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

// Takes nothing until it is asked to.
class Idle final : public StreamEvents {
 public:
  void on_message(Payload) override {}
};

TEST(Server, WhatAGoneClientSentIsNotHeldAgainstOthers) {
  constexpr size_t kBytes = 60'000;
  const auto server_loop = std::make_shared<net::Loop>("server");
  const auto client_loop = std::make_shared<net::Loop>("client");
  {
    FakeTikv tikv;
    Router router;
    serve_tikv(router, tikv);
    std::shared_ptr<ServerStream> served;
    router.add("/test.Test/Idle", Router::Kind::kStream, [&](std::shared_ptr<ServerStream> stream) {
      served = stream;
      stream->attach(std::make_shared<Idle>());
    });
    auto started = Server::start({.addresses = {"127.0.0.1:0"}, .loop = server_loop, .receive_bytes_max = 2 * kBytes},
                                 std::move(router));
    ASSERT_TRUE(started.ok());
    ClientLoop loop(client_loop);
    auto channel = channel_to(loop, **started);
    kvrpcpb::RawGetRequest request;
    request.set_key(std::string(kBytes, 'k'));
    for (int i = 0; i < 3; ++i) {
      auto stream = std::make_shared<RecordingStream<kvrpcpb::RawGetResponse>>();
      stream->open(*channel, "/test.Test/Idle");
      stream->send(request);
      Waiter<bool> is_gone;
      // The client goes between the server's asking for the message and its taking it.
      const auto poll = std::make_shared<std::function<void()>>();
      *poll = [&, poll, set = is_gone.setter()]() mutable {
        if (!served) return server_loop->post(*poll);
        served->read();
        stream->cancel();
        static_cast<void>(stream->status());
        std::promise<void> is_sent;
        client_loop->post([&] { is_sent.set_value(); });
        is_sent.get_future().wait();
        served = nullptr;
        *poll = nullptr;
        set(true);
      };
      server_loop->post(*poll);
      is_gone.get();
    }
    Waiter<api::Reply<kvrpcpb::RawGetResponse>> waiter;
    call_unary<kvrpcpb::RawGetResponse>(*channel, "/tikvpb.Tikv/RawGet", request, 10s, waiter.setter());
    auto reply = waiter.get();
    EXPECT_TRUE(reply.ok()) << reply.error().message;
  }
  client_loop->stop();
  server_loop->stop();
}

// Counts what it takes.
class Counting final : public StreamEvents {
 public:
  explicit Counting(std::shared_ptr<ServerStream> stream, std::function<void(size_t)> on_bytes)
      : stream_(std::move(stream)), on_bytes_(std::move(on_bytes)) {}
  void on_message(Payload message) override {
    on_bytes_(message.size());
    stream_->read();
  }
  void on_closed() override { stream_ = nullptr; }

 private:
  std::shared_ptr<ServerStream> stream_;
  const std::function<void(size_t)> on_bytes_;
};

// Much may come of few bytes: messages stay packed until they are taken.
TEST(Server, WhatIsNotTakenYetIsHeldAsSmallAsItCame) {
  constexpr size_t kBytes = 1'000'000;
  constexpr int kMessages = 20;
  Router router;
  Waiter<std::shared_ptr<ServerStream>> served;
  Waiter<bool> has_all;
  std::atomic<int> taken{0};
  router.add("/test.Test/Count", Router::Kind::kStream, [&](std::shared_ptr<ServerStream> stream) {
    stream->attach(std::make_shared<Counting>(stream, [&, set = has_all.setter()](size_t bytes) mutable {
      EXPECT_GE(bytes, kBytes);
      if (++taken == kMessages) set(true);
    }));
    served.setter()(stream);
  });
  auto server =
      Server::start({.addresses = {"127.0.0.1:0"}, .threads = 1, .receive_bytes_max = 2 * kBytes}, std::move(router));
  ASSERT_TRUE(server.ok());
  ClientLoop loop;
  auto events = std::make_shared<RecordingStream<kvrpcpb::RawGetResponse>>();
  events->open(*channel_to(loop, **server), "/test.Test/Count", {.metadata = {}, .compression = Compression::kGzip});
  kvrpcpb::RawGetRequest request;
  request.set_key(std::string(kBytes, 'k'));
  for (int i = 0; i < kMessages; ++i) events->send(request);
  const auto stream = served.get();
  stream->read();
  EXPECT_TRUE(has_all.get());
  stream->finish({});
  EXPECT_TRUE(events->status().ok());
}

TEST(Server, AnswersAreCompressedIfThatIsSetAndTheClientTakesThem) {
  FakeTikv tikv;
  Router router;
  serve_tikv(router, tikv);
  auto server = Server::start({.addresses = {"127.0.0.1:0"},
                               .threads = 1,
                               .answer_compression = {Compression::kGzip, /*message_bytes_min=*/1000}},
                              std::move(router));
  ASSERT_TRUE(server.ok());
  ClientLoop loop;
  const auto channel = channel_to(loop, **server);
  for (const size_t bytes : {100, 100'000}) {
    kvrpcpb::RawGetRequest request;
    request.set_key(std::string(bytes, 'k'));
    Waiter<std::pair<api::Status, Payload>> waiter;
    channel->call("/tikvpb.Tikv/RawGet", Payload::serialize(request), 10s,
                  [set = waiter.setter()](api::Status status, Payload payload) mutable {
                    set({std::move(status), std::move(payload)});
                  });
    const auto answer = waiter.get();
    ASSERT_TRUE(answer.first.ok()) << answer.first.message;
    EXPECT_EQ(answer.second.came_compressed(), bytes > 1000);
    kvrpcpb::RawGetResponse response;
    ASSERT_TRUE(answer.second.parse_into(response));
    EXPECT_EQ(response.value(), "value of " + request.key());
  }
}

// A client may ask for more than there is memory, and read none of it.
TEST(Server, UnaryScansOfMuchAreBegunOneByOneAndHoldUpNoGets) {
  FakeTikv tikv;
  auto server = must_start(tikv);
  ClientLoop loop;
  const auto channel = channel_to(loop, *server);
  constexpr int kScans = 100;
  kvrpcpb::RawScanRequest scan;
  scan.set_limit(1'000'000);
  std::vector<Waiter<api::Reply<kvrpcpb::RawScanResponse>>> scans(kScans);
  for (auto& waiter : scans) {
    call_unary<kvrpcpb::RawScanResponse>(*channel, "/tikvpb.Tikv/RawScan", scan, 30s, waiter.setter());
  }
  for (int i = 0; i < 10; ++i) {
    Waiter<api::Reply<kvrpcpb::RawGetResponse>> get;
    call_unary<kvrpcpb::RawGetResponse>(*channel, "/tikvpb.Tikv/RawGet", kvrpcpb::RawGetRequest(), 10s, get.setter());
    ASSERT_TRUE(get.get().ok());
  }
  for (int i = 0; i < kScans; ++i) {
    tikv.wait_for_scans(1);
    EXPECT_EQ(tikv.finish_scans(1 << 20), 1u);
  }
  for (auto& waiter : scans) EXPECT_TRUE(waiter.get().ok());
}

// Whoever is gone takes its place with it.
TEST(Server, CallsThatWaitForRoomAreBegunWhenOthersAreCancelled) {
  FakeTikv tikv;
  auto server = must_start(tikv);
  ClientLoop loop;
  const auto channel = channel_to(loop, *server);
  kvrpcpb::RawScanRequest scan;
  scan.set_limit(1'000'000);
  Waiter<api::Reply<kvrpcpb::RawScanResponse>> first, second;
  call_unary<kvrpcpb::RawScanResponse>(*channel, "/tikvpb.Tikv/RawScan", scan, 100ms, first.setter());
  call_unary<kvrpcpb::RawScanResponse>(*channel, "/tikvpb.Tikv/RawScan", scan, 30s, second.setter());
  EXPECT_EQ(first.get().error().code, api::Code::kDeadlineExceeded);
  tikv.wait_for_scans(2);
  EXPECT_EQ(tikv.finish_scans(10), 2u);
  EXPECT_TRUE(second.get().ok());
}

// Holds the thread of the server that calls it.
class Stuck final : public StreamEvents {
 public:
  explicit Stuck(std::shared_future<void> until) : until_(std::move(until)) {}
  void on_message(Payload) override { until_.wait(); }

 private:
  const std::shared_future<void> until_;
};

TEST(Server, StoppingDoesNotWaitForEverAndNamesTheCallThatDoesNotEnd) {
  auto release = std::make_shared<std::promise<void>>();
  std::promise<void> begun;
  const auto until = release->get_future().share();
  Router router;
  router.add("/test.Test/Stuck", Router::Kind::kUnary, [&](std::shared_ptr<ServerStream> stream) {
    stream->attach(std::make_shared<Stuck>(until));
    stream->read();
    begun.set_value();
  });
  auto started = Server::start({.addresses = {"127.0.0.1:0"}, .threads = 1}, std::move(router));
  ASSERT_TRUE(started.ok());
  ClientLoop loop;
  Waiter<api::Status> waiter;
  channel_to(loop, **started)
      ->call("/test.Test/Stuck", Payload::serialize(kvrpcpb::RawGetRequest()), std::chrono::seconds(60),
             [set = waiter.setter()](api::Status status, Payload) mutable { set(std::move(status)); });
  begun.get_future().wait();
  EXPECT_FALSE((*started)->stop(Duration(0)));
  EXPECT_EQ((*started)->what_is_left(), "calls that do not end: 1 of /test.Test/Stuck");
  release->set_value();  // the threads that were left behind come to their end
  EXPECT_FALSE(waiter.get().ok());
}

// Writes, and is finished from elsewhere at the moment at which the write comes back.
class WriteThenFinish final : public StreamEvents {
 public:
  WriteThenFinish(std::shared_ptr<ServerStream> stream, std::function<void(std::shared_ptr<ServerStream>)> finish)
      : stream_(std::move(stream)), finish_(std::move(finish)) {}
  void on_message(Payload message) override {
    stream_->write(std::move(message));
    finish_(stream_);
  }

 private:
  const std::shared_ptr<ServerStream> stream_;
  const std::function<void(std::shared_ptr<ServerStream>)> finish_;
};

TEST(Server, AStreamThatIsFinishedWhileItsWriteComesBackIsFinishedOnce) {
  Mutex mutex;
  CondVar changed;
  std::deque<std::shared_ptr<ServerStream>> to_finish;
  bool is_over = false;
  std::vector<std::thread> finishers;
  for (int i = 0; i < 2; ++i) {
    finishers.emplace_back([&] {
      while (true) {
        std::shared_ptr<ServerStream> stream;
        {
          MutexLock lock(mutex);
          changed.wait(mutex, [&] { return is_over || !to_finish.empty(); });
          if (to_finish.empty()) return;
          stream = std::move(to_finish.front());
          to_finish.pop_front();
        }
        stream->finish({});
      }
    });
  }
  Router router;
  router.add("/test.Test/Write", Router::Kind::kStream, [&](std::shared_ptr<ServerStream> stream) {
    stream->attach(std::make_shared<WriteThenFinish>(stream, [&](std::shared_ptr<ServerStream> one) {
      MutexLock lock(mutex);
      to_finish.push_back(std::move(one));
      changed.notify_one();
    }));
    stream->read();
  });
  auto started = Server::start({.addresses = {"127.0.0.1:0"}, .threads = 2}, std::move(router));
  ASSERT_TRUE(started.ok());
  ClientLoop loop;
  auto channel = channel_to(loop, **started);
  constexpr int kRounds = 100;
  constexpr int kAtOnce = 20;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::shared_ptr<RecordingStream<kvrpcpb::RawGetRequest>>> streams;
    for (int i = 0; i < kAtOnce; ++i) {
      streams.push_back(std::make_shared<RecordingStream<kvrpcpb::RawGetRequest>>());
      streams.back()->open(*channel, "/test.Test/Write");
      streams.back()->send(kvrpcpb::RawGetRequest());
    }
    for (auto& stream : streams) {
      EXPECT_TRUE(stream->next());
      EXPECT_FALSE(stream->next());
      EXPECT_TRUE(stream->status().ok());
    }
  }
  {
    MutexLock lock(mutex);
    is_over = true;
  }
  changed.notify_all();
  for (auto& finisher : finishers) finisher.join();
  EXPECT_TRUE((*started)->stop(std::chrono::seconds(5)));
}

}  // namespace
}  // namespace cairn::rpc
