#include "rpc/grpc_wire.h"

#include <array>
#include <cstdint>

namespace cairn::rpc {

namespace {

constexpr size_t kTimeoutDigits = 8;

std::optional<Duration> unit_of(char unit) {
  switch (unit) {
    case 'H':
      return 1h;
    case 'M':
      return 1min;
    case 'S':
      return 1s;
    case 'm':
      return 1ms;
    case 'u':
      return 1us;
    case 'n':
      return 1ns;
    default:
      return std::nullopt;
  }
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr std::string_view kBase64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::optional<Duration> parse_timeout(std::string_view text) {
  if (text.size() < 2 || text.size() > kTimeoutDigits + 1) return std::nullopt;
  const auto unit = unit_of(text.back());
  if (!unit) return std::nullopt;
  int64_t count = 0;
  for (const char c : text.substr(0, text.size() - 1)) {
    if (c < '0' || c > '9') return std::nullopt;
    count = count * 10 + (c - '0');
  }
  // Eight digits of hours are longer than a Duration.
  if (count > 0 && *unit > Duration::max() / count) return Duration::max();
  return *unit * count;
}

std::string show_timeout(Duration timeout) {
  if (timeout <= Duration(0)) return "0n";
  struct Unit {
    Duration length;
    char letter;
  };
  constexpr std::array<Unit, 6> kUnits = {{{1ns, 'n'}, {1us, 'u'}, {1ms, 'm'}, {1s, 'S'}, {1min, 'M'}, {1h, 'H'}}};
  constexpr int64_t kMax = 99'999'999;
  for (const auto& [length, letter] : kUnits) {
    const int64_t count = timeout / length + (timeout % length != Duration(0) ? 1 : 0);
    if (count <= kMax) return std::to_string(count) + letter;
  }
  return std::to_string(kMax) + 'H';
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte >= 0x20 && byte <= 0x7e && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    }
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) << 4 | hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool is_grpc(std::string_view content_type) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!content_type.starts_with(kGrpc)) return false;
  content_type.remove_prefix(kGrpc.size());
  return content_type.empty() || content_type.front() == '+' || content_type.front() == ';';
}

bool is_binary_name(std::string_view name) { return name.ends_with("-bin"); }

std::string base64_encode(std::string_view bytes) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    const size_t here = std::min<size_t>(3, bytes.size() - i);
    for (size_t k = 0; k < 3; ++k) group = group << 8 | (k < here ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k <= here; ++k) out += kBase64[group >> (18 - 6 * k) & 63];
  }
  return out;
}

std::optional<std::string> base64_decode(std::string_view text) {
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  if (text.size() % 4 == 1) return std::nullopt;
  std::string out;
  out.reserve(text.size() * 3 / 4);
  uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const size_t digit = kBase64.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    group = group << 6 | static_cast<uint32_t>(digit);
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    out += static_cast<char>(group >> bits & 255);
  }
  return out;
}

api::Code code_of_http(int status) {
  switch (status) {
    case 400:
      return api::Code::kInternal;
    case 401:
      return api::Code::kUnauthenticated;
    case 403:
      return api::Code::kPermissionDenied;
    case 404:
      return api::Code::kUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return api::Code::kUnavailable;
    default:
      return api::Code::kUnknown;
  }
}

api::Code code_of_reset(uint32_t http2_error) {
  switch (http2_error) {
    case 7:  // REFUSED_STREAM: it was not looked at
      return api::Code::kUnavailable;
    case 8:  // CANCEL
      return api::Code::kCancelled;
    case 11:  // ENHANCE_YOUR_CALM
      return api::Code::kResourceExhausted;
    case 12:  // INADEQUATE_SECURITY
      return api::Code::kPermissionDenied;
    default:
      return api::Code::kInternal;
  }
}

}  // namespace cairn::rpc
