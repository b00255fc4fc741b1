#include "rpc/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <vector>

#include "net/listen.h"

namespace cairn::rpc {
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
    char byte = 0;
    while (recv(fd_, &byte, 1, 0) == 1) text += byte;
    return text;
  }

 private:
  const int fd_;
};

std::unique_ptr<HttpServer> must_start(HttpOptions options = {}) {
  options.address = "127.0.0.1:0";
  if (!options.serve) {
    options.serve = [](const std::string& path) { return HttpResponse{.body = "page " + path + "."}; };
  }
  auto started = HttpServer::start(std::move(options));
  EXPECT_TRUE(started.ok());
  return std::move(*started);
}

TEST(HttpServer, ServesSeveralRequestsOfOneConnection) {
  auto server = must_start();
  const Socket socket(server->port());
  socket.send("GET /a?x=1 HTTP/1.1\r\nHost: h\r\n\r\nGET /b HTTP/1.1\r\n\r\n");
  EXPECT_TRUE(socket.read_until("page /a.").starts_with("HTTP/1.1 200 OK\r\n"));
  EXPECT_TRUE(socket.read_until("page /b.").starts_with("HTTP/1.1 200 OK\r\n"));
  socket.send("HEAD /c HTTP/1.1\r\nConnection: close\r\n\r\n");
  const std::string head = socket.read_all();
  EXPECT_NE(head.find("Content-Length: 8\r\n"), std::string::npos) << head;
  EXPECT_EQ(head.find("page"), std::string::npos) << head;
}

TEST(HttpServer, WhatIsNoRequestIsAnsweredAndEndsTheConnection) {
  auto server = must_start({.request_bytes_max = 1000});
  for (const auto& [sent, status] :
       std::vector<std::pair<std::string, std::string>>{{"\x16\x03\x01 tls\r\n\r\n", "400"},
                                                        {"GET nowhere HTTP/1.1\r\n\r\n", "400"},
                                                        {"GET /" + std::string(2000, 'x'), "431"},
                                                        {"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc", "405"}}) {
    const Socket socket(server->port());
    socket.send(sent);
    EXPECT_TRUE(socket.read_until("\r\n").starts_with("HTTP/1.1 " + status)) << sent;
  }
}

TEST(HttpServer, ConnectionsThatAreIdleOrReadNothingHoldUpNobody) {
  auto server =
      must_start({.serve =
                      [](const std::string& path) {
                        return HttpResponse{.body = path == "/large" ? std::string(size_t{16} << 20, 'x') : "ok"};
                      },
                  .connections_max = 64});
  std::vector<std::unique_ptr<Socket>> others;
  for (int i = 0; i < 50; ++i) {
    others.push_back(std::make_unique<Socket>(server->port()));
    if (i % 2 == 0) others.back()->send("GET /large HTTP/1.1\r\n\r\n");
    if (i % 2 == 1) others.back()->send("GET /half");
  }
  const Socket socket(server->port());
  socket.send("GET / HTTP/1.1\r\n\r\n");
  EXPECT_NE(socket.read_until("ok").find("200 OK"), std::string::npos);
}

TEST(HttpServer, BeyondItsBoundTheQuietestConnectionGoes) {
  auto server = must_start({.connections_max = 2});
  const Socket first(server->port());
  first.send("GET /first HTTP/1.1\r\n\r\n");
  first.read_until("page /first.");
  const Socket second(server->port());
  second.send("GET /second HTTP/1.1\r\n\r\n");
  second.read_until("page /second.");
  const Socket third(server->port());
  third.send("GET /third HTTP/1.1\r\n\r\n");
  third.read_until("page /third.");
  EXPECT_EQ(first.read_all(), "");
  second.send("GET /again HTTP/1.1\r\n\r\n");
  EXPECT_NE(second.read_until("page /again."), "");
}

TEST(HttpServer, AConnectionThatIsQuietForTooLongIsClosed) {
  auto server = must_start({.quiet_max = 50ms});
  const Socket socket(server->port());
  EXPECT_EQ(socket.read_all(), "");
}

TEST(HttpServer, AnAddressThatIsTakenIsAnErrorAndIpv6IsAnAddress) {
  auto server = must_start();
  HttpOptions options{.address = "127.0.0.1:" + std::to_string(server->port()),
                      .serve = [](const std::string&) { return HttpResponse{}; }};
  const auto second = HttpServer::start(options);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(second.error().find("in use"), std::string::npos) << second.error();
  options.address = "[::1]:0";
  const auto ipv6 = HttpServer::start(options);
  if (ipv6.ok()) {
    EXPECT_GT((*ipv6)->port(), 0);
  } else {
    EXPECT_NE(ipv6.error().find("assign requested address"), std::string::npos) << ipv6.error();
  }
  options.address = "::1:0";
  EXPECT_FALSE(HttpServer::start(options).ok());
}

}  // namespace
}  // namespace cairn::rpc
