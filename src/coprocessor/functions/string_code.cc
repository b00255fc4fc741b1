// Strings in other forms: digits of other bases, base64, bytes and charsets, addresses.
#include <fmt/format.h>

#include <array>

#include "coprocessor/expr/rowwise.h"
#include "coprocessor/functions/conversion.h"
#include "coprocessor/functions/families.h"
#include "coprocessor/types/collation.h"

namespace cairn::coprocessor {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if ((c | 32) >= 'a' && (c | 32) <= 'f') return (c | 32) - 'a' + 10;
  return -1;
}

ByteView hex_of_int(Frame& f, int64_t v) { return f.keep(fmt::format("{:X}", static_cast<uint64_t>(v))); }
ByteView hex_of_string(Frame& f, ByteView v) { return f.keep(to_hex(v)); }
ByteView bin_of_int(Frame& f, int64_t v) { return f.keep(fmt::format("{:b}", static_cast<uint64_t>(v))); }
ByteView oct_of_int(Frame& f, int64_t v) { return f.keep(fmt::format("{:o}", static_cast<uint64_t>(v))); }
std::optional<ByteView> oct_of_string(Frame& f, ByteView v) {
  if (v.empty()) return std::nullopt;
  while (!v.empty() && (v.front() == ' ' || (v.front() >= '\t' && v.front() <= '\r'))) v.remove_prefix(1);
  const bool is_negative = v.starts_with('-');
  if (is_negative || v.starts_with('+')) v.remove_prefix(1);
  uint64_t number = 0;
  for (const char c : v) {
    if (c < '0' || c > '9') break;
    if (__builtin_mul_overflow(number, uint64_t{10}, &number) ||
        __builtin_add_overflow(number, static_cast<uint64_t>(c - '0'), &number)) {
      return f.keep(fmt::format("{:o}", UINT64_MAX));
    }
  }
  return f.keep(fmt::format("{:o}", is_negative ? -number : number));
}

std::optional<ByteView> unhex(Frame& f, ByteView v) {
  std::string out;
  size_t i = v.size() % 2;
  if (i == 1) {
    if (hex_digit(v[0]) < 0) return std::nullopt;
    out += static_cast<char>(hex_digit(v[0]));
  }
  for (; i < v.size(); i += 2) {
    const int high = hex_digit(v[i]), low = hex_digit(v[i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high << 4 | low);
  }
  return f.keep(out);
}

constexpr char kBase64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// A line break behind 76 digits, as MySQL writes it.
ByteView to_base64(Frame& f, ByteView v) {
  constexpr size_t kLine = 76;
  std::string out;
  size_t in_line = 0;
  for (size_t i = 0; i < v.size(); i += 3) {
    if (in_line == kLine) {
      out += '\n';
      in_line = 0;
    }
    const auto byte = [&](size_t at) { return at < v.size() ? static_cast<uint8_t>(v[at]) : uint32_t{0}; };
    const uint32_t group = byte(i) << 16 | byte(i + 1) << 8 | byte(i + 2);
    for (size_t digit = 0; digit < 4; ++digit) {
      out += i + digit > v.size() ? '=' : kBase64[group >> (18 - 6 * digit) & 63];
    }
    in_line += 4;
  }
  return f.keep(out);
}

std::optional<ByteView> from_base64(Frame& f, ByteView v) {
  std::string out;
  uint32_t group = 0;
  int digits = 0, pads = 0;
  for (const char c : v) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) continue;
    const char* at = c == 0 ? nullptr : std::strchr(kBase64, c);
    if (c == '=') {
      ++pads;
    } else if (at == nullptr || pads > 0) {
      return std::nullopt;
    }
    group = group << 6 | (c == '=' ? 0 : static_cast<uint32_t>(at - kBase64));
    if (++digits < 4) continue;
    out += static_cast<char>(group >> 16);
    if (pads < 2) out += static_cast<char>(group >> 8);
    if (pads < 1) out += static_cast<char>(group);
    if (pads > 2) return std::nullopt;
    digits = 0;
    group = 0;
  }
  if (digits != 0) return std::nullopt;
  return f.keep(out);
}

// Text and bytes are the same in the charsets that this store has.
ByteView same(ByteView v) { return v; }

