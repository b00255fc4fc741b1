#include "service.h"

#include <deque>
#include <string>
#include <utility>

#include "test_service.pb.h"

namespace cairn::judged {

namespace {

using rpc::Compression;
using rpc::ServerStream;
using Stream = std::shared_ptr<ServerStream>;
using OobReport = std::shared_ptr<OrcaLoadReport>;

void fill(int size, Payload& payload) { payload.set_body(std::string(static_cast<size_t>(size), '\0')); }

api::Status status_of(const EchoStatus& echo) { return {static_cast<api::Code>(echo.code()), echo.message()}; }

void echo_metadata(ServerStream& stream, rpc::Metadata& trailers) {
  rpc::Metadata headers;
  for (const char* name : {kEchoInitial, kEchoBoth}) {
    if (auto value = stream.metadata(name); !value.empty()) headers.emplace_back(name, std::move(value));
  }
  if (!headers.empty()) stream.send_headers(std::move(headers));
  for (const char* name : {kEchoTrailing, kEchoBoth}) {
    if (auto value = stream.metadata(name); !value.empty()) trailers.emplace_back(name, std::move(value));
  }
  stream.set_trailers(trailers);
}

api::Status not_as_expected(bool came_compressed) {
  return {api::Code::kInvalidArgument, came_compressed ? "the message is compressed" : "the message is not compressed"};
}

OrcaLoadReport orca_of(const LoadReport& report) {
  OrcaLoadReport out;
  out.set_cpu_utilization(report.cpu_utilization());
  out.set_mem_utilization(report.memory_utilization());
  *out.mutable_request_cost() = report.request_cost();
  *out.mutable_utilization() = report.utilization();
  return out;
}

template <class Message>
bool parse(ServerStream& stream, const rpc::Payload& payload, Message& message) {
  if (payload.parse_into(message)) return true;
  stream.finish({api::Code::kInternal, "the message could not be parsed"});
  return false;
}

class Unary final : public rpc::StreamEvents {
 public:
  explicit Unary(Stream stream) : stream_(std::move(stream)) { echo_metadata(*stream_, trailers_); }

  void on_message(rpc::Payload message) override {
    SimpleRequest request;
    if (!parse(*stream_, message, request)) return;
    if (request.has_expect_compressed() && request.expect_compressed().value() != message.came_compressed()) {
      return stream_->finish(not_as_expected(message.came_compressed()));
    }
    if (request.response_status().code() != 0) return stream_->finish(status_of(request.response_status()));
    if (request.has_orca_per_query_report()) {
      trailers_.emplace_back(kOrcaTrailer, orca_of(request.orca_per_query_report()).SerializeAsString());
      stream_->set_trailers(trailers_);
    }
    if (request.response_compressed().value()) stream_->compress(Compression::kGzip);
    SimpleResponse response;
    if (request.fill_server_id()) response.set_server_id("cairn");
    fill(request.response_size(), *response.mutable_payload());
    stream_->write_and_finish(rpc::Payload::serialize(response));
  }
  void on_read_end() override { stream_->finish({api::Code::kInternal, "a unary call without a request"}); }

 private:
  const Stream stream_;
  rpc::Metadata trailers_;
};

class EmptyUnary final : public rpc::StreamEvents {
 public:
  explicit EmptyUnary(Stream stream) : stream_(std::move(stream)) { echo_metadata(*stream_, trailers_); }
  void on_message(rpc::Payload) override { stream_->write_and_finish(rpc::Payload::serialize(Empty())); }

 private:
  const Stream stream_;
  rpc::Metadata trailers_;
};

class Input final : public rpc::StreamEvents {
 public:
  explicit Input(Stream stream) : stream_(std::move(stream)) { echo_metadata(*stream_, trailers_); }

  void on_message(rpc::Payload message) override {
    StreamingInputCallRequest request;
    if (!parse(*stream_, message, request)) return;
    if (request.has_expect_compressed() && request.expect_compressed().value() != message.came_compressed()) {
      return stream_->finish(not_as_expected(message.came_compressed()));
    }
    size_ += static_cast<int>(request.payload().body().size());
    stream_->read();
  }
  void on_read_end() override {
    StreamingInputCallResponse response;
    response.set_aggregated_payload_size(size_);
    stream_->write_and_finish(rpc::Payload::serialize(response));
  }

 private:
  const Stream stream_;
  rpc::Metadata trailers_;
  int size_ = 0;
};

// Answers as it is told to: to the one request, to each when it comes, or to all when the last is here.
enum class When { kOnce, kEach, kAtEnd };

class Output final : public rpc::StreamEvents, public std::enable_shared_from_this<Output> {
 public:
  Output(Stream stream, When when, std::shared_ptr<net::Loop> loop, OobReport report)
      : stream_(std::move(stream)), when_(when), loop_(std::move(loop)), report_(std::move(report)) {
    echo_metadata(*stream_, trailers_);
  }

