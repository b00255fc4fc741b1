// JSON documents in MySQL's binary form: a type byte and a body. Numbers are little-endian.
//
//   object 01   count u32 | size u32 | count x (key offset u32, key length u16) | count x entry | keys | values
//   array  03   count u32 | size u32 | count x entry | values
//   literal 04  one byte: 0 null, 1 true, 2 false
//   int 09 | uint 0a | double 0b   eight bytes
//   string 0c   varint length | bytes
//   opaque 0d   MySQL type | varint length | bytes
//   date 0e | datetime 0f | timestamp 10   the bits of types/time.h
//   time 11     nanoseconds i64 | digits u32
//
// An entry is a type byte and four bytes: a literal itself, or the offset of the value from the body's begin. Keys of
// an object ascend. What is read here may be damaged: an offset that leads nowhere is an empty value. Tests:
// functions_test.cc.
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "coprocessor/column.h"

namespace cairn::coprocessor::json {

enum Code : uint8_t {
  kObject = 0x01,
  kArray = 0x03,
  kLiteral = 0x04,
  kInt = 0x09,
  kUint = 0x0a,
  kDouble = 0x0b,
  kString = 0x0c,
  kOpaque = 0x0d,
  kDate = 0x0e,
  kDateTime = 0x0f,
  kTimestamp = 0x10,
  kDuration = 0x11,
};
inline constexpr uint8_t kNull = 0, kTrue = 1, kFalse = 2;
inline constexpr int kDepthMax = 100;

// A value in place.
struct View {
  uint8_t code = kLiteral;
  ByteView body;

  bool is_null() const { return code == kLiteral && literal() == kNull; }
  bool is_container() const { return code == kObject || code == kArray; }
  bool is_number() const { return code == kInt || code == kUint || code == kDouble; }
  uint8_t literal() const { return body.empty() ? kNull : static_cast<uint8_t>(body[0]); }
  int64_t as_int() const;
  uint64_t as_uint() const { return static_cast<uint64_t>(as_int()); }
  double as_double() const;    // of any number
  ByteView as_string() const;  // of a string, or the bytes of an opaque value
  uint8_t opaque_type() const { return body.empty() ? 0 : static_cast<uint8_t>(body[0]); }
  Time as_time() const { return {as_uint()}; }
  Duration as_duration() const { return {as_int()}; }
  int duration_fsp() const;
  size_t count() const;  // elements or members
  View element(size_t i) const;
  ByteView key(size_t i) const;
  View member(size_t i) const;
  std::optional<View> find(ByteView key) const;
  Bytes bytes() const;  // type byte and body
};
View view(ByteView bytes);

// The size of the document at the start of the bytes; 0: it is damaged.
size_t size_of(ByteView bytes);

std::strong_ordering compare(const View& a, const View& b);
inline std::strong_ordering compare(ByteView a, ByteView b) { return compare(view(a), view(b)); }
bool is_zero(ByteView bytes);  // the number 0
std::string to_text(const View& value);
inline std::string to_text(ByteView bytes) { return to_text(view(bytes)); }
// With a line for each member, as JSON_PRETTY has it.
std::string to_pretty_text(const View& value);
// A string in quotes, with escapes.
void append_quoted(ByteView text, std::string& out);
// JSON_TYPE's name.
const char* type_name(const View& value);

// Nothing: it is no JSON; `error` says why.
std::optional<Bytes> parse(ByteView text, std::string* error = nullptr);

// Documents from values.
Bytes of_literal(uint8_t literal);
Bytes of_int(int64_t value);
Bytes of_uint(uint64_t value);
Bytes of_double(double value);
Bytes of_string(ByteView value);
Bytes of_opaque(uint8_t mysql_type, ByteView value);
Bytes of_time(Time time);
Bytes of_duration(Duration duration, int fsp);
// Of documents.
Bytes of_array(const std::vector<Bytes>& elements);
// Members in any order; of equal keys the last counts.
Bytes of_object(std::vector<std::pair<Bytes, Bytes>> members);

}  // namespace cairn::coprocessor::json
