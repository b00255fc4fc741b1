// gRPC writes a log of its own to standard error; this turns it into ours.
#pragma once

namespace cairn::rpc {

// From now on what gRPC has to say goes to our log, and its locks are not searched for deadlocks. Idempotent.
void adopt_grpc_log();

}  // namespace cairn::rpc
