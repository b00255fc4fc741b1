// The end of a connection that we close while the other side may still be sending: its last bytes to us must not meet a
// closed socket, for the answer to them (a reset) would overtake what we said last, be it why we do not go on. So we
// say that nothing more comes, throw away what still does, and let go once the other side has, or after a while. A
// socket that is broken is let go of at once. Loop's thread. Tests: http2_test.cc.
#pragma once

#include <memory>

#include "net/loop.h"
#include "net/transport.h"

namespace cairn::net {

void linger(Loop& loop, std::unique_ptr<Transport> transport);

}  // namespace cairn::net
