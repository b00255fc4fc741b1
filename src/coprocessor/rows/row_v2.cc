#include "coprocessor/rows/row_v2.h"

#include <cmath>

#include "base/codec.h"
#include "coprocessor/types/duration.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/time.h"
#include "coprocessor/types/vector.h"

namespace cairn::coprocessor {
namespace {

bool decode_int(ByteView value, int64_t& out) {
  const auto take = [&]<class T>(T number) {
    std::memcpy(&number, value.data(), sizeof(T));
    out = number;
    return true;
  };
  switch (value.size()) {
    case 1:
      return take(int8_t{});
    case 2:
      return take(int16_t{});
    case 4:
      return take(int32_t{});
    case 8:
      return take(int64_t{});
    default:
      return false;
  }
}

}  // namespace

std::optional<uint64_t> v2_uint(ByteView value) {
  if (value.size() != 1 && value.size() != 2 && value.size() != 4 && value.size() != 8) return std::nullopt;
  uint64_t number = 0;
  std::memcpy(&number, value.data(), value.size());
  return number;
}

bool RowV2::open(ByteView bytes) {
  constexpr size_t kHeader = 6;
  if (bytes.size() < kHeader || static_cast<uint8_t>(bytes[0]) != kMark) return false;
  const auto flags = static_cast<uint8_t>(bytes[1]);
  is_big_ = (flags & 1) != 0;
  const bool has_checksum = (flags & 2) != 0;
  values_ = number_at<uint16_t>(bytes.data() + 2, 0);
  nulls_ = number_at<uint16_t>(bytes.data() + 4, 0);
  at_ = 0;
  const size_t ids = (values_ + nulls_) * (is_big_ ? 4 : 1), offsets = values_ * (is_big_ ? 4 : 2);
  if (bytes.size() < kHeader + ids + offsets) return false;
  ids_ = bytes.data() + kHeader;
  offsets_ = ids_ + ids;
  data_ = bytes.substr(kHeader + ids + offsets);
  if (!has_checksum) return true;
  const size_t end = values_ == 0 ? 0 : end_of(values_ - 1);
  if (end > data_.size()) return false;
  const size_t checksum = data_.size() - end;
  data_ = data_.substr(0, end);
  return checksum == 5 || checksum == 9;
}

bool decode_v2_value(ByteView value, const FieldType& type, const EvalContext& context, Arena& arena, Column& column,
                     size_t row) {
  switch (column.type) {
    case EvalType::kInt:
    case EvalType::kEnum:
    case EvalType::kSet: {
      const bool is_signed = column.type == EvalType::kInt && !type.is_unsigned() && type.type != Type::kBit;
      if (is_signed) return decode_int(value, column.ints[row]);
      const auto number = v2_uint(value);
      if (number) column.ints[row] = static_cast<int64_t>(*number);
      return number.has_value();
    }
    case EvalType::kReal:
      if (!codec::get_f64_be(value, column.reals[row]) || std::isnan(column.reals[row])) return false;
      if (type.type == Type::kFloat) column.reals[row] = static_cast<double>(static_cast<float>(column.reals[row]));
      return true;
    case EvalType::kDecimal:
      return Decimal::decode(value, column.decimals[row]);
    case EvalType::kBytes:
      column.bytes[row] = arena.copy(value);
      return true;
    case EvalType::kTime: {
      const auto packed = v2_uint(value);
      const auto time = packed ? time_from_packed(context, *packed, time_kind_of(type.type), type.fsp()) : std::nullopt;
      if (time) column.ints[row] = static_cast<int64_t>(time->bits);
      return time.has_value();
    }
    case EvalType::kDuration:
      return decode_int(value, column.ints[row]) && is_duration(column.ints[row]);
    case EvalType::kJson:
      if (json::size_of(value) != value.size() || value.empty()) return false;
      column.bytes[row] = arena.copy(value);
      return true;
    case EvalType::kVector:
      if (!vector32::is_valid(value)) return false;
      column.bytes[row] = arena.copy(value);
      return true;
  }
  return false;
}

}  // namespace cairn::coprocessor
