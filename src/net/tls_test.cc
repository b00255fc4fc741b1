// Two transports over a pair of sockets, driven by hand; what HTTP/2 makes of them is in http2_test.cc.
#include "net/tls.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <thread>
#include <vector>

#include "net/testing/certificates.h"

namespace cairn::net {
namespace {

using testing::Authority;
using testing::TlsFolder;
using Outcome = Transport::Outcome;

std::array<int, 2> socket_pair() {
  std::array<int, 2> sockets{};
  EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets.data()), 0);
  return sockets;
}

// One end of a connection, which says what it has to say and hears what it can.
struct End {
  std::unique_ptr<Transport> transport;
  std::string to_send = "hello";
  size_t sent = 0;
  std::string heard;
  bool is_at_end = false;
  std::string failure;

  // Whether anything happened.
  bool step() {
    bool moved = false;
    if (is_over()) return false;
    if (sent < to_send.size()) {
      // As two parts, the first one small.
      const size_t left = to_send.size() - sent;
      const size_t first = std::min<size_t>(left, 100);
      const iovec parts[] = {{to_send.data() + sent, first}, {to_send.data() + sent + first, left - first}};
      const auto result = transport->write(parts, 2);
      if (result.outcome == Outcome::kFailed) failure = transport->failure();
      sent += result.bytes;
      moved = result.bytes > 0 || is_over();
    }
    if (is_over()) return moved;
    char room[50'000];
    const auto result = transport->read(room, sizeof room);
    if (result.outcome == Outcome::kFailed) failure = transport->failure();
    if (result.outcome == Outcome::kEnd) is_at_end = true;
    heard.append(room, result.bytes);
    return moved || result.bytes > 0 || is_over();
  }
  bool is_over() const { return is_at_end || !failure.empty(); }
};

struct Pair {
  Pair(Tls& server_tls, Tls& client_tls, const std::string& host = "localhost") {
    server_tls.look_at_files();
    client_tls.look_at_files();
    const auto sockets = socket_pair();
    server.transport = server_tls.serve(sockets[0], "client");
    client.transport = client_tls.dial(sockets[1], "server", host);
  }
  // Until nothing happens any more. Steps of a handshake are not seen from outside: there are a few.
  void run() {
    for (int idle = 0; idle < 10; ++idle) {
      const bool client_moved = client.step();
      const bool server_moved = server.step();
      if (client_moved || server_moved) idle = 0;
    }
  }
  bool is_up() const { return server.heard == client.to_send && client.heard == server.to_send; }

  End server;
  End client;
};

class TlsTest : public ::testing::Test {
 public:
  Authority authority_;
  TlsFolder server_{authority_, {.common_name = "server"}};
  TlsFolder client_{authority_, {.common_name = "client"}};

