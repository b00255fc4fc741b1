// What a client of HTTP asks, and what it is answered, whatever version of HTTP it comes by.
#pragma once

#include <absl/functional/any_invocable.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"

namespace cairn::http {

struct Request {
  std::string method;                                        // "GET"
  std::string path;                                          // as it came, without the query: "/a/b%20c"
  std::string query;                                         // behind the '?', as it came
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;
  std::string peer;                 // "host:port"
  std::vector<std::string> params;  // what stands where the route's pattern has braces, decoded

  // The first header of that name, which is in lower case; empty: there is none.
  std::string_view header(std::string_view name) const;
  // The first value of that name in the query, decoded.
  std::optional<std::string> query_value(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string content_type = "text/plain";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  // more of them
};

// One request's answer, given once, on any thread. If it is dropped without one, the client hears of an error.
class Responder {
 public:
  using Send = absl::AnyInvocable<void(Response)>;
  explicit Responder(Send send) : send_(std::move(send)) {}
  ~Responder();
  Responder(Responder&&) = default;
  Responder& operator=(Responder&&) = delete;

  void answer(Response response);

 private:
  Send send_;
};

// Serves a request now or later. Called on the connection's loop: what takes long goes elsewhere.
using Handler = std::function<void(Request, Responder)>;

// What one message may be, and how long it may take.
struct Limits {
  size_t header_bytes_max = size_t{16} << 10;
  size_t body_bytes_max = size_t{4} << 20;
  Duration header_max = 10s;  // from a request's first byte to the end of its headers
  Duration body_max = 60s;    // then to its end
  Duration idle_max = 60s;    // between requests
  Duration stall_max = 30s;   // while the client takes nothing of an answer
  // The client takes an answer at so many bytes a second at least, beside that time.
  size_t answer_rate_min = size_t{64} << 10;
};

// The words for a status: "Not Found".
const char* reason_of(int status);

// "%41" becomes "A"; nothing if it is no such text.
std::optional<std::string> percent_decode(std::string_view text);

}  // namespace cairn::http
