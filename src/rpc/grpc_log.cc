#include "rpc/grpc_log.h"

#include <absl/synchronization/mutex.h>
#include <grpc/support/log.h>

#include "base/log.h"

namespace cairn::rpc {

void adopt_grpc_log() {
  // Debian's abseil looks for deadlocks at each lock that gRPC takes.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // Its errors are mostly about connections that failed, which the callers report in their own words: so one level
  // down.
  gpr_set_log_function([](gpr_log_func_args* args) {
    if (args->severity == GPR_LOG_SEVERITY_ERROR) {
      LOG_INFO("grpc: {}", args->message);
    } else {
      LOG_DEBUG("grpc: {}", args->message);
    }
  });
}

}  // namespace cairn::rpc
