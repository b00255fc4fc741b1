// A failed call inside BatchCommands, told by means of its own response message: the wire has no other way.
// Tests: services_test.cc.
#pragma once

#include "api/status.h"
#include "tikvpb.pb.h"

namespace cairn::rpc {

// Makes `response` the one that belongs to the oneof number of `request` (empty), and returns true; false if the
// request names no command.
bool make_matching_response(const tikvpb::BatchCommandsRequest::Request& request,
                            tikvpb::BatchCommandsResponse::Response& response);

// Writes `status` into the response's command message, which must be set:
//   RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED: region_error.server_is_busy (the client backs off and asks again);
//   others: the message's own error text if it has one (error, other_error), else a KeyError with `abort`, else a
//   region_error with nothing but a message.
void put_error(const api::Status& status, tikvpb::BatchCommandsResponse::Response& response);

}  // namespace cairn::rpc
