// JSON as text, read and written as MySQL does: a blank behind commas and colons.
#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "coprocessor/types/collation.h"
#include "coprocessor/types/duration.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/real.h"
#include "coprocessor/types/time.h"

namespace cairn::coprocessor::json {
namespace {

std::string base64(ByteView bytes) {
  static constexpr char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const auto byte = [&](size_t at) { return at < bytes.size() ? static_cast<uint8_t>(bytes[at]) : 0U; };
    const uint32_t group = static_cast<uint32_t>(byte(i)) << 16 | static_cast<uint32_t>(byte(i + 1)) << 8 | byte(i + 2);
    for (int digit = 0; digit < 4; ++digit) {
      const bool is_pad = i + static_cast<size_t>(digit) > bytes.size();
      out += is_pad ? '=' : kDigits[group >> (18 - 6 * digit) & 63];
    }
  }
  return out;
}

// With a point, so that it reads back as a double; very large and small ones with an exponent.
void append_double(double value, std::string& out) {
  char buffer[48];
  const double magnitude = std::fabs(value);
  if (magnitude == 0 || (magnitude >= 1e-15 && magnitude < 1e15)) {
    const ByteView text(
        buffer, static_cast<size_t>(
                    std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::fixed).ptr - buffer));
    out.append(text);
    if (text.find('.') == ByteView::npos) out += ".0";
    return;
  }
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  const ByteView text(buffer, static_cast<size_t>(end - buffer));
  const size_t exponent = text.find('e') + 1;
  out.append(text.substr(0, exponent));
  if (text[exponent] == '-') out += '-';
  out.append(text.substr(text.find_first_not_of("+-0", exponent)));
}

struct Writer {
  bool is_pretty;
  std::string out;

  void line(int depth) {
    out += '\n';
    out.append(static_cast<size_t>(depth) * 2, ' ');
  }
  void container(const View& value, int depth) {
    const bool is_object = value.code == kObject;
    const size_t count = value.count();
    out += is_object ? '{' : '[';
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) out += is_pretty ? "," : ", ";
      if (is_pretty) line(depth + 1);
      if (is_object) {
        append_quoted(value.key(i), out);
        out += ": ";
      }
      write(is_object ? value.member(i) : value.element(i), depth + 1);
    }
    if (is_pretty && count > 0) line(depth);
    out += is_object ? '}' : ']';
  }
  void write(const View& value, int depth) {
    switch (value.code) {
      case kObject:
      case kArray:
        if (depth < kDepthMax) container(value, depth);
        return;
      case kLiteral:
        out += value.is_null() ? "null" : value.literal() == kTrue ? "true" : "false";
        return;
      case kInt:
        out += std::to_string(value.as_int());
        return;
      case kUint:
        out += std::to_string(value.as_uint());
        return;
      case kDouble:
        append_double(value.as_double(), out);
        return;
      case kString:
        append_quoted(value.as_string(), out);
        return;
      case kOpaque:
        append_quoted(fmt::format("base64:type{}:{}", value.opaque_type(), base64(value.as_string())), out);
        return;
      case kDate:
      case kDateTime:
      case kTimestamp:
        append_quoted(to_string(with_fsp(value.as_time(), 6)), out);
        return;
      case kDuration:
        append_quoted(to_string(value.as_duration(), 6), out);
        return;
      default:
        return;
    }
  }
};

class Parser {
 public:
  explicit Parser(ByteView text) : in_(text), size_(text.size()) {}

  std::optional<Bytes> document() {
    auto value = parse_value(0);
    if (!value) return std::nullopt;
    skip_blanks();
    if (!in_.empty()) return refuse("The document root must not be followed by other values.");
    return value;
  }
  std::string error() const { return error_; }

 private:
  std::nullopt_t refuse(const char* why) {
    if (error_.empty()) error_ = fmt::format("{} at position {}", why, size_ - in_.size());
    return std::nullopt;
  }
  void skip_blanks() {
    while (!in_.empty() && (in_[0] == ' ' || in_[0] == '\t' || in_[0] == '\n' || in_[0] == '\r')) in_.remove_prefix(1);
  }
  bool take(ByteView word) {
    if (!in_.starts_with(word)) return false;
    in_.remove_prefix(word.size());
    return true;
  }

  std::optional<Bytes> parse_value(int depth) {
    skip_blanks();
    if (in_.empty()) return refuse("The document is empty.");
    if (depth > kDepthMax) return refuse("The JSON document exceeds the maximum depth.");
    switch (in_[0]) {
      case '{':
        return parse_object(depth);
      case '[':
        return parse_array(depth);
      case '"': {
        auto text = parse_string();
        if (!text) return std::nullopt;
        return of_string(*text);
      }
      default:
        if (take("null")) return of_literal(kNull);
        if (take("true")) return of_literal(kTrue);
        if (take("false")) return of_literal(kFalse);
        return parse_number();
    }
  }

  std::optional<Bytes> parse_array(int depth) {
    in_.remove_prefix(1);
    std::vector<Bytes> elements;
    skip_blanks();
    if (take("]")) return of_array(elements);
    while (true) {
      auto element = parse_value(depth + 1);
      if (!element) return std::nullopt;
      elements.push_back(std::move(*element));
      skip_blanks();
      if (take("]")) return of_array(elements);
      if (!take(",")) return refuse("Missing a comma or ']' after an array element.");
    }
  }

