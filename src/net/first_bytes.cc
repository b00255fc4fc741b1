#include "net/first_bytes.h"

#include <algorithm>
#include <array>

namespace cairn::net {

Dialect dialect_of(std::string_view first) {
  using namespace std::string_view_literals;
  constexpr std::array kMethods = {"GET "sv,     "HEAD "sv,  "POST "sv,    "PUT "sv,  "DELETE "sv,
                                   "OPTIONS "sv, "PATCH "sv, "CONNECT "sv, "TRACE "sv};
  constexpr std::string_view kPreface = "PRI * HTTP/2.0";
  constexpr std::string_view kHandshake = "\x16\x03";  // a record of one (RFC 8446, section 5.1)
  bool is_undecided = false;
  const auto begins_with = [&](std::string_view word) {
    is_undecided |= word.starts_with(first);
    return first.starts_with(word);
  };
  if (begins_with(kHandshake)) return Dialect::kTls;
  if (begins_with(kPreface)) return Dialect::kHttp2;
  if (std::any_of(kMethods.begin(), kMethods.end(), begins_with)) return Dialect::kHttp1;
  return is_undecided ? Dialect::kUndecided : Dialect::kUnknown;
}

std::optional<std::string> words_in_http1(std::string_view first) {
  constexpr size_t kShown = 100;
  if (!first.starts_with("HTTP/1.")) return std::nullopt;
  const size_t head = first.find("\r\n\r\n");
  std::string words(head == std::string_view::npos ? "" : first.substr(head + 4, kShown));
  std::erase_if(words, [](char c) { return c < ' ' || c == 0x7F; });
  return words;
}

std::string refusal_in_http1(std::string_view words) {
  const std::string body = std::string(words) + "\n";
  return "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace cairn::net
