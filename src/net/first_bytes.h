// What a connection begins with, and what to tell whoever made one that cannot be served. Pure. Tests:
// first_bytes_test.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn::net {

enum class Dialect {
  kUndecided,  // more bytes are needed
  kUnknown,
  kTls,
  kHttp1,
  kHttp2,  // its preface in plain text
};

// By the first bytes that came, as many as there are. Sixteen are always enough.
Dialect dialect_of(std::string_view first);

// The body of an answer of HTTP/1, as far as it is here and fit to be shown; nothing if it is none.
std::optional<std::string> words_in_http1(std::string_view first);

// An answer of HTTP/1 with these words. Clients of HTTP/1 show it; those of gRPC and TLS say that they met HTTP/1.
std::string refusal_in_http1(std::string_view words);

}  // namespace cairn::net
