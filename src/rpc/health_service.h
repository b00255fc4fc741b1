// grpc.health.v1.Health: clients ask it with an empty service name before they trust a server again. Every Server has
// one. Tests: server_test.cc.
#pragma once

#include <atomic>
#include <memory>

#include "rpc/server_stream.h"

namespace cairn::rpc {

// What Health/Check says; shared by the server and its handlers. Thread-safe.
class HealthState {
 public:
  // Numbers are those of HealthCheckResponse.ServingStatus.
  enum Status : int { kServing = 1, kNotServing = 2 };
  void set(Status status) { status_ = status; }
  Status get() const { return status_; }

 private:
  std::atomic<Status> status_{kNotServing};
};

// Check and List; a service name other than the empty one is NOT_FOUND.
void serve_health(Router& router, std::shared_ptr<HealthState> state);

}  // namespace cairn::rpc
