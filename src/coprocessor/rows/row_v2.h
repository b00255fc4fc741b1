// A row in TiDB's second format, in place:
//
//   80 | flags (1: big, 2: checksum) | n u16 | null n u16 | ids of values, ascending | ids of NULLs, ascending
//      | end offset of each value | values | [checksum]
//
// Ids are bytes and offsets u16; both u32 if big. All is little-endian. Tests: request_test.cc.
#pragma once

#include <cstring>
#include <optional>

#include "coprocessor/arena.h"
#include "coprocessor/column.h"

namespace cairn::coprocessor {

class EvalContext;

class RowV2 {
 public:
  static constexpr uint8_t kMark = 0x80;

  // False: the bytes are no such row.
  [[nodiscard]] bool open(ByteView bytes);

  enum class Found : uint8_t { kValue, kNull, kMissing, kDamaged };
  // Ids asked for in ascending order cost one walk over the row's.
  Found find(int64_t id, ByteView& value) {
    if (id <= 0 || id > (is_big_ ? int64_t{UINT32_MAX} : int64_t{UINT8_MAX})) return Found::kMissing;
    const auto wanted = static_cast<uint32_t>(id);
    if (at_ > 0 && value_id(at_ - 1) >= wanted) at_ = 0;
    while (at_ < values_ && value_id(at_) < wanted) ++at_;
    if (at_ < values_ && value_id(at_) == wanted) {
      const size_t begin = at_ == 0 ? 0 : end_of(at_ - 1), end = end_of(at_);
      if (begin > end || end > data_.size()) return Found::kDamaged;
      value = data_.substr(begin, end - begin);
      ++at_;
      return Found::kValue;
    }
    for (size_t i = 0; i < nulls_; ++i) {
      if (null_id(i) == wanted) return Found::kNull;
    }
    return Found::kMissing;
  }

 private:
  template <class T>
  static T number_at(const char* from, size_t i) {
    T value;
    std::memcpy(&value, from + i * sizeof(T), sizeof(T));
    return value;
  }
  uint32_t value_id(size_t i) const { return is_big_ ? number_at<uint32_t>(ids_, i) : number_at<uint8_t>(ids_, i); }
  uint32_t null_id(size_t i) const { return value_id(values_ + i); }
  size_t end_of(size_t i) const {
    return is_big_ ? number_at<uint32_t>(offsets_, i) : number_at<uint16_t>(offsets_, i);
  }

  bool is_big_ = false;
  size_t values_ = 0, nulls_ = 0;
  const char* ids_ = nullptr;
  const char* offsets_ = nullptr;
  ByteView data_;
  size_t at_ = 0;
};

// Writes a value of a row into row `row` of the column. Bytes are copies in the arena. False: it is no value of `type`.
[[nodiscard]] bool decode_v2_value(ByteView value, const FieldType& type, const EvalContext& context, Arena& arena,
                                   Column& column, size_t row);
// An unsigned integer of 1, 2, 4 or 8 bytes.
std::optional<uint64_t> v2_uint(ByteView value);

}  // namespace cairn::coprocessor
