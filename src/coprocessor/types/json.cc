#include "coprocessor/types/json.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>

#include "base/codec.h"
#include "coprocessor/types/duration.h"

namespace cairn::coprocessor::json {
namespace {

constexpr size_t kHeader = 8, kEntry = 5, kKeyEntry = 6;

uint32_t u32_at(ByteView bytes, size_t at) {
  uint32_t value = 0;
  if (at + sizeof(value) <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

uint16_t u16_at(ByteView bytes, size_t at) {
  uint16_t value = 0;
  if (at + sizeof(value) <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof(value));
  return value;
}

// The length at the start of a string's body, consumed.
std::optional<uint64_t> take_length(ByteView& in) {
  uint64_t length = 0;
  if (!codec::get_var_u64(in, length) || length > in.size()) return std::nullopt;
  return length;
}

size_t body_size(uint8_t code, ByteView body, int depth);

size_t container_size(uint8_t code, ByteView body, int depth) {
  const size_t count = u32_at(body, 0), size = u32_at(body, 4);
  const size_t fixed = kHeader + count * (kEntry + (code == kObject ? kKeyEntry : 0));
  if (depth == 0 || body.size() < kHeader || size > body.size() || fixed > size) return 0;
  const ByteView own = body.substr(0, size);
  if (code == kObject) {
    for (size_t i = 0; i < count; ++i) {
      const size_t at = kHeader + i * kKeyEntry;
      if (size_t{u32_at(own, at)} + u16_at(own, at + 4) > size) return 0;
    }
  }
  const size_t entries = fixed - count * kEntry;
  // Values share no bytes: else a few bytes could stand for a tree without end.
  size_t used = fixed;
  for (size_t i = 0; i < count; ++i) {
    const size_t at = entries + i * kEntry;
    const auto type = static_cast<uint8_t>(own[at]);
    if (type == kLiteral) continue;
    const size_t offset = u32_at(own, at + 1);
    const size_t of_value = offset >= size ? 0 : body_size(type, own.substr(offset), depth - 1);
    used += of_value;
    if (of_value == 0 || used > size) return 0;
  }
  return size;
}

size_t body_size(uint8_t code, ByteView body, int depth) {
  size_t size = 0;
  switch (code) {
    case kObject:
    case kArray:
      return container_size(code, body, depth);
    case kLiteral:
      size = 1;
      break;
    case kInt:
    case kUint:
    case kDate:
    case kDateTime:
    case kTimestamp:
      size = 8;
      break;
    case kDouble:
      size = 8;
      if (!std::isfinite(View{code, body}.as_double())) return 0;
      break;
    case kDuration:
      if (!is_duration(View{code, body}.as_int())) return 0;
      size = 12;
      break;
    case kString:
    case kOpaque: {
      ByteView in = body;
      if (code == kOpaque) {
        if (in.empty()) return 0;
        in.remove_prefix(1);
      }
      const auto length = take_length(in);
      return length ? body.size() - in.size() + *length : 0;
    }
    default:
      return 0;
  }
  return body.size() >= size ? size : 0;
}

View entry(ByteView body, size_t at) {
  if (at + kEntry > body.size()) return {};
  const auto type = static_cast<uint8_t>(body[at]);
  if (type == kLiteral) return {type, body.substr(at + 1, 1)};
  const size_t offset = u32_at(body, at + 1);
  return offset < body.size() ? View{type, body.substr(offset)} : View{};
}

// By which values of different kinds compare; a larger one sorts behind.
int precedence(const View& value) {
  switch (value.code) {
    case kObject:
      return -9;
    case kArray:
      return -8;
    case kLiteral:
      return value.is_null() ? -12 : -7;
    case kInt:
    case kUint:
    case kDouble:
      return -11;
    case kString:
      return -10;
    case kDate:
      return -6;
    case kDateTime:
    case kTimestamp:
      return -4;
    case kDuration:
      return -5;
    default:
      return -3;
  }
}

std::strong_ordering order(double a, double b) {
  return a < b ? std::strong_ordering::less : a > b ? std::strong_ordering::greater : std::strong_ordering::equal;
}

std::strong_ordering compare_numbers(const View& a, const View& b) {
  if (a.code == kDouble || b.code == kDouble) return order(a.as_double(), b.as_double());
  const bool a_is_negative = a.code == kInt && a.as_int() < 0, b_is_negative = b.code == kInt && b.as_int() < 0;
  if (a_is_negative != b_is_negative) return a_is_negative ? std::strong_ordering::less : std::strong_ordering::greater;
  return a_is_negative ? a.as_int() <=> b.as_int() : a.as_uint() <=> b.as_uint();
}

std::strong_ordering compare_arrays(const View& a, const View& b) {
  for (size_t i = 0; i < a.count() && i < b.count(); ++i) {
    const auto result = compare(a.element(i), b.element(i));
    if (result != 0) return result;
  }
  return a.count() <=> b.count();
}

// Only equality of objects means something; their order is that of sizes, keys and values.
std::strong_ordering compare_objects(const View& a, const View& b) {
  if (a.count() != b.count()) return a.count() <=> b.count();
  for (size_t i = 0; i < a.count(); ++i) {
    const int keys = a.key(i).compare(b.key(i));
    if (keys != 0) return keys <=> 0;
    const auto result = compare(a.member(i), b.member(i));
    if (result != 0) return result;
  }
  return std::strong_ordering::equal;
}

}  // namespace

View view(ByteView bytes) {
  if (bytes.empty()) return {};
  return {static_cast<uint8_t>(bytes[0]), bytes.substr(1)};
}

int64_t View::as_int() const {
  int64_t value = 0;
  if (body.size() >= sizeof(value)) std::memcpy(&value, body.data(), sizeof(value));
  return value;
}

double View::as_double() const {
  if (code == kInt) return static_cast<double>(as_int());
  if (code == kUint) return static_cast<double>(as_uint());
  double value = 0;
  if (body.size() >= sizeof(value)) std::memcpy(&value, body.data(), sizeof(value));
  return value;
}

ByteView View::as_string() const {
  ByteView in = body;
  if (code == kOpaque && !in.empty()) in.remove_prefix(1);
  const auto length = take_length(in);
  return length ? in.substr(0, *length) : ByteView();
}

int View::duration_fsp() const { return static_cast<int>(std::min(u32_at(body, 8), 6U)); }

size_t View::count() const {
  if (!is_container()) return 0;
  const size_t each = kEntry + (code == kObject ? kKeyEntry : 0);
  const size_t room = body.size() < kHeader ? 0 : (body.size() - kHeader) / each;
  return std::min<size_t>(u32_at(body, 0), room);
}

View View::element(size_t i) const { return entry(body, kHeader + i * kEntry); }

ByteView View::key(size_t i) const {
  const size_t at = kHeader + i * kKeyEntry;
  const size_t offset = u32_at(body, at), length = u16_at(body, at + 4);
  return offset + length <= body.size() ? body.substr(offset, length) : ByteView();
}

View View::member(size_t i) const { return entry(body, kHeader + count() * kKeyEntry + i * kEntry); }

std::optional<View> View::find(ByteView wanted) const {
  if (code != kObject) return std::nullopt;
  size_t low = 0, high = count();
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (key(middle) < wanted)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == count() || key(low) != wanted) return std::nullopt;
  return member(low);
}

Bytes View::bytes() const {
  Bytes out(1, static_cast<char>(code));
  if (code == kLiteral) {
    out.push_back(static_cast<char>(literal()));
    return out;
  }
  return out.append(body.substr(0, body_size(code, body, kDepthMax)));
}

size_t size_of(ByteView bytes) {
  if (bytes.empty()) return 0;
  const size_t size = body_size(static_cast<uint8_t>(bytes[0]), bytes.substr(1), kDepthMax);
  return size == 0 ? 0 : size + 1;
}

std::strong_ordering compare(const View& a, const View& b) {
  const int x = precedence(a), y = precedence(b);
  if (x != y) return x <=> y;
  switch (a.code) {
    case kObject:
      return compare_objects(a, b);
    case kArray:
      return compare_arrays(a, b);
    case kLiteral:
      return b.literal() <=> a.literal();  // false is less than true
    case kInt:
    case kUint:
    case kDouble:
      return compare_numbers(a, b);
    case kDate:
    case kDateTime:
    case kTimestamp:
      return a.as_uint() >> 4 <=> b.as_uint() >> 4;
    case kDuration:
      return a.as_int() <=> b.as_int();
    default:
      return a.as_string().compare(b.as_string()) <=> 0;
  }
}

bool is_zero(ByteView bytes) {
  const View value = view(bytes);
  return value.is_number() && value.as_double() == 0;
}

const char* type_name(const View& value) {
  switch (value.code) {
    case kObject:
      return "OBJECT";
    case kArray:
      return "ARRAY";
    case kLiteral:
      return value.is_null() ? "NULL" : "BOOLEAN";
    case kInt:
      return "INTEGER";
    case kUint:
      return "UNSIGNED INTEGER";
    case kDouble:
      return "DOUBLE";
    case kString:
      return "STRING";
    case kDate:
      return "DATE";
    case kDateTime:
    case kTimestamp:
      return "DATETIME";
    case kDuration:
      return "TIME";
    case kOpaque:
      switch (static_cast<Type>(value.opaque_type())) {
        case Type::kBit:
          return "BIT";
        case Type::kTinyBlob:
        case Type::kMediumBlob:
        case Type::kBlob:
        case Type::kLongBlob:
        case Type::kString:
        case Type::kVarString:
        case Type::kVarchar:
          return "BLOB";
        default:
          return "OPAQUE";
      }
    default:
      return "OPAQUE";
  }
}

Bytes of_literal(uint8_t literal) { return {static_cast<char>(kLiteral), static_cast<char>(literal)}; }

Bytes of_int(int64_t value) {
  Bytes out(1, static_cast<char>(kInt));
  codec::put_u64_le(out, static_cast<uint64_t>(value));
  return out;
}
Bytes of_uint(uint64_t value) {
  Bytes out(1, static_cast<char>(kUint));
  codec::put_u64_le(out, value);
  return out;
}
Bytes of_double(double value) {
  Bytes out(1, static_cast<char>(kDouble));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  codec::put_u64_le(out, bits);
  return out;
}
Bytes of_string(ByteView value) {
  Bytes out(1, static_cast<char>(kString));
  codec::put_var_u64(out, value.size());
  return out.append(value);
}
Bytes of_opaque(uint8_t mysql_type, ByteView value) {
  Bytes out = {static_cast<char>(kOpaque), static_cast<char>(mysql_type)};
  codec::put_var_u64(out, value.size());
  return out.append(value);
}
Bytes of_time(Time time) {
  const uint64_t low = time.bits & 0b1111;
  const Code code = low >> 1 == 0b111 ? kDate : (low & 1) != 0 ? kTimestamp : kDateTime;
  Bytes out(1, static_cast<char>(code));
  codec::put_u64_le(out, time.bits);
  return out;
}
Bytes of_duration(Duration duration, int fsp) {
  Bytes out(1, static_cast<char>(kDuration));
  codec::put_u64_le(out, static_cast<uint64_t>(duration.nanos));
  codec::put_u32_le(out, static_cast<uint32_t>(fsp));
  return out;
}

namespace {

// Appends the entries of the documents to `head` and their bodies to `tail`, which begins at `offset`.
void append_entries(const std::vector<const Bytes*>& values, size_t offset, Bytes& head, Bytes& tail) {
  for (const Bytes* value : values) {
    head.push_back(value->front());
    if (static_cast<uint8_t>(value->front()) == kLiteral) {
      codec::put_u32_le(head, static_cast<uint8_t>((*value)[1]));
      continue;
    }
    codec::put_u32_le(head, static_cast<uint32_t>(offset + tail.size()));
    tail.append(*value, 1);
  }
}

Bytes container(Code code, size_t count, const Bytes& head, const Bytes& tail) {
  Bytes out(1, static_cast<char>(code));
  codec::put_u32_le(out, static_cast<uint32_t>(count));
  codec::put_u32_le(out, static_cast<uint32_t>(kHeader + head.size() + tail.size()));
  return out.append(head).append(tail);
}

}  // namespace

Bytes of_array(const std::vector<Bytes>& elements) {
  std::vector<const Bytes*> values;
  for (const auto& element : elements) values.push_back(&element);
  Bytes head, tail;
  append_entries(values, kHeader + elements.size() * kEntry, head, tail);
  return container(kArray, elements.size(), head, tail);
}

Bytes of_object(std::vector<std::pair<Bytes, Bytes>> members) {
  std::map<Bytes, Bytes> unique;
  for (auto& [key, value] : members) unique[std::move(key)] = std::move(value);
  const size_t fixed = kHeader + unique.size() * (kKeyEntry + kEntry);
  Bytes head, keys;
  std::vector<const Bytes*> values;
  for (const auto& [key, value] : unique) {
    codec::put_u32_le(head, static_cast<uint32_t>(fixed + keys.size()));
    codec::put_u16_le(head, static_cast<uint16_t>(key.size()));
    keys.append(key);
    values.push_back(&value);
  }
  Bytes tail;
  append_entries(values, fixed + keys.size(), head, tail);
  return container(kObject, unique.size(), head, keys + tail);
}

}  // namespace cairn::coprocessor::json
