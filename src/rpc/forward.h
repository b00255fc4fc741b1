// Calls that a client sends by way of one member of PD to another that it cannot reach: the metadata
// `pd-forwarded-host` names that one's client URL. They are passed on as they are, answers likewise, one message at a
// time in each direction. Whoever takes too little of the answers is refused. Tests: forward_test.cc,
// tests/process/members_test.go.
#pragma once

#include <functional>
#include <string>

#include "rpc/client.h"
#include "rpc/server_stream.h"

namespace cairn::rpc {

enum class ForwardTo { kSelf, kOther, kUnknown };

// The routes of `router`, with calls for others passed on through `loop`, which must outlive the server and run on the
// server's loop. `judge` says whose URL it is: to strangers nothing is passed on.
Router with_forwarding(const Router& router, ClientLoop& loop, std::function<ForwardTo(const std::string& url)> judge);

}  // namespace cairn::rpc
