// What gRPC writes into HTTP/2's headers (its "PROTOCOL-HTTP2" document): timeouts, messages of a status, metadata.
// Pure. Tests: grpc_wire_test.cc.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "api/status.h"
#include "base/time.h"

namespace cairn::rpc {

// "100m" is 100 ms. Nothing if it is no timeout.
std::optional<Duration> parse_timeout(std::string_view text);
// Rounded up to what eight digits can say.
std::string show_timeout(Duration timeout);

// A status message as "grpc-message" has it: other than printable ASCII is written as %XX.
std::string percent_encode(std::string_view text);
std::string percent_decode(std::string_view text);

// Whether a content-type is gRPC's, with or without a message format ("application/grpc+proto"). gRPC-Web is another.
bool is_grpc(std::string_view content_type);

// Whether a value of metadata under that name goes as base64 ("...-bin").
bool is_binary_name(std::string_view name);
// Without padding.
std::string base64_encode(std::string_view bytes);
// Nothing if it is no base64, with or without padding.
std::optional<std::string> base64_decode(std::string_view text);

// What a call ended with if the answer was no gRPC at all, from its HTTP status.
api::Code code_of_http(int status);
// What a reset stream means to its call.
api::Code code_of_reset(uint32_t http2_error);

}  // namespace cairn::rpc
