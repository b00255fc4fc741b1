#include "cases.h"

#include <cstdio>
#include <cstdlib>
#include <future>

#include "call.h"
#include "service.h"
#include "test_service.pb.h"

namespace cairn::judged {

namespace {

using namespace std::chrono_literals;
using rpc::Compression;
using rpc::StreamOptions;

constexpr const char* kEmptyCall = "/grpc.testing.TestService/EmptyCall";
constexpr const char* kUnaryCall = "/grpc.testing.TestService/UnaryCall";
constexpr const char* kInputCall = "/grpc.testing.TestService/StreamingInputCall";
constexpr const char* kOutputCall = "/grpc.testing.TestService/StreamingOutputCall";
constexpr const char* kFullDuplexCall = "/grpc.testing.TestService/FullDuplexCall";
constexpr const char* kHalfDuplexCall = "/grpc.testing.TestService/HalfDuplexCall";
constexpr const char* kUnimplementedCall = "/grpc.testing.TestService/UnimplementedCall";
constexpr const char* kUnimplementedService = "/grpc.testing.UnimplementedService/UnimplementedCall";

constexpr int kLargeRequest = 271828;
constexpr int kLargeResponse = 314159;
constexpr int kRequestSizes[] = {27182, 8, 1828, 45904};
constexpr int kResponseSizes[] = {31415, 9, 2653, 58979};
constexpr auto kPatience = 20s;

#define DEMAND(condition, ...)                                                     \
  do {                                                                             \
    if (!(condition)) {                                                            \
      std::fprintf(stderr, "%s:%d: not so: %s: ", __FILE__, __LINE__, #condition); \
      std::fprintf(stderr, __VA_ARGS__);                                           \
      std::fprintf(stderr, "\n");                                                  \
      std::_Exit(1);                                                               \
    }                                                                              \
  } while (false)

void demand_status(const api::Status& status, api::Code code, const char* what) {
  DEMAND(status.code == code, "%s ended with %d (%s), not with %d", what, static_cast<int>(status.code),
         status.message.c_str(), static_cast<int>(code));
}

std::string zeros(int size) { return std::string(static_cast<size_t>(size), '\0'); }

template <class Response>
Response parsed(const std::optional<rpc::Payload>& message) {
  DEMAND(message.has_value(), "a message is missing");
  Response response;
  DEMAND(message->parse_into(response), "a message could not be parsed");
  return response;
}

// As the product calls: through Channel::call.
template <class Response>
std::pair<api::Status, Response> ask(Server& server, const std::string& method,
                                     const google::protobuf::MessageLite& request, const rpc::Metadata& metadata = {}) {
  std::promise<std::pair<api::Status, Response>> answer;
  server.loop.channel(server.address)
      ->call(
          method, rpc::Payload::serialize(request), kPatience,
          [&answer](api::Status status, rpc::Payload payload) {
            Response response;
            if (status.ok() && !payload.parse_into(response)) status = {api::Code::kInternal, "not parsed"};
            answer.set_value({std::move(status), std::move(response)});
          },
          metadata);
  return answer.get_future().get();
}

std::shared_ptr<Call> open(Server& server, const char* method, StreamOptions options = {}) {
  if (options.timeout == rpc::kNoTimeout) options.timeout = kPatience;
  return Call::open(*server.loop.channel(server.address), method, options);
}

SimpleRequest large_request() {
  SimpleRequest request;
  request.set_response_size(kLargeResponse);
  request.mutable_payload()->set_body(zeros(kLargeRequest));
  return request;
}

void demand_large(const SimpleResponse& response) {
  DEMAND(response.payload().body() == zeros(kLargeResponse), "the body has %zu bytes",
         response.payload().body().size());
}

void empty_unary(Server& server) {
  auto [status, response] = ask<Empty>(server, kEmptyCall, Empty());
  demand_status(status, api::Code::kOk, "the call");
  DEMAND(response.ByteSizeLong() == 0, "it is not empty");
}

void large_unary(Server& server) {
  auto [status, response] = ask<SimpleResponse>(server, kUnaryCall, large_request());
  demand_status(status, api::Code::kOk, "the call");
  demand_large(response);
}

void client_streaming(Server& server) {
  auto call = open(server, kInputCall);
  for (const int size : kRequestSizes) {
    StreamingInputCallRequest request;
    request.mutable_payload()->set_body(zeros(size));
    call->send(request);
  }
  call->end();
  const auto response = parsed<StreamingInputCallResponse>(call->next());
  DEMAND(response.aggregated_payload_size() == 74922, "it is %d", response.aggregated_payload_size());
  demand_status(call->status(), api::Code::kOk, "the call");
}

void demand_body(const std::optional<rpc::Payload>& message, int size) {
  const auto response = parsed<StreamingOutputCallResponse>(message);
  DEMAND(response.payload().body() == zeros(size), "the body has %zu bytes, not %d", response.payload().body().size(),
         size);
}

void server_streaming(Server& server) {
  StreamingOutputCallRequest request;
  for (const int size : kResponseSizes) request.add_response_parameters()->set_size(size);
  auto call = open(server, kOutputCall);
  call->send(request);
  call->end();
  for (const int size : kResponseSizes) demand_body(call->next(), size);
  DEMAND(!call->next(), "there is one message more");
  demand_status(call->status(), api::Code::kOk, "the call");
}

StreamingOutputCallRequest ping(size_t i) {
  StreamingOutputCallRequest request;
  request.add_response_parameters()->set_size(kResponseSizes[i]);
  request.mutable_payload()->set_body(zeros(kRequestSizes[i]));
  return request;
}

void ping_pong(Server& server) {
  auto call = open(server, kFullDuplexCall);
  for (size_t i = 0; i < std::size(kRequestSizes); ++i) {
    call->send(ping(i));
    demand_body(call->next(), kResponseSizes[i]);
  }
  call->end();
  DEMAND(!call->next(), "there is one message more");
  demand_status(call->status(), api::Code::kOk, "the call");
}

void half_duplex(Server& server) {
  auto call = open(server, kHalfDuplexCall);
  for (size_t i = 0; i < std::size(kRequestSizes); ++i) call->send(ping(i));
  call->end();
  for (const int size : kResponseSizes) demand_body(call->next(), size);
  demand_status(call->status(), api::Code::kOk, "the call");
}

void empty_stream(Server& server) {
  auto call = open(server, kFullDuplexCall);
  call->end();
  DEMAND(!call->next(), "there is a message");
  demand_status(call->status(), api::Code::kOk, "the call");
}

void client_compressed_unary(Server& server) {
  auto request = large_request();
  request.mutable_expect_compressed()->set_value(true);
  // A server that looks at it refuses what is not compressed.
  demand_status(ask<SimpleResponse>(server, kUnaryCall, request).first, api::Code::kInvalidArgument, "the probe");
  for (const auto compression : {Compression::kGzip, Compression::kDeflate}) {
    for (const bool is_compressed : {true, false}) {
      request.mutable_expect_compressed()->set_value(is_compressed);
      auto call = open(server, kUnaryCall, {.compression = compression});
      call->send(request, !is_compressed);
      call->end();
      // gzip is what every server has.
      if (auto message = call->next(); message || compression == Compression::kGzip)
        demand_large(parsed<SimpleResponse>(message));
      const auto status = call->status();
      demand_status(status,
                    compression == Compression::kDeflate && !status.ok() ? api::Code::kUnimplemented : api::Code::kOk,
                    "the call");
    }
  }
}

void client_compressed_streaming(Server& server) {
  StreamingInputCallRequest request;
  request.mutable_payload()->set_body(zeros(27182));
  request.mutable_expect_compressed()->set_value(true);
  {
    auto probe = open(server, kInputCall);
    probe->send(request);
    probe->end();
    demand_status(probe->status(), api::Code::kInvalidArgument, "the probe");
  }
  auto call = open(server, kInputCall, {.compression = Compression::kGzip});
  call->send(request);
  request.mutable_expect_compressed()->set_value(false);
  request.mutable_payload()->set_body(zeros(45904));
  call->send(request, true);
  call->end();
  DEMAND(parsed<StreamingInputCallResponse>(call->next()).aggregated_payload_size() == 73086, "the sum is wrong");
  demand_status(call->status(), api::Code::kOk, "the call");
}

void server_compressed_unary(Server& server) {
  for (const bool is_compressed : {true, false}) {
    auto request = large_request();
    request.mutable_response_compressed()->set_value(is_compressed);
    auto call = open(server, kUnaryCall);
    call->send(request);
    call->end();
    const auto message = call->next();
    demand_large(parsed<SimpleResponse>(message));
    DEMAND(message->came_compressed() == is_compressed, "compressed: %d", message->came_compressed());
    demand_status(call->status(), api::Code::kOk, "the call");
  }
}

void server_compressed_streaming(Server& server) {
  StreamingOutputCallRequest request;
  for (const auto& [size, is_compressed] : {std::pair(31415, true), std::pair(92653, false)}) {
    auto* parameters = request.add_response_parameters();
    parameters->set_size(size);
    parameters->mutable_compressed()->set_value(is_compressed);
  }
  auto call = open(server, kOutputCall);
  call->send(request);
  call->end();
  for (const auto& parameters : request.response_parameters()) {
    const auto message = call->next();
    demand_body(message, parameters.size());
    DEMAND(message->came_compressed() == parameters.compressed().value(), "compressed: %d", message->came_compressed());
  }
  demand_status(call->status(), api::Code::kOk, "the call");
}

void timeout_on_sleeping_server(Server& server) {
  auto call = open(server, kFullDuplexCall, {.timeout = 1ms});
  StreamingOutputCallRequest request;
  request.mutable_payload()->set_body(zeros(27182));
  auto* parameters = request.add_response_parameters();
  parameters->set_size(31415);
  parameters->set_interval_us(5'000'000);
  call->send(request);
  demand_status(call->status(), api::Code::kDeadlineExceeded, "the call");
}

void cancel_after_begin(Server& server) {
  auto call = open(server, kInputCall);
  call->cancel();
  demand_status(call->status(), api::Code::kCancelled, "the call");
}

void cancel_after_first_response(Server& server) {
  auto call = open(server, kFullDuplexCall);
  call->send(ping(0));
  demand_body(call->next(), kResponseSizes[0]);
  call->cancel();
  demand_status(call->status(), api::Code::kCancelled, "the call");
}

void status_code_and_message(Server& server) {
  const std::string text = "test status message";
  SimpleRequest unary;
  unary.mutable_response_status()->set_code(2);
  unary.mutable_response_status()->set_message(text);
  StreamingOutputCallRequest streaming;
  *streaming.mutable_response_status() = unary.response_status();
  auto status = ask<SimpleResponse>(server, kUnaryCall, unary).first;
  demand_status(status, api::Code::kUnknown, "the unary call");
  DEMAND(status.message == text, "%s", status.message.c_str());
  auto call = open(server, kFullDuplexCall);
  call->send(streaming);
  call->end();
  status = call->status();
  demand_status(status, api::Code::kUnknown, "the stream");
  DEMAND(status.message == text, "%s", status.message.c_str());
}

void special_status_message(Server& server) {
  const std::string text = "\t\ntest with whitespace\r\nand Unicode BMP \xe2\x98\xba and non-BMP \xf0\x9f\x98\x88\t\n";
  SimpleRequest request;
  request.mutable_response_status()->set_code(2);
  request.mutable_response_status()->set_message(text);
  const auto status = ask<SimpleResponse>(server, kUnaryCall, request).first;
  demand_status(status, api::Code::kUnknown, "the call");
  DEMAND(status.message == text, "%s", status.message.c_str());
}

bool has(const rpc::Metadata& metadata, const std::pair<std::string, std::string>& entry) {
  return std::find(metadata.begin(), metadata.end(), entry) != metadata.end();
}

void custom_metadata(Server& server) {
  const rpc::Metadata metadata = {{kEchoInitial, "test_initial_metadata_value"}, {kEchoTrailing, "\xab\xab\xab"}};
  const auto check = [&](Call& call) {
    demand_status(call.status(), api::Code::kOk, "the call");
    DEMAND(has(call.headers(), metadata[0]), "the headers lack what should be echoed");
    DEMAND(has(call.trailers(), metadata[1]), "the trailers lack what should be echoed");
  };
  auto unary = open(server, kUnaryCall, {.metadata = metadata});
  unary->send(large_request());
  unary->end();
  demand_large(parsed<SimpleResponse>(unary->next()));
  check(*unary);
  auto stream = open(server, kFullDuplexCall, {.metadata = metadata});
  stream->send(ping(0));
  demand_body(stream->next(), kResponseSizes[0]);
  stream->end();
  check(*stream);
}

void unimplemented_method(Server& server) {
  demand_status(ask<Empty>(server, kUnimplementedCall, Empty()).first, api::Code::kUnimplemented, "the call");
}

void unimplemented_service(Server& server) {
  demand_status(ask<Empty>(server, kUnimplementedService, Empty()).first, api::Code::kUnimplemented, "the call");
}

void orca_per_rpc(Server& server) {
  SimpleRequest request;
  auto* report = request.mutable_orca_per_query_report();
  report->set_cpu_utilization(0.8210);
  report->set_memory_utilization(0.5847);
  (*report->mutable_request_cost())["cost"] = 3456.32;
  (*report->mutable_utilization())["util"] = 0.30499;
  auto call = open(server, kUnaryCall);
  call->send(request);
  call->end();
  demand_status(call->status(), api::Code::kOk, "the call");
  OrcaLoadReport seen;
  for (const auto& [name, value] : call->trailers()) {
    if (name == kOrcaTrailer) DEMAND(seen.ParseFromString(value), "the report could not be parsed");
  }
  DEMAND(seen.cpu_utilization() == 0.8210 && seen.mem_utilization() == 0.5847 &&
             seen.request_cost().at("cost") == 3456.32 && seen.utilization().at("util") == 0.30499,
         "the report is another: %s", seen.ShortDebugString().c_str());
}

// Many calls on one connection, on eight threads.
void rpc_soak(Server& server) {
  std::vector<std::future<void>> all;
  for (int thread = 0; thread < 8; ++thread) {
    all.push_back(std::async(std::launch::async, [&server] {
      for (int i = 0; i < 25; ++i) large_unary(server);
    }));
  }
  for (auto& one : all) one.get();
}

// Another connection for each call.
void channel_soak(Server& server) {
  for (int i = 1; i <= 50; ++i) {
    std::promise<api::Status> ended;
    server.loop.channel(server.address, i)
        ->call(kUnaryCall, rpc::Payload::serialize(large_request()), kPatience,
               [&ended](api::Status status, rpc::Payload) { ended.set_value(std::move(status)); });
    demand_status(ended.get_future().get(), api::Code::kOk, "the call");
  }
}

}  // namespace

const std::map<std::string, std::function<void(Server&)>>& cases() {
#define CASE(name) {#name, name}
  static const std::map<std::string, std::function<void(Server&)>> all = {
      CASE(empty_unary),
      CASE(large_unary),
      CASE(client_streaming),
      CASE(server_streaming),
      CASE(ping_pong),
      CASE(half_duplex),
      CASE(empty_stream),
      CASE(client_compressed_unary),
      CASE(client_compressed_streaming),
      CASE(server_compressed_unary),
      CASE(server_compressed_streaming),
      CASE(timeout_on_sleeping_server),
      CASE(cancel_after_begin),
      CASE(cancel_after_first_response),
      CASE(status_code_and_message),
      CASE(special_status_message),
      CASE(custom_metadata),
      CASE(unimplemented_method),
      CASE(unimplemented_service),
      CASE(orca_per_rpc),
      CASE(rpc_soak),
      CASE(channel_soak),
  };
#undef CASE
  return all;
}

}  // namespace cairn::judged
