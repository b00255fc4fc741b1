// Greeting: the first bytes of a new connection at a server, which say what is spoken on it. Through TLS the handshake
// comes before them. They may come one at a time, but all within a while. Loop's thread. Tests: greeting_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <memory>
#include <string>

#include "base/result.h"
#include "base/time.h"
#include "net/first_bytes.h"
#include "net/loop.h"
#include "net/slice.h"
#include "net/transport.h"

namespace cairn::net {

// A connection that has said what it speaks.
struct Greeted {
  std::unique_ptr<Transport> transport;
  Dialect dialect = Dialect::kUnknown;  // kHttp1, kHttp2, or what is neither, for HTTP/2 to refuse
  Slice first;                          // bytes, all that has come
  bool has_more = false;                // the transport holds more
};

// Why there is none, for people; empty: the other side has gone without a word.
using OnGreeted = absl::AnyInvocable<void(Result<Greeted, std::string>)>;

// A wait that is under way; the connection ends with the object, unless the wait has ended.
class Greeting {
 public:
  virtual ~Greeting() = default;
};

// `done` runs once, from within an event of the connection, never from within this call; it may drop the object. What
// does not belong on the port is told so in words.
std::unique_ptr<Greeting> await_greeting(Loop& loop, std::unique_ptr<Transport> transport, Duration patience,
                                         OnGreeted done);

}  // namespace cairn::net
