// Transport: a connected socket as a stream of bytes, plain or through TLS (tls.h). Nothing blocks; confined to its
// loop's thread. Tests: http2_test.cc, tls_test.cc.
//
// TLS speaks by itself, too: a read may have to send first, a write to wait for what the other side says. And it takes
// more off the socket than it hands over. The outcome kCrossed and `has_more` say so; a plain socket knows neither.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace cairn::net {

class Transport {
 public:
  enum class Outcome {
    kDone,   // so many bytes
    kLater,  // nothing now: wait until the descriptor is ready again, for reading if this was a read, else for writing
    kCrossed,  // nothing now: wait until it is ready for the opposite of what this was
    kEnd,      // the other side sends no more
    kFailed,   // the connection is broken; failure() says how
  };
  struct Result {
    Outcome outcome = Outcome::kDone;
    size_t bytes = 0;
    // Input is here that no readiness will tell of: read again without waiting for it.
    bool has_more = false;
  };

  virtual ~Transport() = default;
  virtual int descriptor() const = 0;
  virtual Result read(char* into, size_t size) = 0;
  // After kLater or kCrossed the next write begins with the same bytes; more may follow them.
  virtual Result write(const iovec* parts, size_t count) = 0;
  // Bytes that were written and that the other side's system has not taken yet.
  size_t untaken() const;
  // We send no more: the other side is told so.
  virtual void end_writes() = 0;
  // Why the last operation failed, in words.
  virtual std::string failure() const = 0;
  // Whether it goes through TLS, and what was agreed on there (ALPN): "h2", "http/1.1", or nothing.
  virtual bool is_secure() const { return false; }
  virtual std::string_view protocol() const { return {}; }
  // Who the other side is: "host:port".
  virtual const std::string& peer() const = 0;
};

// Owns the descriptor, which is connected and does not block.
std::unique_ptr<Transport> plain_transport(int descriptor, std::string peer);

}  // namespace cairn::net