  std::optional<Bytes> parse_object(int depth) {
    in_.remove_prefix(1);
    std::vector<std::pair<Bytes, Bytes>> members;
    skip_blanks();
    if (take("}")) return of_object({});
    while (true) {
      skip_blanks();
      if (in_.empty() || in_[0] != '"') return refuse("Missing a name for object member.");
      auto key = parse_string();
      if (!key) return std::nullopt;
      if (key->size() > UINT16_MAX) return refuse("The object key is too long.");
      skip_blanks();
      if (!take(":")) return refuse("Missing a colon after a name of object member.");
      auto value = parse_value(depth + 1);
      if (!value) return std::nullopt;
      members.emplace_back(std::move(*key), std::move(*value));
      skip_blanks();
      if (take("}")) return of_object(std::move(members));
      if (!take(",")) return refuse("Missing a comma or '}' after an object member.");
    }
  }

  std::optional<char32_t> parse_hex() {
    if (in_.size() < 4) return std::nullopt;
    char32_t value = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = in_[static_cast<size_t>(i)];
      const int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
      if (digit < 0) return std::nullopt;
      value = value << 4 | static_cast<char32_t>(digit);
    }
    in_.remove_prefix(4);
    return value;
  }

  // Behind a backslash.
  bool parse_escape(std::string& out) {
    if (in_.empty()) return false;
    const char c = in_[0];
    in_.remove_prefix(1);
    static constexpr char kFrom[] = "\"\\/bfnrt", kTo[] = "\"\\/\b\f\n\r\t";
    for (size_t i = 0; kFrom[i] != 0; ++i) {
      if (kFrom[i] == c) {
        out += kTo[i];
        return true;
      }
    }
    if (c != 'u') return false;
    auto unit = parse_hex();
    if (!unit) return false;
    if (*unit >= 0xD800 && *unit <= 0xDBFF) {
      ByteView before = in_;
      auto low = take("\\u") ? parse_hex() : std::nullopt;
      if (low && *low >= 0xDC00 && *low <= 0xDFFF) {
        unit = 0x10000 + ((*unit - 0xD800) << 10) + (*low - 0xDC00);
      } else {
        in_ = before;
        unit = 0xFFFD;
      }
    } else if (*unit >= 0xDC00 && *unit <= 0xDFFF) {
      unit = 0xFFFD;
    }
    append_char(*unit, out);
    return true;
  }

  std::optional<std::string> parse_string() {
    in_.remove_prefix(1);
    std::string out;
    while (!in_.empty()) {
      const char c = in_[0];
      if (static_cast<uint8_t>(c) < 0x20) return refuse("Invalid encoding in string.");
      in_.remove_prefix(1);
      if (c == '"') return out;
      if (c != '\\') {
        out += c;
      } else if (!parse_escape(out)) {
        return refuse("Invalid escape character in string.");
      }
    }
    return refuse("Missing a closing quotation mark in string.");
  }

  std::optional<Bytes> parse_number() {
    size_t n = in_[0] == '-' ? 1 : 0;
    const auto digits = [&] {
      const size_t begin = n;
      while (n < in_.size() && in_[n] >= '0' && in_[n] <= '9') ++n;
      return n - begin;
    };
    const size_t begin = n;
    if (digits() == 0 || (in_[begin] == '0' && n > begin + 1)) return refuse("Invalid value.");
    bool is_whole = true;
    if (n < in_.size() && in_[n] == '.') {
      ++n;
      is_whole = false;
      if (digits() == 0) return refuse("Miss fraction part in number.");
    }
    if (n < in_.size() && (in_[n] == 'e' || in_[n] == 'E')) {
      ++n;
      is_whole = false;
      if (n < in_.size() && (in_[n] == '+' || in_[n] == '-')) ++n;
      if (digits() == 0) return refuse("Miss exponent in number.");
    }
    const ByteView text = in_.substr(0, n);
    in_.remove_prefix(n);
    if (is_whole) {
      int64_t value = 0;
      uint64_t large = 0;
      if (std::from_chars(text.data(), text.data() + n, value).ec == std::errc()) return of_int(value);
      if (std::from_chars(text.data(), text.data() + n, large).ec == std::errc()) return of_uint(large);
    }
    const auto value = parse_real(text);
    if (!value) return refuse("Number too big to be stored in double.");
    return of_double(*value);
  }

  ByteView in_;
  const size_t size_;
  std::string error_;
};

}  // namespace

void append_quoted(ByteView text, std::string& out) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<uint8_t>(c) < 0x20)
          out += fmt::format("\\u{:04x}", static_cast<int>(c));
        else
          out += c;
    }
  }
  out += '"';
}

std::string to_text(const View& value) {
  Writer writer{false, {}};
  writer.write(value, 0);
  return std::move(writer.out);
}

std::string to_pretty_text(const View& value) {
  Writer writer{true, {}};
  writer.write(value, 0);
  return std::move(writer.out);
}

std::optional<Bytes> parse(ByteView text, std::string* error) {
  Parser parser(text);
  auto document = parser.document();
  if (!document && error != nullptr) *error = parser.error();
  return document;
}

}  // namespace cairn::coprocessor::json
