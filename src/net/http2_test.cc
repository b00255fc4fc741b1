// Both sides of HTTP/2 over a pair of sockets; what official clients and h2spec say is in tests/.
#include "net/http2.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <future>
#include <map>
#include <thread>

#include "net/frame_heads.h"
#include "net/testing/certificates.h"
#include "net/testing/waiter.h"

namespace cairn::net {
namespace {

using testing::Waiter;
using Role = Http2Connection::Role;

// Records its events; what it does in answer is given by the test. All on the loop's thread.
class TestStream final : public Http2Stream {
 public:
  std::function<void(TestStream&)> headers_end, end_seen, sent, deadline, closed;
  bool consumes = true;

  std::map<std::string, std::string> headers;
  std::string body;
  int ends = 0;
  int closes = 0;
  Http2Error error = Http2Error::kNone;
  std::string why;

  using Http2Stream::consume;
  using Http2Stream::end;
  using Http2Stream::end_with;
  using Http2Stream::is_open;
  using Http2Stream::reset;
  using Http2Stream::respond;
  using Http2Stream::send;
  using Http2Stream::set_deadline;
  using Http2Stream::unsent;

 private:
  void on_header(std::string_view name, std::string_view value) override { headers[std::string(name)] = value; }
  void on_headers_end() override { call(headers_end); }
  void on_data(Slice data) override {
    body += data.view();
    if (consumes) consume(data.size);
  }
  void on_end() override {
    ++ends;
    call(end_seen);
  }
  void on_sent() override { call(sent); }
  void on_deadline() override { call(deadline); }
  void on_closed(Http2Error code, std::string_view text) override {
    ++closes;
    error = code;
    why = text;
    call(closed);
  }
  void call(const std::function<void(TestStream&)>& what) {
    if (what) what(*this);
  }
};

const std::vector<HeaderView> kRequest = {
    {":method", "POST"}, {":scheme", "http"}, {":path", "/test"}, {":authority", "test"}};
const std::vector<HeaderView> kOk = {{":status", "200"}};

// Answers each request with its own body once that has ended, and trailers.
std::shared_ptr<TestStream> echo() {
  auto stream = std::make_shared<TestStream>();
  stream->end_seen = [](TestStream& self) {
    self.respond(kOk);
    self.send(self.body);
    self.end_with({{"said", "all"}});
  };
  return stream;
}

class Http2Pair : public ::testing::Test {
 public:
  class Owner final : public Http2Connection::Owner {
   public:
    std::function<std::shared_ptr<Http2Stream>()> accept;
    std::promise<std::string> closed;
    bool is_going_away = false;

   private:
    std::shared_ptr<Http2Stream> on_stream(Http2Connection&) override { return accept ? accept() : nullptr; }
    void on_going_away(Http2Connection&) override { is_going_away = true; }
    void on_connection_closed(Http2Connection&, const std::string& why) override { closed.set_value(why); }
  };

