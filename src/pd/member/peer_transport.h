// How PD's members send to one another. Implemented by rpc/ and by the simulator.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace cairn::pd {

// Carries Raft messages between the members. send() may lose messages; it is called on the executor "pd". A group of
// one member needs none.
class PeerTransport {
 public:
  virtual ~PeerTransport() = default;
  virtual void send(uint64_t to_member, Bytes message) = 0;
};

}  // namespace cairn::pd