  // How it goes between what the folders hold.
  Pair talk(const std::string& host = "localhost") {
    Pair pair(*server_.open(), *client_.open(), host);
    pair.run();
    return pair;
  }
};

TEST_F(TlsTest, BothSidesHearOneAnother) {
  EXPECT_TRUE(talk().is_up());
  EXPECT_TRUE(talk("127.0.0.1").is_up());
}

TEST_F(TlsTest, BigBodiesGoBothWaysAtOnce) {
  Pair pair(*server_.open(), *client_.open());
  for (int i = 0; pair.client.to_send.size() < 3'000'000; ++i) pair.client.to_send += std::to_string(i);
  pair.server.to_send = "x" + pair.client.to_send;
  pair.run();
  EXPECT_TRUE(pair.is_up()) << pair.server.failure << pair.client.failure;
}

TEST_F(TlsTest, WhatOpenSslHoldsIsSaidToBeThere) {
  Pair pair(*server_.open(), *client_.open());
  pair.run();
  // Several records arrive with one read of the socket; the room has not enough for one.
  const std::string much(40'000, 'x');
  const iovec part{const_cast<char*>(much.data()), much.size()};
  ASSERT_EQ(pair.client.transport->write(&part, 1).bytes, much.size());
  char room[1000];
  size_t heard = 0;
  bool has_more = true;
  while (has_more && heard < much.size()) {
    const auto result = pair.server.transport->read(room, sizeof room);
    ASSERT_EQ(result.outcome, Outcome::kDone);
    heard += result.bytes;
    char byte = 0;
    has_more = result.has_more || recv(pair.server.transport->descriptor(), &byte, 1, MSG_PEEK) == 1;
  }
  EXPECT_EQ(heard, much.size());
  EXPECT_EQ(pair.server.transport->read(room, sizeof room).outcome, Outcome::kLater);
}

TEST_F(TlsTest, WhoeverHasSaidAllMayStillHear) {
  Pair pair(*server_.open(), *client_.open());
  pair.run();
  shutdown(pair.client.transport->descriptor(), SHUT_WR);
  pair.server.to_send += " and goodbye";
  pair.run();
  EXPECT_TRUE(pair.server.is_at_end);
  const std::string last = "last words";
  const iovec part{const_cast<char*>(last.data()), last.size()};
  ASSERT_EQ(pair.server.transport->write(&part, 1).bytes, last.size());
  pair.run();
  EXPECT_TRUE(pair.client.heard.ends_with(last)) << pair.client.heard;
}

TEST_F(TlsTest, TheEndOfOneSideIsAnEndInOrderForTheOther) {
  Pair pair(*server_.open(), *client_.open());
  pair.run();
  pair.client.transport = nullptr;
  EXPECT_TRUE(pair.server.step());
  EXPECT_TRUE(pair.server.is_at_end) << pair.server.failure;
}

TEST_F(TlsTest, WhoeverGoesRightAfterTheHandshakeIsNoFailure) {
  Pair pair(*server_.open(), *client_.open());
  pair.server.to_send = pair.client.to_send = "";
  // Its hello, the server's answer, and its own last word, with which the handshake is complete.
  pair.client.step();
  pair.server.step();
  pair.client.step();
  shutdown(pair.client.transport->descriptor(), SHUT_WR);
  pair.run();
  EXPECT_TRUE(pair.server.is_at_end) << pair.server.failure;
}

TEST_F(TlsTest, AnExpiredCertificateIsRefusedByEitherSide) {
  const auto expired = authority_.issue({.begins = -7200, .ends = -3600});
  {
    TlsFolder old(authority_);
    old.use(expired);
    Pair pair(*server_.open(), *old.open());
    pair.run();
    EXPECT_EQ(pair.server.failure, "TLS: its certificate is refused: certificate has expired");
    EXPECT_NE(pair.client.failure.find("certificate expired"), std::string::npos) << pair.client.failure;
  }
  server_.use(expired);
  EXPECT_EQ(talk().client.failure, "TLS: its certificate is refused: certificate has expired");
}

TEST_F(TlsTest, ACertificateOfAnotherAuthorityIsRefusedByEitherSide) {
  Authority other;
  client_.use(other.issue({}));
  EXPECT_NE(talk().server.failure.find("its certificate is refused: "), std::string::npos) << talk().server.failure;
  server_.use(other.issue({}));
  EXPECT_NE(talk().client.failure.find("its certificate is refused: "), std::string::npos) << talk().client.failure;
}

TEST_F(TlsTest, ARevokedCertificateIsRefused) {
  const auto revoked = authority_.issue({});
  server_.refuse(authority_.revoke(revoked));
  EXPECT_TRUE(talk().is_up());
  client_.use(revoked);
  const auto pair = talk();
  EXPECT_EQ(pair.server.failure, "TLS: its certificate is refused: certificate revoked");
  EXPECT_NE(pair.client.failure.find("certificate revoked"), std::string::npos) << pair.client.failure;
}

TEST_F(TlsTest, AClientWithoutACertificateIsRefusedIfThereIsACa) {
  client_.options.cert_path = client_.options.key_path = "";
  EXPECT_EQ(talk().server.failure, "TLS: peer did not return a certificate");
  server_.options.ca_path = "";
  EXPECT_TRUE(talk().is_up());
}

TEST_F(TlsTest, OnlyAllowedNamesAreTaken) {
  server_.options.allowed_cn = {"tidb", "client"};
  EXPECT_TRUE(talk().is_up());
  server_.options.allowed_cn = {"tidb", "clien"};
  EXPECT_NE(talk().server.failure.find("cert-allowed-cn"), std::string::npos);
  server_.options.allowed_cn = {};
  server_.options.allowed_san = {"localhost"};
  EXPECT_TRUE(talk().is_up());
  server_.options.allowed_san = {"127.0.0.1"};
  EXPECT_TRUE(talk().is_up());
  server_.options.allowed_san = {"client"};  // its common name, which is none of its alternative names
  EXPECT_NE(talk().server.failure.find("cert-allowed-san"), std::string::npos);
}

TEST_F(TlsTest, TheServersCertificateMustNameTheHostThatIsDialled) {
  EXPECT_EQ(talk("elsewhere").client.failure, "TLS: its certificate is refused: hostname mismatch");
  EXPECT_EQ(talk("127.0.0.2").client.failure, "TLS: its certificate is refused: IP address mismatch");
  EXPECT_NE(talk("").client.failure.find("no name that a certificate can have"), std::string::npos);
  server_.use(authority_.issue({.common_name = "localhost", .alternative_names = ""}));
  EXPECT_EQ(talk().client.failure, "TLS: its certificate is refused: hostname mismatch");
}

TEST_F(TlsTest, RenewedFilesCountForNewConnectionsAndOldOnesGoOn) {
  const auto server = server_.open();
  const auto client = client_.open();
  Pair before(*server, *client);
  before.run();
  ASSERT_TRUE(before.is_up());
  Authority next("next");
  server_.trust(authority_.certificate() + next.certificate());
  client_.trust(authority_.certificate() + next.certificate());
  server_.use(next.issue({}));
  client_.use(next.issue({}));
  Pair after(*server, *client);
  after.run();
  EXPECT_TRUE(after.is_up()) << after.server.failure << after.client.failure;
  // Whether the new ones are used: only the new authority is trusted now.
  server_.trust(next.certificate());
  client_.trust(next.certificate());
  Pair later(*server, *client);
  later.run();
  EXPECT_TRUE(later.is_up()) << later.server.failure << later.client.failure;
  before.client.to_send += " still";
  before.server.to_send += " too";
  before.run();
  EXPECT_TRUE(before.is_up());
}

TEST_F(TlsTest, FilesAreLookedAtThoughNobodyConnects) {
  server_.options.look_again = 1ms;
  const auto server = server_.open();
  const auto client = client_.open();
  const auto hears = [&](const std::string& host) {
    const auto sockets = socket_pair();
    End served, dialled;
    served.transport = server->serve(sockets[0], "client");
    dialled.transport = client->dial(sockets[1], "server", host);
    for (int i = 0; i < 20; ++i) static_cast<void>(dialled.step()), static_cast<void>(served.step());
    return dialled.heard == "hello";
  };
  ASSERT_TRUE(hears("localhost"));
  server_.use(authority_.issue({.common_name = "renewed", .alternative_names = "DNS:elsewhere"}));
  while (!hears("elsewhere")) std::this_thread::yield();
}

// A pipe that nobody writes to is a file whose disk hangs: whoever opens it waits.
TEST_F(TlsTest, ADiskThatHangsDoesNotHoldUpTheEnd) {
  const auto revoked = authority_.issue({});
  server_.refuse(authority_.revoke(revoked));
  server_.options.look_again = 1ms;
  auto server = server_.open();
  const std::string pipe = server_.options.crl_path + ".pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  std::filesystem::rename(pipe, server_.options.crl_path);
  // Once somebody reads, it can be opened for writing; and what reads then waits for us.
  int writer = -1;
  while (writer < 0) {
    writer = ::open(server_.options.crl_path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    std::this_thread::yield();
  }
  server = nullptr;
  ::close(writer);
}

TEST_F(TlsTest, FilesThatCannotBeUsedLeaveTheLastOnesInUse) {
  const auto server = server_.open();
  const auto client = client_.open();
  server_.put("key.pem", "no key", server_.options.key_path);
  Pair broken(*server, *client);
  broken.run();
  EXPECT_TRUE(broken.is_up()) << broken.server.failure;
  const auto identity = authority_.issue({.common_name = "renewed", .alternative_names = "DNS:elsewhere"});
  server_.use(identity);
  Pair renewed(*server, *client, "elsewhere");
  renewed.run();
  EXPECT_TRUE(renewed.is_up()) << renewed.client.failure;
}

TEST_F(TlsTest, FilesThatCannotBeUsedAtTheStartAreAnErrorThatNamesThem) {
  const auto error_of = [](const TlsFolder& folder) { return Tls::open(folder.options).error(); };
  const std::string good = server_.options.cert_path;
  server_.options.cert_path = "/nowhere/cert.pem";
  EXPECT_EQ(error_of(server_),
            "the certificate /nowhere/cert.pem cannot be used: No such file or directory: system lib");
  server_.options.cert_path = good;
  server_.options.key_path = client_.options.key_path;
  EXPECT_NE(error_of(server_).find(client_.options.key_path), std::string::npos) << error_of(server_);
  client_.options.ca_path = client_.options.key_path;
  EXPECT_NE(error_of(client_).find("the CA " + client_.options.ca_path), std::string::npos) << error_of(client_);
}

TEST_F(TlsTest, PlainTextIsToldThatThePortSpeaksTls) {
  for (const std::string first : {"GET / HTTP/1.1\r\n\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}) {
    const auto sockets = socket_pair();
    End server{.transport = server_.open()->serve(sockets[0], "client")};
    ASSERT_EQ(write(sockets[1], first.data(), first.size()), static_cast<ssize_t>(first.size()));
    server.step();
    EXPECT_EQ(server.failure, "plain HTTP on a port that speaks TLS");
    char answer[1000];
    const ssize_t size = read(sockets[1], answer, sizeof answer);
    ASSERT_GT(size, 0);
    EXPECT_TRUE(std::string(answer, static_cast<size_t>(size)).ends_with("this port speaks TLS\n"));
    close(sockets[1]);
  }
}

TEST_F(TlsTest, PlainTextThatComesByteByByteIsToldSoToo) {
  const auto sockets = socket_pair();
  End server{.transport = server_.open()->serve(sockets[0], "client")};
  for (const char byte : std::string("POST ")) {
    server.step();
    EXPECT_EQ(server.failure, "");
    ASSERT_EQ(write(sockets[1], &byte, 1), 1);
  }
  server.step();
  EXPECT_EQ(server.failure, "plain HTTP on a port that speaks TLS");
  close(sockets[1]);
}

TEST_F(TlsTest, OtherBytesAreRefusedToo) {
  const auto sockets = socket_pair();
  End server{.transport = server_.open()->serve(sockets[0], "client")};
  ASSERT_EQ(write(sockets[1], "\0\0\0", 3), 3);
  server.step();
  EXPECT_EQ(server.failure, "no TLS on a port that speaks TLS");
  close(sockets[1]);
}

TEST_F(TlsTest, WhoeverConnectsAndGoesIsNoFailure) {
  const auto sockets = socket_pair();
  End server{.transport = server_.open()->serve(sockets[0], "client")};
  close(sockets[1]);
  server.to_send = "";
  server.step();
  EXPECT_TRUE(server.is_at_end);
  EXPECT_EQ(server.failure, "");
}

// A client that is not ours: old versions, and no ALPN.
std::string failure_with(Tls& server, SSL_CTX& context) {
  const auto sockets = socket_pair();
  SSL* client = SSL_new(&context);
  SSL_set_fd(client, sockets[1]);
  SSL_set_connect_state(client);
  End end{.transport = server.serve(sockets[0], "client")};
  for (int i = 0; i < 10 && !end.is_over(); ++i) {
    char byte = 0;
    SSL_read(client, &byte, 1);
    end.step();
  }
  SSL_free(client);
  close(sockets[1]);
  return end.failure;
}

TEST_F(TlsTest, OldVersionsAndClientsWithoutAlpnAreRefused) {
  server_.options.ca_path = "";
  const auto server = server_.open();
  SSL_CTX* context = SSL_CTX_new(TLS_client_method());
  EXPECT_NE(failure_with(*server, *context).find("ALPN h2"), std::string::npos);
  const unsigned char http1[] = "\x08http/1.1";
  ASSERT_EQ(SSL_CTX_set_alpn_protos(context, http1, sizeof http1 - 1), 0);
  EXPECT_EQ(failure_with(*server, *context), "TLS: no application protocol");
  SSL_CTX_set_security_level(context, 0);
  SSL_CTX_set_min_proto_version(context, TLS1_VERSION);
  SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
  EXPECT_EQ(failure_with(*server, *context), "TLS: unsupported protocol");
  SSL_CTX_free(context);
}

}  // namespace
}  // namespace cairn::net
