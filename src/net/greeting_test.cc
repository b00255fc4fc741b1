// A server's side of new connections over a pair of sockets; the client's is bare.
#include "net/greeting.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <future>

#include "net/testing/certificates.h"
#include "net/testing/waiter.h"
#include "net/tls.h"

namespace cairn::net {
namespace {

// What became of a greeting.
struct Seen {
  std::string why;  // if it failed
  Dialect dialect = Dialect::kUndecided;
  std::string first;
  std::string protocol;
};

class GreetingTest : public ::testing::Test {
 public:
  GreetingTest() {
    int sockets[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
    EXPECT_EQ(fcntl(sockets[0], F_SETFL, O_NONBLOCK), 0);
    server_ = sockets[0];
    client_ = sockets[1];
  }
  ~GreetingTest() override {
    std::promise<void> done;
    loop_.post([&] {
      greeting_ = nullptr;
      transport_ = nullptr;
      done.set_value();
    });
    done.get_future().wait();
    loop_.stop();
    if (client_ >= 0) close(client_);
  }

  void await(std::unique_ptr<Transport> transport, Duration patience = 10s) {
    loop_.post([this, transport = std::move(transport), patience]() mutable {
      greeting_ =
          await_greeting(loop_, std::move(transport), patience, [this](Result<Greeted, std::string> result) mutable {
            if (!result.ok()) return seen_.set_value({.why = result.error(), .first = "", .protocol = ""});
            transport_ = std::move(result->transport);
            seen_.set_value({.why = "",
                             .dialect = result->dialect,
                             .first = std::string(result->first.view()),
                             .protocol = std::string(transport_->protocol())});
          });
    });
  }
  void await_plain(Duration patience = 10s) { await(plain_transport(server_, "client"), patience); }
  void say(std::string_view bytes) const {
    ASSERT_EQ(write(client_, bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  }
  std::string hear_all() const {
    std::string heard;
    char room[1000];
    for (ssize_t got = 0; (got = read(client_, room, sizeof room)) > 0;) heard.append(room, static_cast<size_t>(got));
    return heard;
  }
  Seen seen() { return seen_.get_future().get(); }

  int server_ = -1;
  int client_ = -1;
  std::promise<Seen> seen_;
  Loop loop_{"greeting"};
  std::unique_ptr<Greeting> greeting_;
  std::unique_ptr<Transport> transport_;
};

TEST_F(GreetingTest, WhatIsSpokenIsKnownFromTheFirstBytes) {
  await_plain();
  say("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const Seen seen = this->seen();
  EXPECT_EQ(seen.dialect, Dialect::kHttp2);
  EXPECT_TRUE(seen.first.ends_with("SM\r\n\r\n"));
}

TEST_F(GreetingTest, TheFirstBytesMayComeOneByOne) {
  await_plain();
  auto future = seen_.get_future();
  for (const char byte : std::string("OPTIONS ")) {
    ASSERT_EQ(future.wait_for(5ms), std::future_status::timeout);
    say({&byte, 1});
  }
  const Seen seen = future.get();
  EXPECT_EQ(seen.dialect, Dialect::kHttp1);
  EXPECT_EQ(seen.first, "OPTIONS ");
}

TEST_F(GreetingTest, WhoeverTakesTooLongIsGivenUp) {
  await_plain(30ms);
  say("GE");
  EXPECT_EQ(seen().why, "it did not say in time what it speaks");
  EXPECT_EQ(hear_all(), "");
}

TEST_F(GreetingTest, WhoeverGoesIsNoFailure) {
  await_plain();
  close(std::exchange(client_, -1));
  EXPECT_EQ(seen().why, "");
}

TEST_F(GreetingTest, TlsOnAPlainPortIsToldSo) {
  await_plain();
  say("\x16\x03\x01\x02");
  EXPECT_EQ(seen().why, "TLS on a port that does not speak it");
  EXPECT_TRUE(hear_all().ends_with("this port does not speak TLS\n"));
}

class GreetingOverTls : public GreetingTest {
 public:
  GreetingOverTls() {
    folder_.options.ca_path = "";
    tls_ = folder_.open();
  }

  // A client that offers these protocols, as they stand in the handshake, and says that. Its own thread's.
  void meet(const std::string& alpn, const std::string& words) {
    await(tls_->serve(server_, "client", Tls::Offer::kBoth));
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    SSL* client = SSL_new(context);
    if (!alpn.empty()) {
      ASSERT_EQ(SSL_set_alpn_protos(client, reinterpret_cast<const unsigned char*>(alpn.data()),
                                    static_cast<unsigned>(alpn.size())),
                0);
    }
    SSL_set_fd(client, client_);
    if (SSL_connect(client) == 1) SSL_write(client, words.data(), static_cast<int>(words.size()));
    SSL_free(client);
    SSL_CTX_free(context);
  }

  testing::Authority authority_;
  testing::TlsFolder folder_{authority_};
  std::shared_ptr<Tls> tls_;
};

TEST_F(GreetingOverTls, AlpnDecides) {
  meet("\x08http/1.1", "GET / HTTP/1.1\r\n\r\n");
  const Seen seen = this->seen();
  EXPECT_EQ(seen.dialect, Dialect::kHttp1) << seen.why;
  EXPECT_EQ(seen.protocol, "http/1.1");
}

TEST_F(GreetingOverTls, Http2IsPreferred) {
  meet("\x08http/1.1\x02h2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  const Seen seen = this->seen();
  EXPECT_EQ(seen.dialect, Dialect::kHttp2) << seen.why;
  EXPECT_EQ(seen.protocol, "h2");
}

TEST_F(GreetingOverTls, Http1NeedsNoAlpn) {
  meet("", "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(seen().dialect, Dialect::kHttp1);
}

TEST_F(GreetingOverTls, Http2Does) {
  meet("", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_NE(seen().why.find("ALPN h2"), std::string::npos);
}

TEST_F(GreetingOverTls, WhoeverIsRefusedMaySpeakOnAndStillHearsWhy) {
  await(tls_->serve(server_, "client", Tls::Offer::kBoth));
  say("GET / HTTP/1.1\r\n");
  EXPECT_EQ(seen().why, "plain HTTP on a port that speaks TLS");
  for (int i = 0; i < 3; ++i) say("more");
  EXPECT_TRUE(hear_all().ends_with("this port speaks TLS\n"));
}

TEST_F(GreetingOverTls, WhatWasAgreedOnCounts) {
  meet("\x02h2", "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(seen().why, "HTTP/1 where HTTP/2 was agreed on");
}

}  // namespace
}  // namespace cairn::net
