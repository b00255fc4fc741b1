// One request of HTTP/1 out of a stream of bytes, by Boost.Beast's parser: strict where requests could be smuggled (two
// lengths, bare line feeds), bounded in headers and body. Pure. Tests: request_parser_test.cc.
#pragma once

#include <memory>
#include <string_view>

#include "http/message.h"

namespace cairn::http {

class RequestParser {
 public:
  explicit RequestParser(const Limits& limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  enum class Outcome {
    kMore,      // all is well, and more must come
    kWhole,     // request() is complete
    kMistaken,  // status() says what to answer; nothing more may be fed
  };
  struct Fed {
    Outcome outcome;
    size_t taken;  // bytes; what is left is to be fed again, with more behind it
  };
  Fed feed(std::string_view bytes);

  // Whether the headers are complete.
  bool has_headers() const;
  // Whether the client waits for "100 Continue" before it sends the body. True once.
  bool take_expectation();
  // Once it is whole.
  Request& request();
  // Whether the connection may go on after it.
  bool keeps_alive() const;
  // Of HTTP/1.0, which closes unless it was asked not to.
  bool is_old() const;
  // Why it is mistaken.
  int status() const;

 private:
  class Core;
  const std::unique_ptr<Core> core_;
};

}  // namespace cairn::http
