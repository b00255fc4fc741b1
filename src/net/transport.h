// Transport: a connected socket as a stream of bytes, plain or through TLS. Nothing blocks; confined to its loop's
// thread. Tests: http2_test.cc.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>

namespace cairn::net {

class Transport {
 public:
  enum class Outcome {
    kDone,    // so many bytes
    kLater,   // nothing now: wait until the descriptor is ready again
    kEnd,     // the other side sends no more
    kFailed,  // the connection is broken; failure() says how
  };
  struct Result {
    Outcome outcome = Outcome::kDone;
    size_t bytes = 0;
  };

  virtual ~Transport() = default;
  virtual int descriptor() const = 0;
  virtual Result read(char* into, size_t size) = 0;
  virtual Result write(const iovec* parts, size_t count) = 0;
  // Why the last operation failed, in words.
  virtual std::string failure() const = 0;
  // Who the other side is: "host:port".
  virtual const std::string& peer() const = 0;
};

// Owns the descriptor, which is connected and does not block.
std::unique_ptr<Transport> plain_transport(int descriptor, std::string peer);

}  // namespace cairn::net