  void on_message(rpc::Payload message) override {
    StreamingOutputCallRequest request;
    if (!parse(*stream_, message, request)) return;
    if (request.response_status().code() != 0) return stream_->finish(status_of(request.response_status()));
    if (request.has_orca_oob_report()) *report_ = orca_of(request.orca_oob_report());
    for (auto& parameters : *request.mutable_response_parameters()) {
      if (parameters.compressed().value()) stream_->compress(Compression::kGzip);
      waiting_.push_back(std::move(parameters));
    }
    if (when_ == When::kAtEnd) return stream_->read();
    has_ended_ = when_ == When::kOnce;
    go_on();
  }
  void on_read_end() override {
    has_ended_ = true;
    go_on();
  }
  void on_write_done() override { go_on(); }
  void on_closed() override { is_closed_ = true; }

 private:
  void go_on() {
    if (is_closed_) return;
    if (waiting_.empty() && has_ended_) return stream_->finish({});
    if (waiting_.empty()) return stream_->read();
    if (waiting_.front().interval_us() == 0) return send();
    loop_->after(std::chrono::microseconds(waiting_.front().interval_us()),
                 [self = shared_from_this()] { self->send(); });
  }
  void send() {
    if (is_closed_) return;
    StreamingOutputCallResponse response;
    fill(waiting_.front().size(), *response.mutable_payload());
    auto message = rpc::Payload::serialize(response);
    if (!waiting_.front().compressed().value()) message.keep_plain();
    waiting_.pop_front();
    stream_->write(std::move(message));
  }

  const Stream stream_;
  const When when_;
  const std::shared_ptr<net::Loop> loop_;
  const OobReport report_;
  rpc::Metadata trailers_;
  std::deque<ResponseParameters> waiting_;
  bool has_ended_ = false;  // of the requests
  bool is_closed_ = false;
};

// Says the last report out of band again and again.
class Orca final : public rpc::StreamEvents, public std::enable_shared_from_this<Orca> {
 public:
  Orca(Stream stream, std::shared_ptr<net::Loop> loop, OobReport report)
      : stream_(std::move(stream)), loop_(std::move(loop)), report_(std::move(report)) {}

  void on_message(rpc::Payload message) override {
    OrcaLoadReportRequest request;
    if (!parse(*stream_, message, request)) return;
    interval_ = std::chrono::seconds(request.report_interval().seconds()) +
                std::chrono::nanoseconds(request.report_interval().nanos());
    interval_ = std::max<Duration>(interval_, 100ms);
    say();
  }
  void on_write_done() override {
    loop_->after(interval_, [self = shared_from_this()] { self->say(); });
  }
  void on_closed() override { is_closed_ = true; }

 private:
  void say() {
    if (!is_closed_) stream_->write(rpc::Payload::serialize(*report_));
  }

  const Stream stream_;
  const std::shared_ptr<net::Loop> loop_;
  const OobReport report_;
  Duration interval_{};
  bool is_closed_ = false;
};

template <class Make>
void add(rpc::Router& router, const std::string& method, rpc::Router::Kind kind, Make make) {
  router.add(method, kind, [make](Stream stream) {
    stream->attach(make(stream));
    stream->read();
  });
}

}  // namespace

void serve_test_service(rpc::Router& router, const std::shared_ptr<net::Loop>& loop) {
  constexpr auto kUnary = rpc::Router::Kind::kUnary;
  constexpr auto kStream = rpc::Router::Kind::kStream;
  const std::string service = "/grpc.testing.TestService/";
  const auto report = std::make_shared<OrcaLoadReport>();
  add(router, service + "EmptyCall", kUnary, [](Stream stream) { return std::make_shared<EmptyUnary>(stream); });
  for (const char* name : {"UnaryCall", "CacheableUnaryCall"}) {
    add(router, service + name, kUnary, [](Stream stream) { return std::make_shared<Unary>(stream); });
  }
  add(router, service + "StreamingInputCall", kStream, [](Stream stream) { return std::make_shared<Input>(stream); });
  for (const auto& [name, when] :
       {std::pair("StreamingOutputCall", When::kOnce), std::pair("FullDuplexCall", When::kEach),
        std::pair("HalfDuplexCall", When::kAtEnd)}) {
    add(router, service + name, kStream,
        [when, loop, report](Stream stream) { return std::make_shared<Output>(stream, when, loop, report); });
  }
  add(router, "/xds.service.orca.v3.OpenRcaService/StreamCoreMetrics", kStream,
      [loop, report](Stream stream) { return std::make_shared<Orca>(stream, loop, report); });
}

}  // namespace cairn::judged
