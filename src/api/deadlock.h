// The service `deadlock.Deadlock` as a C++ interface: stores tell the one that leads the region with the first key who
// waits for whom, and hear from it of waits that close a cycle.
#pragma once

#include <functional>
#include <memory>

#include "api/call.h"
#include "deadlock.pb.h"

namespace cairn::api {

// One store's stream of waits, the store's end; it closes the stream when it dies. What is sent may be lost when the
// stream breaks.
class DeadlockStream {
 public:
  virtual ~DeadlockStream() = default;
  virtual void send(deadlock::DeadlockRequest request) = 0;
};

// The sink of the other end's answers; only cycles are answered. Called on any thread. `on_closed` is called once, when
// no more will come.
struct DeadlockSink {
  std::function<void(deadlock::DeadlockResponse)> on_response;
  std::function<void(Status)> on_closed;
};

class Deadlock {
 public:
  virtual ~Deadlock() = default;
  // Who waits for locks on this store.
  virtual void get_wait_for_entries(Call<deadlock::WaitForEntriesRequest, deadlock::WaitForEntriesResponse> call) = 0;
  // FAILED_PRECONDITION closes the stream: the graph is elsewhere.
  virtual std::unique_ptr<DeadlockStream> open_detect(DeadlockSink sink) = 0;
};

}  // namespace cairn::api
