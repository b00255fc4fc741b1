#include "http/server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <future>
#include <vector>

#include "net/testing/certificates.h"

namespace cairn::http {
namespace {

// A client's bare socket; what it reads ends after ten seconds at the latest.
class Socket {
 public:
  explicit Socket(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval limit{.tv_sec = 10, .tv_usec = 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  }
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void send(const std::string& text) const {
    EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
  }
  // Whether the socket took any of it.
  bool send_some(const std::string& text) const { return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) > 0; }
  void end() const { shutdown(fd_, SHUT_WR); }
  void limit_sends(const timeval& limit) const { setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit); }
  void limit_reads(const timeval& limit) const { setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit); }
  int descriptor() const { return fd_; }
  // Reads nothing until the server has let go of the connection: then what is sent to it is refused.
  std::string wait_for_end() const {
    for (int i = 0; i < 1000 && send_some("x"); ++i) poll(nullptr, 0, 10);
    return read_all();
  }
  // Until `end` has come, or the connection is over.
  std::string read_until(const std::string& end) const {
    std::string text;
    char byte = 0;
    while (text.find(end) == std::string::npos && recv(fd_, &byte, 1, 0) == 1) text += byte;
    return text;
  }
  // Until the connection is over.
  std::string read_all() const {
    std::string text;
    char room[20'000];
    for (ssize_t some = 0; (some = recv(fd_, room, sizeof room, 0)) > 0;) text.append(room, static_cast<size_t>(some));
    return text;
  }

 private:
  const int fd_;
};

// Pages that say what they are, one that is large, and one whose answer the test gives.
class HttpServerTest : public ::testing::Test {
 public:
  void start(ServerOptions options = {}) {
    options.addresses = {"127.0.0.1:0"};
    Router router;
    router.add("GET", "/page/{name}", page([](const Request& request) {
                 return Response{.body = "page " + request.params.front() + ".", .headers = {}};
               }));
    router.add("POST", "/echo",
               page([](const Request& request) { return Response{.body = "<" + request.body + ">", .headers = {}}; }));
    router.add("GET", "/large", page([](const Request&) {
                 return Response{.body = std::string(size_t{16} << 20, 'x'), .headers = {}};
               }));
    router.add("GET", "/later", [this](const Request&, Responder responder) {
      later_.set_value(std::make_shared<Responder>(std::move(responder)));
    });
    auto started = Server::start(std::move(options), std::move(router));
    ASSERT_TRUE(started.ok()) << started.error();
    server_ = std::move(*started);
  }
  int port() const { return server_->port(); }

