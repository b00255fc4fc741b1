// What gRPC's completion queues hand back: each operation's tag is one of these. Internal to the transport.
#pragma once

namespace cairn::rpc {

class Completion {
 public:
  virtual ~Completion() = default;
  // The operation ended; `ok` as gRPC means it.
  virtual void proceed(bool ok) = 0;
};

}  // namespace cairn::rpc
