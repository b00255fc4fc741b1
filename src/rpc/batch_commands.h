// tikvpb.Tikv/BatchCommands: one long stream of many requests, answered in any order by id. Most clients send nearly
// all that they ask this way, so its cost decides the server's.
//
//   message ─ parsed in one arena ─▶ one api::Call per sub-request ─▶ finished on any thread ─▶ waiting answers
//   waiting answers ─ one write outstanding; all that finished meanwhile go into the next message ─▶ client
//
// An answer stays in the arena of the message that asked; an arena dies with the last of its answers sent. Each id is
// answered exactly once. There is no error channel per request, so a failed call becomes an error inside its response
// (batch_errors.h), but for INVALID_ARGUMENT (a wrong cluster) and UNAVAILABLE (the outcome is unknown: only a failed
// stream tells the client so), which end the stream.
//
// Beside the answers a message says now and then how the store is (kvrpcpb.HealthFeedback). Tests:
// batch_commands_test.cc, services_test.cc.
#pragma once

#include <memory>

#include "api/tikv.h"
#include "rpc/server_stream.h"
#include "rpc/services.h"

namespace cairn::rpc {

// Registers the method. `tikv` must outlive the server.
void serve_batch_commands(Router& router, api::Tikv& tikv, TikvServiceOptions options);

}  // namespace cairn::rpc
