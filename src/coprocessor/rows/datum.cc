#include "coprocessor/rows/datum.h"

#include <cmath>

#include "base/codec.h"
#include "coprocessor/types/duration.h"
#include "coprocessor/types/enumeration.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/time.h"
#include "coprocessor/types/vector.h"

namespace cairn::coprocessor {
namespace {

// The size of a datum's payload behind its flag; SIZE_MAX: there is none.
size_t payload_size(uint8_t flag, ByteView in) {
  const ByteView begin = in;
  uint64_t u = 0;
  int64_t i = 0;
  ByteView view;
  const auto or_none = [](size_t size) { return size == 0 ? SIZE_MAX : size; };
  switch (flag) {
    case datum::kNull:
      return 0;
    case datum::kInt:
    case datum::kUint:
    case datum::kFloat:
    case datum::kDuration:
      return in.size() >= 8 ? 8 : SIZE_MAX;
    case datum::kBytes:
      return or_none(codec::encoded_bytes_prefix(in));
    case datum::kCompactBytes:
      return codec::get_compact_bytes(in, view) ? begin.size() - in.size() : SIZE_MAX;
    case datum::kDecimal: {
      const size_t size = Decimal::encoded_size(in);
      return size == 0 || size > in.size() ? SIZE_MAX : size;
    }
    case datum::kVarInt:
      return codec::get_var_i64(in, i) ? begin.size() - in.size() : SIZE_MAX;
    case datum::kVarUint:
      return codec::get_var_u64(in, u) ? begin.size() - in.size() : SIZE_MAX;
    case datum::kJson:
      return or_none(json::size_of(in));
    case datum::kVector:
      return or_none(vector32::size_of(in));
    default:
      return SIZE_MAX;
  }
}

bool decode_integer(uint8_t flag, ByteView in, int64_t& out) {
  uint64_t u = 0;
  switch (flag) {
    case datum::kInt:
    case datum::kDuration:
      return codec::get_i64_be(in, out);
    case datum::kVarInt:
      return codec::get_var_i64(in, out);
    case datum::kUint:
      if (!codec::get_u64_be(in, u)) return false;
      break;
    case datum::kVarUint:
      if (!codec::get_var_u64(in, u)) return false;
      break;
    default:
      return false;
  }
  out = static_cast<int64_t>(u);
  return true;
}

bool decode_bytes(uint8_t flag, ByteView in, Arena& arena, ByteView& out) {
  if (flag == datum::kCompactBytes) return codec::get_compact_bytes(in, out);
  if (flag != datum::kBytes) return false;
  Bytes text;
  if (!codec::get_encoded_bytes(in, text)) return false;
  out = arena.copy(text);
  return true;
}

// An ENUM as its number or, in old keys, its name.
bool decode_enum(uint8_t flag, ByteView in, const FieldType& type, Arena& arena, int64_t& out) {
  if (decode_integer(flag, in, out)) return true;
  ByteView name;
  if (!decode_bytes(flag, in, arena, name) || !type.elements) return false;
  for (size_t i = 0; i < type.elements->size(); ++i) {
    if ((*type.elements)[i] == name) {
      out = static_cast<int64_t>(i + 1);
      return true;
    }
  }
  return false;
}

}  // namespace

bool split_datum(ByteView& in, ByteView& out) {
  if (in.empty()) return false;
  const size_t size = payload_size(static_cast<uint8_t>(in[0]), in.substr(1));
  if (size == SIZE_MAX || size + 1 > in.size()) return false;
  out = in.substr(0, size + 1);
  in.remove_prefix(size + 1);
  return true;
}

bool decode_datum(ByteView bytes, const FieldType& type, const EvalContext& context, Arena& arena, Column& column,
                  size_t row) {
  if (bytes.empty()) return false;
  const auto flag = static_cast<uint8_t>(bytes[0]);
  ByteView in = bytes.substr(1);
  if (flag == datum::kNull) {
    column.nulls.set(row);
    return true;
  }
  int64_t number = 0;
  switch (column.type) {
    case EvalType::kInt:
    case EvalType::kSet:
      return decode_integer(flag, in, column.ints[row]);
    case EvalType::kEnum:
      return decode_enum(flag, in, type, arena, column.ints[row]);
    case EvalType::kReal:
      if (flag != datum::kFloat || !codec::get_f64_be(in, column.reals[row]) || std::isnan(column.reals[row])) {
        return false;
      }
      if (type.type == Type::kFloat) column.reals[row] = static_cast<double>(static_cast<float>(column.reals[row]));
      return true;
    case EvalType::kDecimal:
      return flag == datum::kDecimal && Decimal::decode(in, column.decimals[row]);
    case EvalType::kBytes:
      return decode_bytes(flag, in, arena, column.bytes[row]);
    case EvalType::kTime: {
      if (!decode_integer(flag, in, number)) return false;
      const auto time = time_from_packed(context, static_cast<uint64_t>(number), time_kind_of(type.type), type.fsp());
      if (!time) return false;
      column.ints[row] = static_cast<int64_t>(time->bits);
      return true;
    }
    case EvalType::kDuration:
      return (flag == datum::kDuration || flag == datum::kVarInt || flag == datum::kInt) &&
             decode_integer(flag, in, column.ints[row]) && is_duration(column.ints[row]);
    case EvalType::kJson:
      if (flag != datum::kJson || json::size_of(in) == 0) return false;
      column.bytes[row] = in;
      return true;
    case EvalType::kVector:
      if (flag != datum::kVector || !vector32::is_valid(in)) return false;
      column.bytes[row] = in;
      return true;
  }
  return false;
}

bool append_datum(const Column& column, size_t row, const FieldType& type, const EvalContext& context, Bytes& out) {
  const auto flag = [&](uint8_t value) { out.push_back(static_cast<char>(value)); };
  if (column.nulls[row]) {
    flag(datum::kNull);
    return true;
  }
  switch (column.type) {
    case EvalType::kInt:
      if (type.is_unsigned() || type.type == Type::kBit) {
        flag(datum::kUint);
        codec::put_u64_be(out, static_cast<uint64_t>(column.ints[row]));
      } else {
        flag(datum::kInt);
        codec::put_i64_be(out, column.ints[row]);
      }
      return true;
    case EvalType::kEnum:
    case EvalType::kSet:
      flag(datum::kUint);
      codec::put_u64_be(out, static_cast<uint64_t>(column.ints[row]));
      return true;
    case EvalType::kReal:
      flag(datum::kFloat);
      codec::put_f64_be(out, column.reals[row]);
      return true;
    case EvalType::kDecimal:
      flag(datum::kDecimal);
      column.decimals[row].encode(out);
      return true;
    case EvalType::kBytes:
      flag(datum::kCompactBytes);
      codec::put_compact_bytes(out, column.bytes[row]);
      return true;
    case EvalType::kTime: {
      const auto packed = time_to_packed(context, {static_cast<uint64_t>(column.ints[row])});
      if (!packed) return false;
      flag(datum::kUint);
      codec::put_u64_be(out, *packed);
      return true;
    }
    case EvalType::kDuration:
      flag(datum::kDuration);
      codec::put_i64_be(out, column.ints[row]);
      return true;
    case EvalType::kJson:
      flag(datum::kJson);
      out.append(column.bytes[row]);
      return true;
    case EvalType::kVector:
      flag(datum::kVector);
      out.append(column.bytes[row]);
      return true;
  }
  return false;
}

}  // namespace cairn::coprocessor
