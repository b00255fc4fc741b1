#include "pd/http/pages.h"

#include <fmt/chrono.h>

#include <array>
#include <charconv>
#include <ctime>

namespace cairn::pd {
namespace {

// Where a request for the leader goes; nothing if this node leads.
std::optional<http::Response> redirect(const HttpParts& parts, const http::Request& request) {
  const auto& leadership = parts.leadership;
  if (leadership.is_stopping()) return error_answer(500, "[PD:server:ErrServerNotStarted]server not started");
  if (leadership.can_serve()) return std::nullopt;
  if (!request.header("pd-redirector").empty()) {
    return error_answer(500, "[PD:apiutil:ErrRedirectToNotLeader]redirect to not leader");
  }
  for (const auto& member : parts.members.members()) {
    if (member.id() != parts.members.leader() || member.id() == parts.options.member_id) continue;
    if (member.client_urls().empty()) break;
    std::string to = member.client_urls(0) + request.path;
    if (!request.query.empty()) to += "?" + request.query;
    return http::Response{.status = 307, .body = {}, .headers = {{"Location", to}}};
  }
  return error_answer(503, "[PD:apiutil:ErrRedirectNoLeader]redirect finds no leader");
}

std::optional<http::Response> refuse(Pages::Need need, const HttpParts& parts, const http::Request& request) {
  if (need == Pages::Need::kNothing) return std::nullopt;
  if (auto elsewhere = redirect(parts, request)) return elsewhere;
  if (need == Pages::Need::kBootstrapped && !parts.leadership.is_bootstrapped()) return not_bootstrapped();
  return std::nullopt;
}

}  // namespace

http::Response json_answer(const Json& body, int status) {
  return {.status = status,
          .content_type = "application/json; charset=UTF-8",
          .body = body.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
          .headers = {}};
}

http::Response plain_json_answer(std::string body) {
  return {.content_type = "application/json; charset=UTF-8", .body = std::move(body), .headers = {}};
}

http::Response error_answer(int status, const std::string& words) { return json_answer(words, status); }

http::Response not_bootstrapped() {
  return error_answer(500, "[PD:cluster:ErrNotBootstrapped]TiKV cluster not bootstrapped, please start TiKV first");
}

Json parse_body(std::string_view body) {
  constexpr int kDepthMax = 100;
  int depth = 0;
  bool is_in_text = false;
  for (size_t i = 0; i < body.size(); ++i) {
    const char c = body[i];
    if (is_in_text) {
      if (c == '\\') ++i;
      if (c == '"') is_in_text = false;
    } else if (c == '"') {
      is_in_text = true;
    } else if (c == '[' || c == '{') {
      if (++depth > kDepthMax) return Json::value_t::discarded;
    } else if (c == ']' || c == '}') {
      --depth;
    }
  }
  return Json::parse(body, nullptr, false);
}

std::string hex_key(ByteView key) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  out.reserve(key.size() * 2);
  for (const char c : key) {
    const auto byte = static_cast<uint8_t>(c);
    out += kDigits[byte >> 4];
    out += kDigits[byte & 15];
  }
  return out;
}

std::optional<Bytes> unhex_key(std::string_view hex) {
  if (hex.size() % 2 != 0) return std::nullopt;
  Bytes out;
  for (size_t i = 0; i < hex.size(); i += 2) {
    uint8_t byte = 0;
    const auto [end, error] = std::from_chars(hex.data() + i, hex.data() + i + 2, byte, 16);
    if (error != std::errc() || end != hex.data() + i + 2) return std::nullopt;
    out += static_cast<char>(byte);
  }
  return out;
}

std::string go_duration(Duration duration) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count();
  if (ns == 0) return "0s";
  const bool is_negative = ns < 0;
  auto left = static_cast<uint64_t>(is_negative ? -ns : ns);
  // A whole number and the rest of it without zeroes at the end.
  const auto with_rest = [](uint64_t value, uint64_t unit, const char* name) {
    std::string out = std::to_string(value / unit);
    std::string rest = std::to_string(value % unit + unit).substr(1);
    rest.erase(rest.find_last_not_of('0') + 1);
    if (!rest.empty()) out += "." + rest;
    return out + name;
  };
  constexpr uint64_t kSecond = 1'000'000'000;
  std::string out = is_negative ? "-" : "";
  if (left < 1'000) return out + std::to_string(left) + "ns";
  if (left < 1'000'000) return out + with_rest(left, 1'000, "µs");
  if (left < kSecond) return out + with_rest(left, 1'000'000, "ms");
  const uint64_t minutes = left / (60 * kSecond);
  left %= 60 * kSecond;
  if (minutes >= 60) out += std::to_string(minutes / 60) + "h";
  if (minutes > 0) out += std::to_string(minutes % 60) + "m";
  return out + with_rest(left, kSecond, "s");
}

std::string rfc3339(int64_t unix_ns) {
  constexpr int64_t kSecond = 1'000'000'000;
  const std::time_t seconds = unix_ns / kSecond;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  std::string out = fmt::format("{:%Y-%m-%dT%H:%M:%S}", parts);
  std::string rest = std::to_string(unix_ns % kSecond + kSecond).substr(1);
  rest.erase(rest.find_last_not_of('0') + 1);
  if (!rest.empty()) out += "." + rest;
  return out + "Z";
}

std::string byte_size(uint64_t bytes) {
  constexpr std::array<const char*, 7> kUnits{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  auto size = static_cast<double>(bytes);
  size_t unit = 0;
  for (; size >= 1024 && unit + 1 < kUnits.size(); ++unit) size /= 1024;
  return fmt::format("{:.4g}{}", size, kUnits.at(unit));
}

Result<uint64_t, std::string> go_number(const std::string& text) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error == std::errc() && end == text.data() + text.size()) return number;
  const char* why = error == std::errc::result_out_of_range ? "value out of range" : "invalid syntax";
  return Err(fmt::format("strconv.ParseUint: parsing {}: {}",
                         Json(text).dump(-1, ' ', false, Json::error_handler_t::replace), why));
}

void Pages::add(const std::string& method, std::string_view pattern, Need need, Page page) {
  add_late(method, pattern, need,
           [page = std::move(page)](HttpParts& parts, const http::Request& request, http::Responder responder) {
             responder.answer(page(parts, request));
           });
}

void Pages::add_late(const std::string& method, std::string_view pattern, Need need, LatePage page) {
  router_.add(method, pattern,
              [on_actor = on_actor_, need, page = std::move(page)](http::Request request, http::Responder responder) {
                struct Asked {
                  http::Request request;
                  http::Responder responder;
                };
                auto asked = std::make_shared<Asked>(Asked{std::move(request), std::move(responder)});
                on_actor([need, page, asked](HttpParts& parts) {
                  if (auto refused = refuse(need, parts, asked->request)) {
                    return asked->responder.answer(std::move(*refused));
                  }
                  page(parts, std::move(asked->request), std::move(asked->responder));
                });
              });
}

}  // namespace cairn::pd
