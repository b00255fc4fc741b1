#include "rpc/server_call.h"

#include <algorithm>
#include <cctype>
#include <utility>

#include "base/check.h"
#include "rpc/grpc_wire.h"

namespace cairn::rpc {

namespace {

constexpr std::string_view kContentType = "application/grpc";
constexpr std::string_view kEncodings = "identity,deflate,gzip";
// What a message takes beside its bytes while it waits: a peer may send millions of empty ones.
constexpr size_t kMessageCost = 64;
// Of plain HTTP, of all connections, until their answers are taken: pages are large, and nobody needs many.
constexpr size_t kPlainMax = 128;

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

}  // namespace

ServerCall::ServerCall(std::shared_ptr<ServerCalls> calls, std::shared_ptr<net::Loop> loop, std::string peer,
                       size_t message_bytes_max, std::shared_ptr<ConnectionAnswers> answers)
    : calls_(std::move(calls)),
      loop_(std::move(loop)),
      peer_(std::move(peer)),
      answers_(std::move(answers)),
      reader_(message_bytes_max) {}

template <class What>
void ServerCall::on_loop(What what) {
  // What another thread asked for earlier goes first.
  if (loop_->is_current() && posted_ == 0) return what();
  ++posted_;
  loop_->post([held = self(), what = std::move(what)]() mutable {
    --held->posted_;
    what();
  });
}

void ServerCall::attach(std::shared_ptr<StreamEvents> events) { events_ = std::move(events); }

void ServerCall::read() {
  on_loop([this] { read_now(); });
}

bool ServerCall::write(Payload message) {
  if (is_over_) return false;
  on_loop([this, message = std::move(message)]() mutable { write_now(std::move(message)); });
  return true;
}

void ServerCall::finish(api::Status status) {
  on_loop([this, status = std::move(status)]() mutable { finish_now(std::move(status), std::nullopt); });
}

void ServerCall::write_and_finish(Payload message) {
  on_loop([this, message = std::move(message)]() mutable { finish_now({}, std::move(message)); });
}

void ServerCall::send_headers(Metadata metadata) {
  on_loop([this, metadata = std::move(metadata)] {
    if (!is_over_) answer_begins(metadata);
  });
}

void ServerCall::set_trailers(Metadata metadata) {
  on_loop([this, metadata = std::move(metadata)]() mutable { trailers_ = std::move(metadata); });
}

void ServerCall::begin_with_room(uint32_t values, absl::AnyInvocable<void()> begin) {
  CHECK(!place_, "a call of {} is begun twice", method_);
  if (is_over_) return;
  place_ = std::make_shared<ConnectionAnswers::Place>(answers_, values, std::move(begin));
  answers_->enter(std::shared_ptr(place_));  // the call may end meanwhile, and its place with it
}

void ServerCall::compress(Compression compression) {
  on_loop([this, compression] {
    if (has_answered_ || !accepts(accepted_encodings_, compression)) return;
    compression_ = compression;
    compress_from_ = 0;
  });
}

std::string ServerCall::metadata(std::string_view key) const {
  for (const auto& [name, value] : metadata_) {
    if (name == key) return value;
  }
  return "";
}

void ServerCall::on_header(std::string_view name, std::string_view value) {
  if (route_ != nullptr || is_begun_) return;  // trailers say nothing to us
  if (name == ":path") {
    method_ = value;
  } else if (name == ":method") {
    http_method_ = value;
  } else if (name == "content-type") {
    content_type_ = value;
  } else if (name == "grpc-timeout") {
    timeout_ = value;
  } else if (name == "grpc-encoding") {
    encoding_ = value;
  } else if (name == "grpc-accept-encoding") {
    accepted_encodings_ = value;
  } else {
    take_metadata(name, value, metadata_);
  }
}

void ServerCall::on_headers_end() {
  if (!is_begun_) begin_call();
}

void ServerCall::begin_call() {
  route_ = calls_->router().find(method_);
  is_begun_ = true;
  calls_->on_call_begun(self(), route_);
  if (http_method_ != "POST" || !is_grpc(content_type_)) return begin_plain();
  if (timeout_) {
    const auto timeout = parse_timeout(*timeout_);
    if (!timeout) return finish_now({api::Code::kInternal, "grpc-timeout is '" + *timeout_ + "'"}, std::nullopt);
    constexpr Duration kForEver = std::chrono::hours(24 * 365);
    if (*timeout < kForEver) set_deadline(std::chrono::steady_clock::now() + *timeout);
  }
  const auto compression = compression_named(encoding_);
  if (!compression) {
    return finish_now({api::Code::kUnimplemented, "grpc-encoding '" + encoding_ + "' is not known"}, std::nullopt);
  }
  reader_.set_compression(*compression);
  const auto& ours = calls_->answer_compression();
  if (ours.compression != Compression::kIdentity && accepts(accepted_encodings_, ours.compression)) {
    compression_ = ours.compression;
    compress_from_ = ours.message_bytes_min;
  }
  if (route_ == nullptr) {
    return finish_now({api::Code::kUnimplemented, "unknown method " + method_}, std::nullopt);
  }
  route_->handler(self());
}

void ServerCall::begin_plain() {
  is_finishing_ = true;
  is_over_ = true;
  http::Request& request = plain_.emplace();
  request.method = http_method_;
  const size_t query = std::min(method_.find('?'), method_.size());
  request.path = method_.substr(0, query);
  request.query = method_.substr(std::min(query + 1, method_.size()));
  request.headers = metadata_;
  if (!content_type_.empty()) request.headers.emplace_back("content-type", content_type_);
  request.peer = peer_;
}

void ServerCall::on_plain_data(const net::Slice& data) {
  consume(data.size);
  if (!plain_) return;
  if (plain_->body.size() + data.size > http::Limits().body_bytes_max) {
    plain_.reset();
    return answer_plain({.status = 413, .body = "the request is too large\n", .headers = {}});
  }
  plain_->body += data.view();
  if (account()) return;
  plain_.reset();
  answer_plain({.status = 503, .body = "the server holds too many requests that are not complete\n", .headers = {}});
}

void ServerCall::serve_plain() {
  http::Request request = std::move(*plain_);
  plain_.reset();
  static_cast<void>(account());  // it only falls here
  if (route_ != nullptr && http_method_ != "POST") {
    return answer_plain({.status = 405, .body = "gRPC is spoken here: only POST is served", .headers = {}});
  }
  if (route_ != nullptr) {
    return answer_plain({.status = 415, .body = "the content-type is not application/grpc", .headers = {}});
  }
  is_plain_counted_ = true;
  if (++calls_->plain_requests() > kPlainMax) {
    return answer_plain({.status = 503, .body = "too many requests at once\n", .headers = {}});
  }
  calls_->http().serve(std::move(request), http::Responder([held = self()](http::Response response) {
                         held->on_loop([held, response = std::move(response)] { held->answer_plain(response); });
                       }));
}

void ServerCall::answer_plain(const http::Response& response) {
  if (!is_open()) return;
  const std::string status = std::to_string(response.status);
  const std::string size = std::to_string(response.body.size());
  std::vector<net::HeaderView> headers = {
      {":status", status}, {"content-type", response.content_type}, {"content-length", size}};
  std::deque<std::string> names;
  for (const auto& [name, value] : response.headers) {
    headers.push_back({names.emplace_back(lower_case(name)), value});
  }
  if (http_method_ == "HEAD" || response.body.empty()) return respond(headers, true);
  respond(headers);
  send(response.body);
  end();
}

void ServerCall::on_data(net::Slice data) {
  const size_t size = data.size;
  if (is_finishing_) return on_plain_data(data);
  auto status = reader_.feed(data, [this](Payload message) {
    // What is not taken at once must not hold the room that was read into.
    if (!wants_message_ || !messages_.empty()) message.detach();
    messages_bytes_ += message.size() + kMessageCost;
    messages_.push_back(std::move(message));
  });
  if (messages_.empty()) {
    consume(size);
  } else {
    owed_ += size;
  }
  deliver();
  if (!status.ok()) return finish_now(std::move(status), std::nullopt);
  if (!account()) {
    finish_now({api::Code::kResourceExhausted, "the server holds too many requests that are not complete"},
               std::nullopt);
  }
}

bool ServerCall::account(size_t unpacked) {
  const size_t plain = plain_ ? plain_->body.size() : 0;
  return calls_->receive_budget().set(held_, reader_.held() + messages_bytes_ + plain + unpacked);
}

void ServerCall::let_go() {
  messages_.clear();
  messages_bytes_ = 0;
  plain_.reset();
  reader_.drop();
  consume(std::exchange(owed_, 0));
  static_cast<void>(account());  // it only falls here
}

void ServerCall::on_end() {
  has_ended_ = true;
  if (plain_) return serve_plain();
  if (!reader_.is_between_messages() && !is_finishing_) {
    return finish_now({api::Code::kInternal, "the request ends within a message"}, std::nullopt);
  }
  deliver();
}

void ServerCall::read_now() {
  if (is_over_) return;
  CHECK(!wants_message_, "a second read on {} while one is outstanding", method_);
  wants_message_ = true;
  if (is_delivering_ || (messages_.empty() && !has_ended_)) return;
  // Not from within the caller's call: it may hold a lock that its own event takes.
  loop_->post([held = self()] { held->deliver(); });
}

void ServerCall::deliver() {
  if (is_delivering_) return;
  is_delivering_ = true;
  while (wants_message_ && events_ && !is_over_) {
    const auto events = events_;
    if (!messages_.empty()) {
      wants_message_ = false;
      if (auto message = take_message()) events->on_message(std::move(*message));
    } else if (has_ended_) {
      wants_message_ = false;
      events->on_read_end();
    } else {
      break;
    }
  }
  is_delivering_ = false;
  static_cast<void>(account());  // it only falls here
}

std::optional<Payload> ServerCall::take_message() {
  Payload packed = std::move(messages_.front());
  messages_.pop_front();
  messages_bytes_ -= packed.size() + kMessageCost;
  if (messages_.empty()) consume(std::exchange(owed_, 0));
  auto message = reader_.unpack(std::move(packed));
  if (!message.ok()) {
    finish_now(std::move(message).error(), std::nullopt);
    return std::nullopt;
  }
  if (message->came_compressed() && !account(message->size())) {
    finish_now({api::Code::kResourceExhausted, "the server holds too many requests that are not complete"},
               std::nullopt);
    return std::nullopt;
  }
  return std::move(*message);
}

void ServerCall::answer_begins(const Metadata& metadata) {
  if (std::exchange(has_answered_, true)) return;
  std::vector<net::HeaderView> headers = {
      {":status", "200"}, {"content-type", kContentType}, {"grpc-accept-encoding", kEncodings}};
  if (compression_ != Compression::kIdentity) headers.push_back({"grpc-encoding", name_of(compression_)});
  std::vector<std::string> text;
  show_metadata(metadata, text, headers);
  respond(headers);
}

void ServerCall::send_message(const Payload& message) {
  const bool is_worth_it = message.size() >= compress_from_;
  auto frame = frame_message(message, is_worth_it ? compression_ : Compression::kIdentity);
  send(std::string_view(frame.prefix.data(), frame.prefix.size()));
  send(std::move(frame.message));
}

void ServerCall::write_now(Payload message) {
  if (is_over_) return;
  CHECK(!is_writing_, "a second write on {} while one is outstanding", method_);
  is_writing_ = true;
  answer_begins();
  send_message(message);
}

void ServerCall::on_sent() {
  if (!std::exchange(is_writing_, false) || is_over_) return;
  if (const auto events = events_) events->on_write_done();
}

void ServerCall::finish_now(api::Status status, std::optional<Payload> message) {
  if (is_finishing_ || !is_open()) return;
  is_finishing_ = true;
  is_over_ = true;
  let_go();
  if (message) {
    if (place_) place_->answer(message->size());
    answer_begins();
    send_message(*message);
  }
  const std::string code = std::to_string(static_cast<int>(status.code));
  const std::string text = percent_encode(status.message);
  std::vector<net::HeaderView> trailers;
  if (!has_answered_) {
    trailers = {{":status", "200"}, {"content-type", kContentType}, {"grpc-accept-encoding", kEncodings}};
  }
  trailers.push_back({"grpc-status", code});
  if (!text.empty()) trailers.push_back({"grpc-message", text});
  std::vector<std::string> binary;
  show_metadata(trailers_, binary, trailers);
  if (has_answered_) {
    end_with(trailers);
  } else {
    respond(trailers, true);
  }
}

void ServerCall::on_deadline() {
  is_finishing_ = true;
  is_over_ = true;
  let_go();
  // As other servers do: the client, which knows its deadline, tells its user in its own words.
  reset(net::Http2Error::kCancel);
}

void ServerCall::tell_stopping() {
  on_loop([this] {
    if (const auto events = events_; events && !is_over_) events->on_server_stopping();
  });
}

void ServerCall::on_closed(net::Http2Error, std::string_view) {
  is_over_ = true;
  let_go();
  if (is_plain_counted_) --calls_->plain_requests();
  const auto events = std::exchange(events_, nullptr);
  if (events) events->on_closed();
  if (std::exchange(place_, nullptr) && answers_->waiting() > 0) {
    loop_->post([answers = answers_] { answers->go_on(); });
  }
  if (is_begun_) calls_->on_call_ended(this, route_);
}

}  // namespace cairn::rpc
