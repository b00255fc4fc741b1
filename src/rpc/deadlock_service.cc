// deadlock.Deadlock: who waits for whom on this store, and the stream by which other stores tell of their waits. Tests:
// deadlock_service_test.cc.
#include "rpc/push_stream.h"
#include "rpc/services.h"
#include "rpc/unary.h"

namespace cairn::rpc {

void serve_deadlock(Router& router, api::Deadlock& deadlock) {
  add_unary<deadlock::WaitForEntriesRequest, deadlock::WaitForEntriesResponse>(
      router, "/deadlock.Deadlock/GetWaitForEntries",
      [&deadlock](api::Call<deadlock::WaitForEntriesRequest, deadlock::WaitForEntriesResponse> call) {
        deadlock.get_wait_for_entries(std::move(call));
      });
  using Detect = PushStream<deadlock::DeadlockRequest, deadlock::DeadlockResponse, api::DeadlockStream>;
  add_push<Detect>(router, "/deadlock.Deadlock/Detect", [&deadlock](Detect::Sink sink) {
    return deadlock.open_detect({std::move(sink.on_response), std::move(sink.on_closed)});
  });
}

}  // namespace cairn::rpc
