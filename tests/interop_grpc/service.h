// gRPC's test service on our server, for foreign clients to judge. Everything on one loop's thread.
#pragma once

#include <memory>

#include "net/loop.h"
#include "rpc/server_stream.h"

namespace cairn::judged {

// What echoes, and what is echoed.
constexpr const char* kEchoInitial = "x-grpc-test-echo-initial";
constexpr const char* kEchoTrailing = "x-grpc-test-echo-trailing-bin";
constexpr const char* kEchoBoth = "google.protobuf.stringvalue-bin";  // grpc-java's own, in headers and trailers
constexpr const char* kOrcaTrailer = "endpoint-load-metrics-bin";

void serve_test_service(rpc::Router& router, const std::shared_ptr<net::Loop>& loop);

}  // namespace cairn::judged
