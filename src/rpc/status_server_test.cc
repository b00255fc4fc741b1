#include "rpc/status_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>

namespace cairn::rpc {
namespace {

std::string get(int port, const std::string& path) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(port));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
  const std::string request = "GET " + path + " HTTP/1.1\r\nConnection: close\r\n\r\n";
  EXPECT_GT(send(fd, request.data(), request.size(), MSG_NOSIGNAL), 0);
  std::string answer;
  char buffer[4096];
  for (ssize_t got = 0; (got = recv(fd, buffer, sizeof buffer, 0)) > 0;)
    answer.append(buffer, static_cast<size_t>(got));
  close(fd);
  return answer;
}

TEST(StatusServer, ServesItsPages) {
  std::atomic<bool> is_serving{false};
  auto started = StatusServer::start({.address = "127.0.0.1:0",
                                      .version = "8.5.0",
                                      .is_serving = [&] { return is_serving.load(); },
                                      .pages = {{"/regions", [] { return std::string("[1]"); }}}});
  ASSERT_TRUE(started.ok()) << started.error();
  const int port = (*started)->port();
  EXPECT_TRUE(get(port, "/status").starts_with("HTTP/1.1 503 "));
  is_serving = true;
  EXPECT_NE(get(port, "/status").find("\"version\":\"8.5.0\""), std::string::npos);
  EXPECT_NE(get(port, "/metrics").find("process_cpu_seconds_total"), std::string::npos);
  EXPECT_TRUE(get(port, "/regions").ends_with("\r\n\r\n[1]"));
  EXPECT_TRUE(get(port, "/nowhere").starts_with("HTTP/1.1 404 "));
}

TEST(StatusServer, AnAddressThatIsTakenIsAnErrorThatNamesIt) {
  auto first = StatusServer::start({.address = "127.0.0.1:0"});
  ASSERT_TRUE(first.ok());
  const std::string address = "127.0.0.1:" + std::to_string((*first)->port());
  const auto second = StatusServer::start({.address = address});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.error(), "cannot listen on the status address " + address + ": Address already in use");
}

}  // namespace
}  // namespace cairn::rpc