bool is_utf8(ByteView v) {
  while (!v.empty()) {
    const ByteView before = v;
    if (take_char(v) == 0xFFFD && before.size() - v.size() == 1) return false;
  }
  return true;
}
std::optional<ByteView> from_binary(Frame& f, ByteView v) {
  if (f.type.result.charset != "utf8mb4" && f.type.result.charset != "utf8") return v;
  if (is_utf8(v)) return v;
  f.context.raise(code::kCannotConvertString,
                  fmt::format("Cannot convert string {} from binary to {}", to_hex(v), f.type.result.charset));
  return std::nullopt;
}

// IPv4 and IPv6.

// Four numbers of up to three digits.
std::optional<uint32_t> parse_ipv4(ByteView v) {
  uint64_t address = 0;
  uint32_t part = 0;
  int dots = 0, digits = 0;
  for (const char c : v) {
    if (c == '.') {
      if (digits == 0 || ++dots > 3) return std::nullopt;
      address = address << 8 | part;
      part = 0;
      digits = 0;
    } else if (c >= '0' && c <= '9') {
      part = part * 10 + static_cast<uint32_t>(c - '0');
      if (++digits > 3 || part > 255) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  if (digits == 0 || dots < 3) return std::nullopt;
  return static_cast<uint32_t>(address << 8 | part);
}

// As MySQL reads it: "127.1" is 127.0.0.1, and a number may be missing or have zeros before it, but for the last.
std::optional<int64_t> inet_aton(ByteView v) {
  if (v.empty() || v.back() == '.') return std::nullopt;
  int64_t address = 0, part = 0;
  int dots = 0;
  for (const char c : v) {
    if (c == '.') {
      if (++dots > 3) return std::nullopt;
      address = address << 8 | part;
      part = 0;
    } else if (c >= '0' && c <= '9') {
      part = part * 10 + (c - '0');
      if (part > 255) return std::nullopt;
    } else {
      return std::nullopt;
    }
  }
  if (dots == 1) address <<= 16;
  if (dots == 2) address <<= 8;
  return address << 8 | part;
}
std::string ipv4_text(uint32_t v) { return fmt::format("{}.{}.{}.{}", v >> 24, v >> 16 & 255, v >> 8 & 255, v & 255); }
std::optional<ByteView> inet_ntoa(Frame& f, int64_t v) {
  if (v < 0 || v > int64_t{UINT32_MAX}) return std::nullopt;
  return f.keep(ipv4_text(static_cast<uint32_t>(v)));
}

std::optional<std::string> parse_ipv6(ByteView v) {
  std::string head, tail;
  bool has_gap = false;
  if (v.starts_with("::")) {
    has_gap = true;
    v.remove_prefix(2);
  } else if (v.starts_with(':')) {
    return std::nullopt;
  }
  while (!v.empty()) {
    std::string& to = has_gap ? tail : head;
    const size_t end = std::min(v.find(':'), v.size());
    const ByteView group = v.substr(0, end);
    if (group.find('.') != ByteView::npos) {
      const auto four = parse_ipv4(group);
      if (!four || end != v.size()) return std::nullopt;
      for (int shift = 24; shift >= 0; shift -= 8) to += static_cast<char>(*four >> shift);
      break;
    }
    if (group.empty() || group.size() > 4) return std::nullopt;
    uint32_t number = 0;
    for (const char c : group) {
      if (hex_digit(c) < 0) return std::nullopt;
      number = number << 4 | static_cast<uint32_t>(hex_digit(c));
    }
    to += static_cast<char>(number >> 8);
    to += static_cast<char>(number);
    v.remove_prefix(end);
    if (v.empty()) break;
    v.remove_prefix(1);
    if (v.starts_with(':')) {
      if (has_gap) return std::nullopt;
      has_gap = true;
      v.remove_prefix(1);
    } else if (v.empty()) {
      return std::nullopt;
    }
  }
  const size_t size = head.size() + tail.size();
  if (has_gap ? size > 14 : size != 16) return std::nullopt;
  return head + std::string(16 - size, '\0') + tail;
}

std::string ipv6_text(ByteView v) {
  std::array<uint32_t, 8> groups{};
  for (size_t i = 0; i < 8; ++i) {
    groups[i] = static_cast<uint32_t>(static_cast<uint8_t>(v[2 * i])) << 8 | static_cast<uint8_t>(v[2 * i + 1]);
  }
  const bool has_four = v.starts_with(ByteView("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12));
  if (has_four) return "::ffff:" + ipv4_text(groups[6] << 16 | groups[7]);
  const bool is_compatible = v.starts_with(ByteView("\0\0\0\0\0\0\0\0\0\0\0\0", 12)) && groups[6] != 0;
  if (is_compatible) return "::" + ipv4_text(groups[6] << 16 | groups[7]);
  size_t best = 8, best_length = 1;
  for (size_t i = 0; i < 8; ++i) {
    size_t length = 0;
    while (i + length < 8 && groups[i + length] == 0) ++length;
    if (length > best_length) {
      best = i;
      best_length = length;
    }
  }
  std::string text;
  for (size_t i = 0; i < 8; ++i) {
    if (i == best) {
      text += "::";
      i += best_length - 1;
      continue;
    }
    if (!text.empty() && text.back() != ':') text += ':';
    text += fmt::format("{:x}", groups[i]);
  }
  return text;
}

std::optional<ByteView> inet6_aton(Frame& f, ByteView v) {
  if (const auto four = parse_ipv4(v)) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(*four >> shift);
    return f.keep(out);
  }
  const auto six = parse_ipv6(v);
  return six ? std::optional(f.keep(*six)) : std::nullopt;
}
std::optional<ByteView> inet6_ntoa(Frame& f, ByteView v) {
  if (v.size() == 16) return f.keep(ipv6_text(v));
  if (v.size() != 4) return std::nullopt;
  uint32_t address = 0;
  for (const char c : v) address = address << 8 | static_cast<uint8_t>(c);
  return f.keep(ipv4_text(address));
}
int64_t is_ipv4(std::optional<ByteView> v) { return v && parse_ipv4(*v).has_value(); }
int64_t is_ipv6(std::optional<ByteView> v) { return v && parse_ipv6(*v).has_value(); }
int64_t is_ipv4_mapped(std::optional<ByteView> v) {
  return v && v->size() == 16 && v->starts_with(ByteView("\0\0\0\0\0\0\0\0\0\0\xff\xff", 12));
}
int64_t is_ipv4_compatible(std::optional<ByteView> v) {
  return v && v->size() == 16 && v->starts_with(ByteView("\0\0\0\0\0\0\0\0\0\0\0\0", 12));
}

// Hexadecimal digits in groups of 8-4-4-4-12, in braces or without their hyphens.
int64_t is_uuid(ByteView v) {
  if (v.size() == 38 && v.front() == '{' && v.back() == '}') v = v.substr(1, 36);
  if (v.size() != 36 && v.size() != 32) return 0;
  for (size_t i = 0; i < v.size(); ++i) {
    const bool wants_hyphen = v.size() == 36 && (i == 8 || i == 13 || i == 18 || i == 23);
    if (wants_hyphen ? v[i] != '-' : hex_digit(v[i]) < 0) return 0;
  }
  return 1;
}

}  // namespace

Found find_string_code(tipb::ScalarFuncSig signature, const CallType&) {
  switch (signature) {
    case tipb::HexIntArg:
      return rowwise<&hex_of_int>();
    case tipb::HexStrArg:
      return rowwise<&hex_of_string>();
    case tipb::Bin:
      return rowwise<&bin_of_int>();
    case tipb::OctInt:
      return rowwise<&oct_of_int>();
    case tipb::OctString:
      return rowwise<&oct_of_string>();
    case tipb::UnHex:
      return rowwise<&unhex>();
    case tipb::ToBase64:
      return rowwise<&to_base64>();
    case tipb::FromBase64:
      return rowwise<&from_base64>();
    case tipb::ToBinary:
      return rowwise<&same>();
    case tipb::FromBinary:
      return rowwise<&from_binary>();
    case tipb::InetAton:
      return rowwise<&inet_aton>();
    case tipb::InetNtoa:
      return rowwise<&inet_ntoa>();
    case tipb::Inet6Aton:
      return rowwise<&inet6_aton>();
    case tipb::Inet6Ntoa:
      return rowwise<&inet6_ntoa>();
    case tipb::IsIPv4:
      return rowwise<&is_ipv4>();
    case tipb::IsIPv6:
      return rowwise<&is_ipv6>();
    case tipb::IsIPv4Mapped:
      return rowwise<&is_ipv4_mapped>();
    case tipb::IsIPv4Compat:
      return rowwise<&is_ipv4_compatible>();
    case tipb::IsUUID:
      return rowwise<&is_uuid>();
    default:
      return std::nullopt;
  }
}

}  // namespace cairn::coprocessor
