#include "http/request_parser.h"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <cctype>

namespace cairn::http {

namespace {

namespace beast = boost::beast::http;
using boost::beast::error_code;
using boost::beast::string_view;

constexpr size_t kLastChunkMin = 5;

std::string to_string(string_view text) { return {text.data(), text.size()}; }

std::string lower(string_view text) {
  std::string out = to_string(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

int status_of(const error_code& error) {
  if (error == beast::error::header_limit) return 431;
  if (error == beast::error::body_limit) return 413;
  if (error == beast::error::bad_version) return 505;
  return 400;
}

}  // namespace

class RequestParser::Core final : public beast::basic_parser<true> {
 public:
  explicit Core(const Limits& limits)
      : header_bytes_max_(limits.header_bytes_max), body_bytes_max_(limits.body_bytes_max) {
    header_limit(static_cast<uint32_t>(limits.header_bytes_max));
    body_limit(limits.body_bytes_max);
  }

  Fed feed(std::string_view bytes) {
    size_t taken = 0;
    // Between requests, a client may send empty lines (RFC 9112, section 2.2).
    while (!has_begun_ && taken < bytes.size() && (bytes[taken] == '\r' || bytes[taken] == '\n')) ++taken;
    while (taken < bytes.size() && !is_done()) {
      has_begun_ = true;
      // The shortest end of a body in chunks, "0\r\n\r\n", comes at once: Beast takes it for granted, and asserts it,
      // that four bytes more have come when it looks at the last chunk again.
      if (is_header_done() && chunked() && bytes.size() - taken < kLastChunkMin) break;
      error_code error;
      const size_t some = put(boost::asio::const_buffer(bytes.data() + taken, bytes.size() - taken), error);
      taken += some;
      if (error == beast::error::need_more) break;
      if (status_ == 0 && error) status_ = status_of(error);
      if (status_ != 0) return {Outcome::kMistaken, taken};
    }
    if (is_done()) return {Outcome::kWhole, taken};
    // Beast bounds neither what stands behind a chunk's size nor the trailer: it waits for their end for ever.
    if (bytes.size() - taken > header_bytes_max_) {
      status_ = 431;
      return {Outcome::kMistaken, taken};
    }
    return {Outcome::kMore, taken};
  }

  Request request_;
  int status_ = 0;
  bool expects_continue_ = false;
  bool is_old_ = false;

 private:
  // Ends the parsing with this status.
  void refuse(int status, error_code& error) {
    status_ = status;
    error = beast::error::bad_value;
  }

  void on_request_impl(beast::verb, string_view method, string_view target, int version, error_code& error) override {
    if (version / 10 != 1) return refuse(505, error);
    is_old_ = version == 10;
    request_.method = to_string(method);
    std::string_view path(target.data(), target.size());
    // A proxy's form of it names the host, too (RFC 9112, section 3.2.2).
    if (path.starts_with("http://") || path.starts_with("https://")) {
      path.remove_prefix(path.find("://") + 3);
      const size_t end = path.find_first_of("/?");
      path = end == std::string_view::npos ? "/" : path.substr(end);
    }
    const size_t end = std::min(path.find('?'), path.size());
    request_.path = path.substr(0, end);
    request_.query = path.substr(std::min(end + 1, path.size()));
    if (!request_.path.starts_with('/') && request_.path != "*") return refuse(400, error);
  }
  void on_response_impl(int, string_view, int, error_code&) override {}
  void on_field_impl(beast::field, string_view name, string_view value, error_code&) override {
    if (is_header_done_) return;  // a trailer may not say what a header should have
    request_.headers.emplace_back(lower(name), to_string(value));
  }
  void on_header_impl(error_code& error) override {
    is_header_done_ = true;
    const auto hosts = std::count_if(request_.headers.begin(), request_.headers.end(),
                                     [](const auto& header) { return header.first == "host"; });
    if (hosts > 1 || (hosts == 0 && !is_old_)) return refuse(400, error);
    // Beast passes over codings that it does not know: where the body ends would be anybody's guess (RFC 9112, 6.1).
    for (const auto& [name, value] : request_.headers) {
      if (name != "transfer-encoding") continue;
      if (is_old_) return refuse(400, error);
      if (lower({value.data(), value.size()}) != "chunked") return refuse(501, error);
    }
    const std::string_view expectation = request_.header("expect");
    if (expectation.empty() || is_old_) return;
    if (lower({expectation.data(), expectation.size()}) != "100-continue") return refuse(417, error);
    expects_continue_ = true;
  }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, error_code&) override {}
  std::size_t on_body_impl(string_view body, error_code& error) override {
    if (request_.body.size() + body.size() > body_bytes_max_) {
      refuse(413, error);
      return 0;
    }
    request_.body.append(body.data(), body.size());
    return body.size();
  }
  void on_chunk_header_impl(std::uint64_t, string_view, error_code&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, string_view body, error_code& error) override {
    return on_body_impl(body, error);
  }
  void on_finish_impl(error_code&) override {}

  const size_t header_bytes_max_;
  const size_t body_bytes_max_;
  bool has_begun_ = false;
  bool is_header_done_ = false;
};

RequestParser::RequestParser(const Limits& limits) : core_(std::make_unique<Core>(limits)) {}
RequestParser::~RequestParser() = default;

RequestParser::Fed RequestParser::feed(std::string_view bytes) { return core_->feed(bytes); }
bool RequestParser::has_headers() const { return core_->is_header_done(); }
bool RequestParser::take_expectation() { return std::exchange(core_->expects_continue_, false); }
Request& RequestParser::request() { return core_->request_; }
bool RequestParser::keeps_alive() const { return core_->keep_alive(); }
bool RequestParser::is_old() const { return core_->is_old_; }
int RequestParser::status() const { return core_->status_; }

}  // namespace cairn::http
