// Any bytes from a client of HTTP/1, however they are cut: what comes back are whole answers, and the connection ends.
#include <sys/socket.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <future>
#include <string>

#include "base/check.h"
#include "http/endpoint.h"

namespace cairn::http {
namespace {

constexpr Limits kLimits{.header_bytes_max = 200, .body_bytes_max = 50};

Router routes() {
  Router router;
  router.add("*", "/{rest...}", page([](const Request& request) {
               CHECK(request.body.size() <= kLimits.body_bytes_max, "a body of {} bytes", request.body.size());
               return Response{.body = request.body + request.query_value("x").value_or(""), .headers = {}};
             }));
  return router;
}

// In two parts, the second one once the first is looked at.
void feed(const std::shared_ptr<net::Loop>& loop, std::string_view first, std::string_view second) {
  static const auto router = std::make_shared<const Router>(routes());
  int sockets[2];
  CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sockets) == 0, "no sockets");
  std::promise<void> closed;
  std::unique_ptr<Endpoint> endpoint;
  loop->post([&] {
    endpoint =
        std::make_unique<Endpoint>(loop, router, Endpoint::Options{.limits = kLimits}, [&] { closed.set_value(); });
    const auto bytes = std::make_shared<const std::string>(first);
    endpoint->adopt({.transport = net::plain_transport(sockets[0], "fuzzer"),
                     .dialect = net::Dialect::kHttp1,
                     .first = {bytes, bytes->data(), bytes->size()}});
  });
  static_cast<void>(!write(sockets[1], second.data(), second.size()));
  shutdown(sockets[1], SHUT_WR);
  closed.get_future().wait();
  std::promise<void> gone;
  loop->post([&] {
    endpoint = nullptr;
    gone.set_value();
  });
  gone.get_future().wait();
  char answer[5] = "";
  const ssize_t got = read(sockets[1], answer, 4);
  CHECK(got <= 0 || std::string_view(answer) == "HTTP", "an answer begins with '{}'", answer);
  close(sockets[1]);
}

}  // namespace
}  // namespace cairn::http

// The first byte says where it is cut.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const auto loop = std::make_shared<cairn::net::Loop>("fuzz");
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const size_t cut = std::min<size_t>(data[0], bytes.size());
  cairn::http::feed(loop, bytes.substr(0, cut), bytes.substr(cut));
  return 0;
}
