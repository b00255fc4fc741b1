// A vector of values of one type, with a bitmap of those that are NULL. Bytes are views: their owner is an arena of the
// batch, a constant of the plan, or whoever the batch says.
#pragma once

#include <bit>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/check.h"
#include "coprocessor/types/decimal.h"
#include "coprocessor/types/field_type.h"

namespace cairn::coprocessor {

// Rows of a batch: few at first, so that a plan with a small limit reads little.
inline constexpr size_t kBatchRowsFirst = 32;
inline constexpr size_t kBatchRowsMax = 1024;
// A scan's batch ends early behind so many bytes of strings: rows may be of several megabytes each.
inline constexpr size_t kBatchBytesMax = size_t{16} << 20;

// Values as functions see them: an int64_t is of either sign, as its field type says.
struct Time {
  uint64_t bits = 0;  // types/time.h
};
struct Duration {
  int64_t nanos = 0;
};
struct Json {
  ByteView bytes;  // type byte and body
};
struct Vector {
  ByteView bytes;  // as in a row
};

// One bit a row, 1: NULL.
class Nulls {
 public:
  void reset(size_t rows) { words_.assign((rows + 63) / 64, 0); }
  // Room for more rows, none of them NULL.
  void grow(size_t rows) { words_.resize((rows + 63) / 64, 0); }
  bool operator[](size_t row) const { return (words_[row / 64] >> (row % 64) & 1) != 0; }
  void set(size_t row) { words_[row / 64] |= uint64_t{1} << (row % 64); }
  bool any() const {
    for (const uint64_t word : words_) {
      if (word != 0) return true;
    }
    return false;
  }
  // Precondition: of as many rows.
  void merge(const Nulls& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  void set_all() { std::fill(words_.begin(), words_.end(), ~uint64_t{0}); }
  size_t count(size_t rows) const {
    size_t n = 0;
    for (size_t i = 0; i * 64 < rows; ++i) {
      const size_t left = rows - i * 64;
      const uint64_t mask = left >= 64 ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
      n += static_cast<size_t>(std::popcount(words_[i] & mask));
    }
    return n;
  }

 private:
  std::vector<uint64_t> words_;
};

struct Column {
  EvalType type = EvalType::kInt;
  size_t rows = 0;
  Nulls nulls;
  // The one that `type` stands in has `rows` values.
  std::vector<int64_t> ints;  // kInt, kEnum, kSet, kTime (its bits), kDuration (nanoseconds)
  std::vector<double> reals;
  std::vector<Decimal> decimals;
  std::vector<ByteView> bytes;  // kBytes, kJson, kVector

  // `n` values of that type, none of them NULL, which are to be written.
  void reset(EvalType of, size_t n) {
    type = of;
    rows = n;
    nulls.reset(n);
    switch (type) {
      case EvalType::kReal:
        reals.resize(n);
        break;
      case EvalType::kDecimal:
        decimals.resize(n);
        break;
      case EvalType::kBytes:
      case EvalType::kJson:
      case EvalType::kVector:
        bytes.resize(n);
        break;
      default:
        ints.resize(n);
    }
  }
  // Fewer rows; the rest stays.
  void truncate(size_t n) {
    CHECK(n <= rows, "a column of {} rows cut to {}", rows, n);
    rows = n;
  }
  bool is_bytes() const { return type == EvalType::kBytes || type == EvalType::kJson || type == EvalType::kVector; }
  // Writes row `to` with another column's value, which is of the same type.
  void copy_value(size_t to, const Column& from, size_t row) {
    if (from.nulls[row]) return nulls.set(to);
    switch (type) {
      case EvalType::kReal:
        reals[to] = from.reals[row];
        break;
      case EvalType::kDecimal:
        decimals[to] = from.decimals[row];
        break;
      case EvalType::kBytes:
      case EvalType::kJson:
      case EvalType::kVector:
        bytes[to] = from.bytes[row];
        break;
      default:
        ints[to] = from.ints[row];
    }
  }
};

// The C++ type of an EvalType's values, and where they stand.
template <class T>
struct ValueOf;
template <>
struct ValueOf<int64_t> {
  static constexpr EvalType kType = EvalType::kInt;
  static int64_t get(const Column& c, size_t i) { return c.ints[i]; }
  static void put(Column& c, size_t i, int64_t v) { c.ints[i] = v; }
};
template <>
struct ValueOf<double> {
  static constexpr EvalType kType = EvalType::kReal;
  static double get(const Column& c, size_t i) { return c.reals[i]; }
  static void put(Column& c, size_t i, double v) { c.reals[i] = v; }
};
template <>
struct ValueOf<Decimal> {
  static constexpr EvalType kType = EvalType::kDecimal;
  static const Decimal& get(const Column& c, size_t i) { return c.decimals[i]; }
  static void put(Column& c, size_t i, const Decimal& v) { c.decimals[i] = v; }
};
template <>
struct ValueOf<ByteView> {
  static constexpr EvalType kType = EvalType::kBytes;
  static ByteView get(const Column& c, size_t i) { return c.bytes[i]; }
  static void put(Column& c, size_t i, ByteView v) { c.bytes[i] = v; }
};
template <>
struct ValueOf<Time> {
  static constexpr EvalType kType = EvalType::kTime;
  static Time get(const Column& c, size_t i) { return {static_cast<uint64_t>(c.ints[i])}; }
  static void put(Column& c, size_t i, Time v) { c.ints[i] = static_cast<int64_t>(v.bits); }
};
template <>
struct ValueOf<Duration> {
  static constexpr EvalType kType = EvalType::kDuration;
  static Duration get(const Column& c, size_t i) { return {c.ints[i]}; }
  static void put(Column& c, size_t i, Duration v) { c.ints[i] = v.nanos; }
};
template <>
struct ValueOf<Json> {
  static constexpr EvalType kType = EvalType::kJson;
  static Json get(const Column& c, size_t i) { return {c.bytes[i]}; }
  static void put(Column& c, size_t i, Json v) { c.bytes[i] = v.bytes; }
};
template <>
struct ValueOf<Vector> {
  static constexpr EvalType kType = EvalType::kVector;
  static Vector get(const Column& c, size_t i) { return {c.bytes[i]}; }
  static void put(Column& c, size_t i, Vector v) { c.bytes[i] = v.bytes; }
};

}  // namespace cairn::coprocessor