  void open(const Http2Options& server = {}, const Http2Options& client = {}) {
    int sockets[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets), 0);
    on_loop([&] {
      server_ = Http2Connection::open(Role::kServer, loop_, server_transport(sockets[0]), server, &server_owner_);
      client_ = Http2Connection::open(Role::kClient, loop_, client_transport(sockets[1]), client, &client_owner_);
    });
  }
  // A client of bare bytes.
  int open_bare(const Http2Options& server) {
    int sockets[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    EXPECT_EQ(fcntl(sockets[0], F_SETFL, O_NONBLOCK), 0);
    on_loop([&] {
      server_ = Http2Connection::open(Role::kServer, loop_, server_transport(sockets[0]), server, &server_owner_);
    });
    return sockets[1];
  }
  ~Http2Pair() override {
    on_loop([this] {
      if (client_) client_->close("the test is over");
      if (server_) server_->close("the test is over");
    });
    loop_.stop();
  }

  void on_loop(const std::function<void()>& what) {
    std::promise<void> done;
    loop_.post([&] {
      what();
      done.set_value();
    });
    done.get_future().wait();
  }
  // Opens a stream with the body and returns it once it is closed.
  std::shared_ptr<TestStream> request(const std::string& body) {
    auto stream = std::make_shared<TestStream>();
    Waiter<bool> closed;
    stream->closed = [set = closed.setter()](TestStream&) { set(true); };
    on_loop([&] {
      ASSERT_TRUE(client_->request(stream, kRequest));
      stream->send(body);
      stream->end();
    });
    closed.get();
    return stream;
  }

  std::unique_ptr<Transport> server_transport(int descriptor) const {
    return tls_ ? tls_->serve(descriptor, "client") : plain_transport(descriptor, "client");
  }
  std::unique_ptr<Transport> client_transport(int descriptor) const {
    return tls_ ? tls_->dial(descriptor, "server", "localhost") : plain_transport(descriptor, "server");
  }

  std::shared_ptr<Tls> tls_;  // null: plain text
  Loop loop_{"http2"};
  Owner server_owner_;
  Owner client_owner_;
  std::shared_ptr<Http2Connection> server_;
  std::shared_ptr<Http2Connection> client_;
};

TEST_F(Http2Pair, ARequestIsAnsweredWithHeadersBodyAndTrailers) {
  server_owner_.accept = echo;
  open();
  const auto stream = request("hello");
  EXPECT_EQ(stream->headers[":status"], "200");
  EXPECT_EQ(stream->body, "hello");
  EXPECT_EQ(stream->headers["said"], "all");
  EXPECT_EQ(stream->error, Http2Error::kNone);
  EXPECT_EQ(stream->closes, 1);
}

TEST_F(Http2Pair, ABodyLargerThanAllWindowsGoesThroughBothWays) {
  server_owner_.accept = echo;
  open({.stream_window = 100'000, .connection_window = 200'000, .out_bytes_max = 50'000},
       {.stream_window = 70'000, .connection_window = 90'000, .out_bytes_max = 50'000});
  std::string body;
  for (int i = 0; body.size() < 5'000'000; ++i) body += std::to_string(i);
  EXPECT_EQ(request(body)->body, body);
}

TEST_F(Http2Pair, AStreamThatConsumesNothingStopsItsSenderAndNoOther) {
  std::deque<std::shared_ptr<TestStream>> accepted;
  server_owner_.accept = [&] {
    accepted.push_back(echo());
    accepted.back()->consumes = accepted.size() > 1;
    return accepted.back();
  };
  open({.stream_window = 100'000, .connection_window = 300'000});
  auto lazy = std::make_shared<TestStream>();
  on_loop([&] {
    ASSERT_TRUE(client_->request(lazy, kRequest));
    lazy->send(std::string(1'000'000, 'x'));
  });
  EXPECT_EQ(request(std::string(1'000'000, 'y'))->body.size(), 1'000'000U);
  Waiter<bool> closed;
  on_loop([&] {
    EXPECT_EQ(accepted.front()->body.size(), 100'000U);
    EXPECT_EQ(server_->unconsumed(), 100'000U);
    // Now it does, and the rest comes.
    lazy->closed = [set = closed.setter()](TestStream&) { set(true); };
    lazy->end();
    accepted.front()->consumes = true;
    accepted.front()->consume(100'000);
  });
  closed.get();
  EXPECT_EQ(lazy->body.size(), 1'000'000U);
}

TEST_F(Http2Pair, AResetEndsTheStreamAtBothSidesAndNothingElse) {
  auto served = std::make_shared<TestStream>();
  Waiter<bool> over;
  served->closed = [set = over.setter()](TestStream&) { set(true); };
  server_owner_.accept = [&, first = true]() mutable { return std::exchange(first, false) ? served : echo(); };
  open();
  auto stream = std::make_shared<TestStream>();
  served->headers_end = [&](TestStream&) { stream->reset(Http2Error::kCancel); };
  on_loop([&] { ASSERT_TRUE(client_->request(stream, kRequest)); });
  over.get();
  EXPECT_EQ(served->error, Http2Error::kCancel);
  EXPECT_EQ(request("next")->body, "next");
}

TEST_F(Http2Pair, AResetLetsGoOfWhatWaits) {
  server_owner_.accept = [first = true]() mutable {
    if (std::exchange(first, false)) return echo();
    auto stream = std::make_shared<TestStream>();
    stream->consumes = false;
    return stream;
  };
  open({.streams_max = 1, .stream_window = 1000}, {.out_bytes_max = 500});
  EXPECT_EQ(request("to know the limit")->closes, 1);
  // The first one has begun and waits for its window, the second one for its turn.
  std::vector<std::shared_ptr<TestStream>> streams;
  std::vector<Waiter<bool>> closed(2);
  on_loop([&] {
    for (auto& one : closed) {
      auto& stream = streams.emplace_back(std::make_shared<TestStream>());
      stream->closed = [set = one.setter()](TestStream&) { set(true); };
      ASSERT_TRUE(client_->request(stream, kRequest));
      stream->send(std::string(1'000'000, 'x'));
    }
  });
  on_loop([&] {
    for (auto& stream : streams) {
      EXPECT_GT(stream->unsent(), 900'000U);
      stream->reset(Http2Error::kCancel);
      EXPECT_EQ(stream->unsent(), 0U);
    }
  });
  for (auto& one : closed) one.get();
}

TEST_F(Http2Pair, AnAnswerThatIsCompleteEndsAnUploadThatIsNot) {
  server_owner_.accept = [] {
    auto stream = std::make_shared<TestStream>();
    stream->headers_end = [](TestStream& self) { self.respond(kOk, true); };
    return stream;
  };
  open();
  auto stream = std::make_shared<TestStream>();
  Waiter<bool> closed;
  stream->closed = [set = closed.setter()](TestStream&) { set(true); };
  on_loop([&] {
    ASSERT_TRUE(client_->request(stream, kRequest));
    stream->send(std::string(10'000'000, 'x'));
  });
  closed.get();
  EXPECT_EQ(stream->headers[":status"], "200");
  EXPECT_EQ(stream->ends, 1);
}

TEST_F(Http2Pair, HeadersOverTheLimitEndTheirStreamOnly) {
  server_owner_.accept = echo;
  open({.header_bytes_max = 2000});
  auto stream = std::make_shared<TestStream>();
  Waiter<bool> closed;
  stream->closed = [set = closed.setter()](TestStream&) { set(true); };
  const std::string much(3000, 'x');
  auto headers = kRequest;
  headers.push_back({"much", much});
  on_loop([&] {
    ASSERT_TRUE(client_->request(stream, headers));
    stream->end();
  });
  closed.get();
  EXPECT_NE(stream->error, Http2Error::kNone);
  EXPECT_EQ(request("next")->body, "next");
}

TEST_F(Http2Pair, ADrainedConnectionFinishesItsStreamsAndTakesNoNewOnes) {
  auto held = std::make_shared<TestStream>();
  Waiter<bool> arrived;
  held->end_seen = [set = arrived.setter()](TestStream&) { set(true); };
  server_owner_.accept = [&] { return held; };
  open();
  auto stream = std::make_shared<TestStream>();
  on_loop([&] {
    ASSERT_TRUE(client_->request(stream, kRequest));
    stream->end();
  });
  arrived.get();
  on_loop([&] { server_->drain(); });
  bool is_told = false;
  while (!is_told) on_loop([&] { is_told = client_owner_.is_going_away; });
  on_loop([&] {
    EXPECT_FALSE(client_->request(std::make_shared<TestStream>(), kRequest));
    held->respond(kOk, true);
  });
  server_owner_.closed.get_future().wait();
  client_owner_.closed.get_future().wait();
  EXPECT_EQ(stream->headers[":status"], "200");
  EXPECT_EQ(stream->error, Http2Error::kNone);
}

TEST_F(Http2Pair, DeadlinesComeInTheirOrderEachOnce) {
  server_owner_.accept = [] { return std::make_shared<TestStream>(); };
  open();
  std::vector<int> seen;
  Waiter<bool> done;
  on_loop([&, set = done.setter()] {
    for (const int ms : {40, 10, 20}) {
      auto stream = std::make_shared<TestStream>();
      stream->deadline = [&seen, ms, set](TestStream&) mutable {
        seen.push_back(ms);
        if (ms == 40) set(true);
      };
      ASSERT_TRUE(client_->request(stream, kRequest));
      stream->set_deadline(std::chrono::steady_clock::now() + std::chrono::milliseconds(ms));
    }
  });
  done.get();
  EXPECT_EQ(seen, (std::vector<int>{10, 20, 40}));
}

// A request with headers only, as bytes.
std::string bare_request(uint32_t stream) {
  // ":method: GET", ":scheme: http", ":path: /" by their numbers in the static table, and ":authority: test".
  const std::string block("\x82\x86\x84\x41\x04test", 9);
  std::string frame("\0\0\0\x01\x05", 5);  // HEADERS that end the block and the stream
  frame[2] = static_cast<char>(block.size());
  for (int shift = 24; shift >= 0; shift -= 8) frame += static_cast<char>(stream >> shift);
  return frame + block;
}

// Answers of some kilobytes to requests of a few bytes.
std::shared_ptr<TestStream> much_for_little() {
  auto stream = std::make_shared<TestStream>();
  stream->end_seen = [](TestStream& self) {
    // Incompressible to HPACK: each is new to its table.
    static int count = 0;
    const std::string much = std::to_string(++count) + std::string(3000, 'x');
    self.respond({{":status", "200"}, {"much", much}}, true);
  };
  return stream;
}
const std::string kBareHello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + std::string("\0\0\0\x04\0\0\0\0\0", 9);

// A client of bare bytes that sends requests and reads no answer. It stops once it can send no more.
class DeafClient : public Http2Pair {
 public:
  static constexpr uint32_t kRequests = 30'000;  // their answers are some 90 MB

  void flood(int client) {
    ASSERT_GT(send(client, kBareHello.data(), kBareHello.size(), MSG_NOSIGNAL), 0);
    for (; sent_ < kRequests; ++sent_) {
      const std::string request = bare_request(2 * sent_ + 1);
      if (send(client, request.data(), request.size(), MSG_NOSIGNAL) < 0) break;
    }
  }

  uint32_t sent_ = 0;
};

TEST_F(DeafClient, IsNotListenedToAndGivenUp) {
  server_owner_.accept = much_for_little;
  const int client =
      open_bare({.streams_max = 100'000, .ping_after = 50ms, .ping_timeout = 100ms, .pings_without_streams = true});
  flood(client);
  EXPECT_LT(sent_, kRequests);
  EXPECT_EQ(server_owner_.closed.get_future().get(), "it does not answer pings");
  close(client);
}

TEST_F(DeafClient, IsNotGivenUpWhileItReadsSlowly) {
  server_owner_.accept = much_for_little;
  const int client =
      open_bare({.streams_max = 100'000, .ping_after = 100ms, .ping_timeout = 300ms, .pings_without_streams = true});
  std::thread sender([&] { flood(client); });
  // It reads now and then for longer than a silent one is waited for, far less than it is sent.
  const auto until = std::chrono::steady_clock::now() + 1500ms;
  std::vector<char> room(5000);
  auto closed = server_owner_.closed.get_future();
  while (std::chrono::steady_clock::now() < until) {
    ASSERT_GT(recv(client, room.data(), room.size(), 0), 0);
    ASSERT_EQ(closed.wait_for(20ms), std::future_status::timeout) << closed.get();
  }
  shutdown(client, SHUT_RDWR);
  sender.join();
  EXPECT_LT(sent_, kRequests);
  close(client);
}

TEST_F(Http2Pair, MuchGoesBothWaysAtOnce) {
  constexpr int kStreams = 20;
  constexpr size_t kBody = 2'000'000;
  // No answer ends an upload here: the server's last word waits for the client's.
  server_owner_.accept = [] {
    auto stream = std::make_shared<TestStream>();
    stream->headers_end = [](TestStream& self) {
      self.respond(kOk);
      self.send(std::string(kBody, 'y'));
    };
    stream->end_seen = [](TestStream& self) { self.end(); };
    return stream;
  };
  open({.out_bytes_max = 50'000}, {.out_bytes_max = 50'000});
  std::vector<std::shared_ptr<TestStream>> streams;
  std::vector<Waiter<bool>> closed(kStreams);
  on_loop([&] {
    for (auto& one : closed) {
      auto& stream = streams.emplace_back(std::make_shared<TestStream>());
      stream->closed = [set = one.setter()](TestStream&) { set(true); };
      ASSERT_TRUE(client_->request(stream, kRequest));
      stream->send(std::string(kBody, 'x'));
      stream->end();
    }
  });
  for (auto& one : closed) one.get();
  for (const auto& stream : streams) EXPECT_EQ(stream->body.size(), kBody);
}

TEST_F(Http2Pair, WhoeverDoesNotAnswerPingsIsGivenUp) {
  const int client = open_bare({.ping_after = 20ms, .ping_timeout = 50ms, .pings_without_streams = true});
  EXPECT_EQ(server_owner_.closed.get_future().get(), "it does not answer pings");
  close(client);
}

TEST_F(Http2Pair, WhoeverDoesNotSayHelloIsGivenUp) {
  const int client = open_bare({.ping_after = 10ms, .hello_max = 30ms});
  EXPECT_EQ(server_owner_.closed.get_future().get(), "it did not speak HTTP/2 in time");
  close(client);
}

// The same with TLS in between.
class Http2OverTls : public Http2Pair {
 public:
  Http2OverTls() { tls_ = folder_.open(); }

 private:
  testing::Authority authority_;
  const testing::TlsFolder folder_{authority_};
};

TEST_F(Http2OverTls, ARequestIsAnsweredWithHeadersBodyAndTrailers) {
  server_owner_.accept = echo;
  open();
  const auto stream = request("hello");
  EXPECT_EQ(stream->body, "hello");
  EXPECT_EQ(stream->headers["said"], "all");
}

TEST_F(Http2OverTls, ABodyLargerThanAllWindowsGoesThroughBothWays) {
  server_owner_.accept = echo;
  for (const int32_t window : {70'000, 8'000'000}) {
    open({.stream_window = window, .connection_window = 2 * window, .out_bytes_max = 50'000},
         {.stream_window = window, .connection_window = 2 * window, .out_bytes_max = 50'000});
    std::string body;
    for (int i = 0; body.size() < 5'000'000; ++i) body += std::to_string(i);
    EXPECT_EQ(request(body)->body, body);
    on_loop([this] {
      client_->close("the next one");
      server_->close("the next one");
      server_owner_.closed = {};
      client_owner_.closed = {};
    });
  }
}

TEST_F(Http2OverTls, WhoeverStallsTheHandshakeIsGivenUp) {
  const int client = open_bare({.ping_after = 10ms, .hello_max = 30ms});
  ASSERT_EQ(write(client, "\x16\x03\x01", 3), 3);
  EXPECT_EQ(server_owner_.closed.get_future().get(), "it did not speak HTTP/2 in time");
  close(client);
}

TEST_F(Http2OverTls, WhoeverIsRefusedMaySpeakOnAndStillHearsWhy) {
  const int client = open_bare({});
  const std::string_view first = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  ASSERT_EQ(write(client, first.data(), first.size()), static_cast<ssize_t>(first.size()));
  EXPECT_EQ(server_owner_.closed.get_future().get(), "plain HTTP on a port that speaks TLS");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(send(client, "more", 4, MSG_NOSIGNAL), 4);
    on_loop([] {});
  }
  std::string answer;
  char room[1000];
  for (ssize_t got = 0; (got = read(client, room, sizeof room)) > 0;) answer.append(room, static_cast<size_t>(got));
  EXPECT_TRUE(answer.ends_with("this port speaks TLS\n")) << answer;
  close(client);
}

// Frames as a client sends them that resets a stream and still has some of it on the way.
TEST_F(Http2Pair, WhatComesOfAStreamThatItsClientHasResetHurtsNoOther) {
  using namespace std::string_literals;
  server_owner_.accept = echo;
  const int client = open_bare({});
  const std::string hello = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"s;
  const std::string headers = "\0\0\6\1\4\0\0\0\1\x83\x86\x84\x41\1a"s;
  const std::string reset = "\0\0\4\3\0\0\0\0\1\0\0\0\x08"s;
  const std::string data = "\0\0\2\0\1\0\0\0\1xx"s;
  const std::string ping =
      "\0\0\x08\6\0\0\0\0\0"
      "12345678"s;
  const std::string all = hello + headers + reset + data + data + ping;
  ASSERT_EQ(write(client, all.data(), all.size()), static_cast<ssize_t>(all.size()));
  std::vector<std::pair<uint8_t, int32_t>> frames;
  FrameHeads heads(0);
  const auto has = [&](uint8_t type, int32_t id) {
    return std::find(frames.begin(), frames.end(), std::pair(type, id)) != frames.end();
  };
  while (!has(6, 0) || !has(3, 1)) {
    char room[1000];
    const ssize_t got = read(client, room, sizeof room);
    ASSERT_GT(got, 0);
    heads.feed({room, static_cast<size_t>(got)}, [&](uint8_t type, int32_t id) { frames.emplace_back(type, id); });
  }
  for (const auto& [type, id] : frames) EXPECT_NE(type, 7) << "the connection ends";
  EXPECT_EQ(std::count(frames.begin(), frames.end(), std::pair<uint8_t, int32_t>(3, 1)), 1);
  close(client);
}

TEST_F(Http2Pair, GarbageEndsTheConnection) {
  const int client = open_bare({});
  const std::string garbage = "GET / HTTP/1.1\r\nHost: here\r\n\r\n";
  ASSERT_EQ(write(client, garbage.data(), garbage.size()), static_cast<ssize_t>(garbage.size()));
  EXPECT_FALSE(server_owner_.closed.get_future().get().empty());
  close(client);
}

}  // namespace
}  // namespace cairn::net
