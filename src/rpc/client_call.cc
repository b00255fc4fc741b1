#include "rpc/client_call.h"

#include <charconv>
#include <limits>

#include "rpc/channel.h"
#include "rpc/grpc_wire.h"

namespace cairn::rpc {

namespace {

constexpr std::string_view kTooLate = "the deadline has passed";
// A server that refuses again and again is not asked for ever.
constexpr int kStartsMax = 3;
constexpr size_t kMessageMax = std::numeric_limits<int>::max();  // as protobuf has it

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

}  // namespace

ClientCall::ClientCall(CallHead head) : head_(std::move(head)), reader_(kMessageMax) { set_deadline(head_.deadline); }

bool ClientCall::start(net::Http2Connection& connection) {
  ++starts_;
  std::vector<net::HeaderView> headers = {{":method", "POST"},     {":scheme", head_.scheme},
                                          {":path", head_.method}, {":authority", head_.authority},
                                          {"te", "trailers"},      {"content-type", "application/grpc"},
                                          {"user-agent", "cairn"}, {"grpc-accept-encoding", "identity,deflate,gzip"}};
  std::string timeout;
  if (head_.deadline != net::Deadlines::kNone) {
    timeout = show_timeout(head_.deadline - std::chrono::steady_clock::now());
    headers.push_back({"grpc-timeout", timeout});
  }
  if (head_.compression != Compression::kIdentity) headers.push_back({"grpc-encoding", name_of(head_.compression)});
  std::vector<std::string> text;
  show_metadata(head_.metadata, text, headers);
  if (!connection.request(shared_from_this(), headers)) return false;
  on_started();
  return true;
}

void ClientCall::send_message(const Payload& message) {
  auto frame = frame_message(message, head_.compression);
  send(std::string_view(frame.prefix.data(), frame.prefix.size()));
  send(std::move(frame.message));
}

void ClientCall::fail(api::Status status) {
  if (std::exchange(is_over_, true)) return;
  const auto held = shared_from_this();
  reset(net::Http2Error::kCancel);
  on_over(std::move(status));
}

void ClientCall::on_header(std::string_view name, std::string_view value) {
  if (name == ":status") {
    http_status_ = value;
  } else if (name == "content-type") {
    content_type_ = value;
  } else if (name == "grpc-encoding") {
    encoding_ = value;
  } else if (name == "grpc-status") {
    const auto number = parse_number<int>(value);
    constexpr int kCodes = 17;
    code_ = number && *number >= 0 && *number < kCodes ? static_cast<api::Code>(*number) : api::Code::kUnknown;
  } else if (name == "grpc-message") {
    text_ = percent_decode(value);
  } else {
    take_metadata(name, value, metadata_);
  }
}

void ClientCall::on_headers_end() {
  if (std::exchange(has_headers_, true) || is_over_ || code_) return;
  if (http_status_.starts_with('1')) {  // an interim answer; the headers are still to come
    has_headers_ = false;
    metadata_.clear();
    return;
  }
  if (http_status_ != "200") {
    return fail({code_of_http(parse_number<int>(http_status_).value_or(0)),
                 "the server answers with HTTP status " + http_status_});
  }
  if (!is_grpc(content_type_)) {
    return fail({api::Code::kUnknown, "the server answers with content-type '" + content_type_ + "'"});
  }
  const auto compression = compression_named(encoding_);
  if (!compression) return fail({api::Code::kInternal, "grpc-encoding '" + encoding_ + "' is not known"});
  reader_.set_compression(*compression);
  on_headers(std::exchange(metadata_, {}));
}

void ClientCall::on_data(net::Slice data) {
  consume(data.size);
  if (is_over_) return;
  auto status = reader_.feed(data, [this](Payload packed) {
    if (is_over_) return;
    auto message = reader_.unpack(std::move(packed));
    if (!message.ok()) return fail(std::move(message).error());
    on_message(std::move(*message));
  });
  if (!status.ok()) fail(std::move(status));
}

void ClientCall::on_end() {
  if (is_over_) return;
  if (code_ == api::Code::kOk && !reader_.is_between_messages()) {
    return fail({api::Code::kInternal, "the answer ends within a message"});
  }
  if (code_) {
    on_trailers(std::move(metadata_));
    if (std::exchange(is_over_, true)) return;
    on_over({*code_, std::move(text_)});
    // The server has said all that it had to say; what we would still send is of no use.
    if (unsent() > 0) {
      reset(net::Http2Error::kNone);
    } else {
      end();
    }
  } else {
    fail({api::Code::kInternal, "the stream ended without a status"});
  }
}

void ClientCall::on_deadline() { fail({api::Code::kDeadlineExceeded, std::string(kTooLate)}); }

bool ClientCall::start_again() {
  const auto way = way_.lock();
  if (!way || !is_unprocessed() || has_headers_ || !may_start_again() || starts_ >= kStartsMax) return false;
  way->start_soon(std::static_pointer_cast<ClientCall>(shared_from_this()));
  return true;
}

void ClientCall::on_closed(net::Http2Error error, std::string_view why) {
  if (is_over_ || start_again()) return;
  is_over_ = true;
  if (!why.empty() && error == net::Http2Error::kCancel) return on_over({api::Code::kCancelled, std::string(why)});
  if (!why.empty()) return on_over({api::Code::kUnavailable, "the connection is lost: " + std::string(why)});
  // The server's clock may be the first to say it.
  if (error == net::Http2Error::kCancel && head_.deadline <= std::chrono::steady_clock::now()) {
    return on_over({api::Code::kDeadlineExceeded, std::string(kTooLate)});
  }
  on_over({code_of_reset(static_cast<uint32_t>(error)), "the stream was reset"});
}

}  // namespace cairn::rpc