  std::promise<std::shared_ptr<Responder>> later_;
  std::unique_ptr<Server> server_;
};

std::string get(const std::string& path, const std::string& more = "") {
  return "GET " + path + " HTTP/1.1\r\nHost: h\r\n" + more + "\r\n";
}

TEST_F(HttpServerTest, ServesSeveralRequestsOfOneConnectionInTheirOrder) {
  start();
  const Socket socket(port());
  socket.send(get("/page/a?x=1") + get("/later") + get("/page/b") +
              "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi" +
              "HEAD /page/c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(socket.read_until("page a.").starts_with("HTTP/1.1 200 OK\r\n"));
  later_.get_future().get()->answer({.body = "page later.", .headers = {}});  // from another thread
  EXPECT_TRUE(socket.read_until("page later.").starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(socket.read_until("page b.").starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(socket.read_until("<hi>").starts_with("HTTP/1.1 200 OK\r\n"));
  const std::string head = socket.read_all();
  EXPECT_NE(head.find("Content-Length: 7\r\n"), std::string::npos) << head;
  EXPECT_EQ(head.find("page"), std::string::npos) << head;
}

TEST_F(HttpServerTest, WhatIsNoRequestIsAnsweredAndEndsTheConnection) {
  start({.endpoint = {.limits = {.header_bytes_max = 1000, .body_bytes_max = 10}}});
  const std::string host = " HTTP/1.1\r\nHost: h\r\n";
  for (const auto& [sent, status] :
       std::vector<std::pair<std::string, std::string>>{{"GET nowhere" + host + "\r\n", "400"},
                                                        {"GET /" + std::string(2000, 'x'), "431"},
                                                        {"POST /echo" + host + "Content-Length: 11\r\n\r\n", "413"},
                                                        {"GET /nowhere" + host + "Connection: close\r\n\r\n", "404"},
                                                        {"PUT /echo" + host + "Connection: close\r\n\r\n", "405"}}) {
    const Socket socket(port());
    socket.send(sent);
    const std::string answer = socket.read_all();
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 " + status)) << sent << answer;
    EXPECT_NE(answer.find("Connection: close"), std::string::npos) << answer;
  }
}

TEST_F(HttpServerTest, AnotherProtocolIsRefused) {
  start();
  const Socket tls(port());
  tls.send("\x16\x03\x01");
  EXPECT_TRUE(tls.read_all().ends_with("this port does not speak TLS\n"));
  const Socket other(port());
  other.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_TRUE(other.read_all().starts_with("HTTP/1.1 505 "));
}

TEST_F(HttpServerTest, WhoeverWaitsToSendABodyIsToldTo) {
  start();
  const Socket socket(port());
  socket.send("POST /echo HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
  EXPECT_EQ(socket.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send("hello");
  EXPECT_NE(socket.read_until("<hello>").find("200 OK"), std::string::npos);
}

TEST_F(HttpServerTest, WhoeverHasSentAllIsStillAnswered) {
  start();
  const Socket socket(port());
  socket.send("GET /page/a HTTP/1.0\r\n\r\n");
  socket.end();
  EXPECT_TRUE(socket.read_all().ends_with("page a."));
}

TEST_F(HttpServerTest, AnOldClientMayKeepItsConnection) {
  start();
  const Socket socket(port());
  for (int i = 0; i < 2; ++i) {
    socket.send("GET /page/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    EXPECT_NE(socket.read_until("page a.").find("Connection: keep-alive\r\n"), std::string::npos);
  }
}

TEST_F(HttpServerTest, ConnectionsThatAreIdleOrReadNothingHoldUpNobody) {
  start({.endpoint = {.connections_max = 64}});
  std::vector<std::unique_ptr<Socket>> others;
  for (int i = 0; i < 50; ++i) {
    others.push_back(std::make_unique<Socket>(port()));
    if (i % 2 == 0) others.back()->send(get("/large"));
    if (i % 2 == 1) others.back()->send("GET /half");
  }
  const Socket socket(port());
  socket.send(get("/page/ok"));
  EXPECT_NE(socket.read_until("page ok.").find("200 OK"), std::string::npos);
}

TEST_F(HttpServerTest, WhoeverReadsNothingIsGivenUp) {
  start({.endpoint = {.limits = {.stall_max = 50ms}}});
  const Socket socket(port());
  socket.send(get("/large"));
  EXPECT_LT(socket.wait_for_end().size(), size_t{16} << 20);
}

// Each byte in time does not make an answer in time.
TEST_F(HttpServerTest, WhoeverReadsByteByByteIsGivenUp) {
  start({.endpoint = {.limits = {.stall_max = 200ms, .answer_rate_min = size_t{64} << 20}}});
  const Socket socket(port());
  socket.send(get("/large"));
  const auto begun = std::chrono::steady_clock::now();
  size_t read = 0;
  for (char room[20'000]; recv(socket.descriptor(), room, sizeof room, 0) > 0; ++read) {
    poll(nullptr, 0, 10);
    if (std::chrono::steady_clock::now() - begun > 6s) break;
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 6s);
  EXPECT_LT(read * 20'000, size_t{16} << 20);
}

TEST_F(HttpServerTest, WhatWaitsBehindARequestIsBounded) {
  start();
  const Socket socket(port());
  socket.send(get("/later"));
  const auto responder = later_.get_future().get();
  // Far more than the server holds, and the sockets do.
  const std::string much = get("/page/a");
  const timeval patience{.tv_sec = 0, .tv_usec = 100'000};
  socket.limit_sends(patience);
  size_t sent = 0;
  while (sent < size_t{64} << 20 && socket.send_some(much)) sent += much.size();
  EXPECT_LT(sent, size_t{64} << 20);
  responder->answer({.body = "page later.", .headers = {}});
  EXPECT_NE(socket.read_until("page later."), "");
  EXPECT_NE(socket.read_until("page a."), "");
}

TEST_F(HttpServerTest, BeyondItsBoundTheQuietestConnectionGoes) {
  start({.endpoint = {.connections_max = 2}});
  const Socket first(port());
  first.send(get("/page/first"));
  first.read_until("page first.");
  const Socket second(port());
  second.send(get("/page/second"));
  second.read_until("page second.");
  const Socket third(port());
  third.send(get("/page/third"));
  third.read_until("page third.");
  EXPECT_EQ(first.read_all(), "");
  second.send(get("/page/again"));
  EXPECT_NE(second.read_until("page again."), "");
}

TEST_F(HttpServerTest, WhoeverIsSlowIsGivenUp) {
  start({.endpoint = {.limits = {.header_max = 60ms, .body_max = 60ms, .idle_max = 60ms}}});
  const Socket silent(port());
  EXPECT_EQ(silent.read_all(), "");
  const Socket head(port());
  // Each byte in time does not make a request in time.
  const auto begun = std::chrono::steady_clock::now();
  head.send("GET /");
  const timeval step{.tv_sec = 0, .tv_usec = 10'000};
  head.limit_reads(step);
  std::string answer;
  for (int i = 0; i < 200 && answer.empty(); ++i) {
    head.send_some("x");
    answer = head.read_all();
  }
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 408 ")) << answer;
  EXPECT_LT(std::chrono::steady_clock::now() - begun, 2s);
  const Socket body(port());
  body.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nh");
  EXPECT_TRUE(body.read_all().starts_with("HTTP/1.1 408 "));
  const Socket idle(port());
  idle.send(get("/page/a"));
  EXPECT_TRUE(idle.read_all().ends_with("page a.")) << "idle connections end without a word";
}

TEST_F(HttpServerTest, AnAnswerThatComesAfterTheServerGoesNowhere) {
  start();
  const Socket socket(port());
  socket.send(get("/later"));
  const auto responder = later_.get_future().get();
  server_ = nullptr;
  responder->answer({.headers = {}});
  EXPECT_EQ(socket.read_all(), "");
}

TEST_F(HttpServerTest, AnAddressThatIsTakenIsAnErrorAndIpv6IsAnAddress) {
  start();
  const std::string taken = "127.0.0.1:" + std::to_string(port());
  const auto second = Server::start({.addresses = {taken}}, Router());
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error(), "cannot listen on " + taken + ": Address already in use");
  const auto ipv6 = Server::start({.addresses = {"[::1]:0"}}, Router());
  if (ipv6.ok()) {
    EXPECT_GT((*ipv6)->port(), 0);
  } else {
    EXPECT_NE(ipv6.error().find("assign requested address"), std::string::npos) << ipv6.error();
  }
  EXPECT_FALSE(Server::start({.addresses = {"::1:0"}}, Router()).ok());
}

TEST_F(HttpServerTest, TheSameIsServedThroughTls) {
  net::testing::Authority authority;
  const net::testing::TlsFolder folder(authority);  // clients need no certificate here
  start({.tls = folder.open()});
  const Socket socket(port());
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  SSL* client = SSL_new(context);
  const unsigned char offer[] = "\x02h2\x08http/1.1";
  SSL_set_alpn_protos(client, offer, sizeof offer - 1);
  SSL_set_fd(client, socket.descriptor());
  ASSERT_EQ(SSL_connect(client), 1);
  const std::string request = get("/large", "Connection: close\r\n");
  SSL_write(client, request.data(), static_cast<int>(request.size()));
  std::string answer;
  char room[20'000];
  for (int some = 0; (some = SSL_read(client, room, sizeof room)) > 0;) answer.append(room, static_cast<size_t>(some));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 200 OK")) << answer.substr(0, 100);
  EXPECT_GT(answer.size(), size_t{16} << 20);
  SSL_free(client);
  SSL_CTX_free(context);
}

}  // namespace
}  // namespace cairn::http
