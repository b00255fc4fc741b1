// Connecting: a name becomes addresses, and one of them a connected socket, without holding up the loop. Names are
// looked up elsewhere (resolver.h). Tests: acceptor_test.cc.
#pragma once

#include <absl/functional/any_invocable.h>

#include <sys/socket.h>

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "net/loop.h"

namespace cairn::net {

// An attempt that is under way; ends with the object, unless it has ended.
class Connecting {
 public:
  virtual ~Connecting() = default;
};

// A connected descriptor that does not block, or why there is none.
using Connected = absl::AnyInvocable<void(Result<int, std::string>)>;

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
};

// Connects to "host:port" within `patience`, trying each address of the host. `done` runs once, later, on the loop's
// thread. To be called and dropped there.
std::unique_ptr<Connecting> connect(std::shared_ptr<Loop> loop, const std::string& address, Duration patience,
                                    Connected done);
// Likewise, to one of these.
std::unique_ptr<Connecting> connect(std::shared_ptr<Loop> loop, std::vector<SocketAddress> addresses, Duration patience,
                                    Connected done);

}  // namespace cairn::net
