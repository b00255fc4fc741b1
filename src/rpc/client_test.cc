// The client's side: how calls end, and what becomes of the connection.
#include "rpc/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <thread>
#include <vector>

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

// A server of HTTP/2 that answers the n-th request as it is told, whichever connection that comes on.
class ScriptedServer {
 public:
  // What is said to a request on this stream, and whether the connection ends with it.
  struct Answer {
    std::function<std::string(uint32_t stream)> bytes;
    bool is_last = false;
  };

  explicit ScriptedServer(std::vector<Answer> answers) : answers_(std::move(answers)) {
    listening_ = *net::listen_on("127.0.0.1:0");
    const int flags = fcntl(listening_, F_GETFL);
    fcntl(listening_, F_SETFL, flags & ~O_NONBLOCK);
    thread_ = std::thread([this] {
      while (next_ < answers_.size()) serve(accept(listening_, nullptr, nullptr));
    });
  }
  ~ScriptedServer() {
    thread_.join();
    close(listening_);
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(net::port_of(listening_)); }

  static std::string frame(char type, char flags, uint32_t stream, const std::string& payload) {
    std::string out = number(static_cast<uint32_t>(payload.size())).substr(1);
    return out + type + flags + number(stream) + payload;
  }
  static std::string number(uint32_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(value >> shift);
    return out;
  }

 private:
  static std::string read(int socket, size_t size) {
    std::string out(size, '\0');
    return recv(socket, out.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size) ? out : "";
  }
  void serve(int socket) {
    constexpr size_t kPreface = 24, kHead = 9;
    const std::string hello = frame(4, 0, 0, "");
    send(socket, hello.data(), hello.size(), MSG_NOSIGNAL);
    read(socket, kPreface);
    for (std::string head = read(socket, kHead); !head.empty() && next_ < answers_.size(); head = read(socket, kHead)) {
      const auto byte = [&head](size_t at) { return static_cast<uint32_t>(static_cast<uint8_t>(head[at])); };
      const uint32_t size = byte(0) << 16 | byte(1) << 8 | byte(2);
      if (size > 0) read(socket, size);
      constexpr uint32_t kHeaders = 1;
      if (byte(3) != kHeaders) continue;
      const Answer& answer = answers_[next_++];
      const std::string bytes = answer.bytes(byte(5) << 24 | byte(6) << 16 | byte(7) << 8 | byte(8));
      send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (answer.is_last) break;
    }
    shutdown(socket, SHUT_WR);  // the client is to see the last answer before the end
    while (!read(socket, 1).empty()) {
    }
    close(socket);
  }

  const std::vector<Answer> answers_;
  size_t next_ = 0;
  int listening_ = -1;
  std::thread thread_;
};

std::string refused(uint32_t stream) {
  return ScriptedServer::frame(3, 0, stream, ScriptedServer::number(7));  // RST_STREAM, REFUSED_STREAM
}
std::string gone_away(uint32_t) {
  // GOAWAY: nothing was looked at.
  return ScriptedServer::frame(7, 0, 0, ScriptedServer::number(0) + ScriptedServer::number(0));
}
std::string cancelled(uint32_t stream) {
  return ScriptedServer::frame(3, 0, stream, ScriptedServer::number(2));  // RST_STREAM, INTERNAL_ERROR
}
// NOT_FOUND, so that it is known from all that the client could say by itself.
std::string answered(uint32_t stream) {
  const std::string headers =
      std::string("\x88\x0f\x10\x10", 4) + "application/grpc" + std::string("\0\x0b", 2) + "grpc-status" + "\x01" + "5";
  return ScriptedServer::frame(1, 5, stream, headers);  // END_STREAM, END_HEADERS
}

TEST(ClientLoop, ACallThatTheServerHasNotLookedAtIsMadeAgain) {
  for (const auto& first : {ScriptedServer::Answer{refused}, ScriptedServer::Answer{gone_away},
                            ScriptedServer::Answer{gone_away, /*is_last=*/true}}) {
    ScriptedServer server({first, {answered}});
    ClientLoop loop;
    const auto reply = get(*loop.channel(server.address()), "key");
    EXPECT_EQ(reply.error().code, api::Code::kNotFound) << reply.error().message;
  }
}

TEST(ClientLoop, ACallThatTheServerMayHaveLookedAtIsNot) {
  ScriptedServer server({{cancelled}});
  ClientLoop loop;
  EXPECT_EQ(get(*loop.channel(server.address()), "key").error().code, api::Code::kInternal);
}

TEST(ClientLoop, AServerThatRefusesAlwaysIsNotAskedForEver) {
  ScriptedServer server({{refused}, {refused}, {refused}});
  ClientLoop loop;
  EXPECT_EQ(get(*loop.channel(server.address()), "key").error().code, api::Code::kUnavailable);
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
