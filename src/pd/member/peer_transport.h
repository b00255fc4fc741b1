// How PD's members send to one another. Implemented by rpc/ and by the simulator.
#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "pd/config.h"

namespace cairn::pd {

// Carries messages between the members (cairnpb.PeerMessage). It may lose them. Called on the executor "pd". A group of
// one member needs none.
class PeerTransport {
 public:
  virtual ~PeerTransport() = default;
  virtual void send(uint64_t to_member, Bytes message) = 0;
  // Where a member is reached from now on.
  virtual void set_address(const MemberInfo& member) = 0;
  // The member is there: a message of it has come.
  virtual void on_heard_of(uint64_t member) = 0;
};

}  // namespace cairn::pd
