// Any bytes from the other side of a connection of HTTP/2, at a server and at a client: each stream that begins ends
// once, each connection ends once, and nothing else happens.
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <future>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "net/http2.h"

namespace cairn::net {
namespace {

using Role = Http2Connection::Role;
using namespace std::string_view_literals;

int open_streams = 0;  // of the loop's thread

// Answers with what it hears, part of it at once and part at the end.
class Echo final : public Http2Stream {
 public:
  explicit Echo(Role role) : role_(role) { ++open_streams; }

  using Http2Stream::end;
  using Http2Stream::send;

 private:
  void on_header(std::string_view name, std::string_view) override { header_bytes_ += name.size(); }
  void on_headers_end() override {
    if (role_ == Role::kServer && !std::exchange(has_answered_, true)) respond({{":status", "200"}});
  }
  void on_data(Slice data) override {
    send(data);
    consume(data.size);
  }
  void on_end() override {
    if (header_bytes_ % 3 == 0) return reset(Http2Error::kCancel);
    end_with({{"said", "all"}});
  }
  void on_closed(Http2Error, std::string_view) override {
    CHECK(!std::exchange(is_closed_, true), "a stream is closed twice");
    --open_streams;
  }

  const Role role_;
  size_t header_bytes_ = 0;
  bool has_answered_ = false;
  bool is_closed_ = false;
};

class Owner final : public Http2Connection::Owner {
 public:
  std::promise<void> closed;
  std::shared_ptr<Http2Stream> on_stream(Http2Connection&) override { return std::make_shared<Echo>(Role::kServer); }
  void on_connection_closed(Http2Connection&, const std::string&) override { closed.set_value(); }
};

void feed(Loop& loop, Role role, std::string_view bytes) {
  int sockets[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) == 0, "no sockets");
  CHECK(write(sockets[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()),
        "a socket takes too little");
  shutdown(sockets[1], SHUT_WR);
  Owner owner;
  const auto closed = owner.closed.get_future();
  std::shared_ptr<Http2Connection> connection;
  loop.post([&] {
    connection =
        Http2Connection::open(role, loop, plain_transport(sockets[0], "fuzzer"), {.stream_window = 200}, &owner);
    for (int i = 0; role == Role::kClient && i < 3; ++i) {
      auto stream = std::make_shared<Echo>(role);
      CHECK(connection->request(stream, {{":method", "POST"}, {":scheme", "http"}, {":path", "/"}}), "no stream");
      stream->send("hello"sv);
      if (i == 0) stream->end();
    }
  });
  closed.wait();
  std::promise<void> gone;
  loop.post([&] {
    connection = nullptr;
    CHECK(open_streams == 0, "{} streams are left", open_streams);
    gone.set_value();
  });
  gone.get_future().wait();
  close(sockets[1]);
}

}  // namespace
}  // namespace cairn::net

// The first byte says who hears it, and whether the usual beginning comes before.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace std::string_literals;
  static auto& loop = *new cairn::net::Loop("fuzz");
  if (size == 0) return 0;
  const bool is_server = (data[0] & 1) != 0;
  std::string bytes;
  if ((data[0] & 2) != 0 && is_server) bytes = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
  if ((data[0] & 2) != 0) bytes += "\0\0\0\x04\0\0\0\0\0"s;
  bytes.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  cairn::net::feed(loop, is_server ? cairn::net::Role::kServer : cairn::net::Role::kClient, bytes);
  return 0;
}
