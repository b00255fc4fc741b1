#include "coprocessor/rows/chunk.h"

#include <cstring>

#include "base/codec.h"
#include "coprocessor/types/enumeration.h"

namespace cairn::coprocessor {
namespace {

template <class T>
void put(Bytes& out, const T& value) {
  char bytes[sizeof(T)];
  std::memcpy(bytes, &value, sizeof(T));
  out.append(bytes, sizeof(T));
}

template <class T>
void put_fixed(const std::vector<T>& values, const Column& column, const Batch& batch, Bytes& out) {
  if (!batch.has_selection && !column.nulls.any()) {
    out.append(reinterpret_cast<const char*>(values.data()), batch.rows * sizeof(T));
    return;
  }
  for (size_t i = 0; i < batch.count(); ++i) {
    const size_t row = batch.row(i);
    put(out, column.nulls[row] ? T{} : values[row]);
  }
}

// What a value of variable length holds.
void put_variable(const Column& column, size_t row, const FieldType& type, Bytes& out) {
  if (column.nulls[row]) return;
  switch (column.type) {
    case EvalType::kEnum:
      put(out, column.ints[row]);
      out.append(enum_name(type, static_cast<uint64_t>(column.ints[row])).value_or(ByteView()));
      return;
    case EvalType::kSet:
      put(out, column.ints[row]);
      out.append(set_names(type, static_cast<uint64_t>(column.ints[row])));
      return;
    case EvalType::kInt: {  // BIT
      const int bytes = type.length <= 0 || type.length > 64 ? 8 : (type.length + 7) / 8;
      for (int i = bytes - 1; i >= 0; --i) {
        out.push_back(static_cast<char>(static_cast<uint64_t>(column.ints[row]) >> (8 * i)));
      }
      return;
    }
    default:
      out.append(column.bytes[row]);
  }
}

bool is_variable(const Column& column, const FieldType& type) {
  return column.is_bytes() || column.type == EvalType::kEnum || column.type == EvalType::kSet ||
         type.type == Type::kBit;
}

}  // namespace

void append_chunk_column(const Column& column, const Batch& batch, const FieldType& type, Bytes& out) {
  const size_t rows = batch.count();
  size_t nulls = 0;
  if (column.nulls.any()) {
    for (size_t i = 0; i < rows; ++i) nulls += column.nulls[batch.row(i)] ? 1 : 0;
  }
  codec::put_u32_le(out, static_cast<uint32_t>(rows));
  codec::put_u32_le(out, static_cast<uint32_t>(nulls));
  if (nulls > 0) {
    const size_t begin = out.size();
    out.resize(begin + (rows + 7) / 8, 0);
    for (size_t i = 0; i < rows; ++i) {
      if (!column.nulls[batch.row(i)]) out[begin + i / 8] = static_cast<char>(out[begin + i / 8] | 1 << (i % 8));
    }
  }
  if (is_variable(column, type)) {
    const size_t offsets = out.size();
    out.resize(offsets + (rows + 1) * sizeof(int64_t), 0);
    const size_t begin = out.size();
    for (size_t i = 0; i < rows; ++i) {
      put_variable(column, batch.row(i), type, out);
      const auto end = static_cast<int64_t>(out.size() - begin);
      std::memcpy(out.data() + offsets + (i + 1) * sizeof(end), &end, sizeof(end));
    }
    return;
  }
  if (column.type == EvalType::kDecimal) return put_fixed(column.decimals, column, batch, out);
  if (column.type != EvalType::kReal) return put_fixed(column.ints, column, batch, out);
  if (type.type != Type::kFloat) return put_fixed(column.reals, column, batch, out);
  for (size_t i = 0; i < rows; ++i) {
    const size_t row = batch.row(i);
    put(out, column.nulls[row] ? 0.0F : static_cast<float>(column.reals[row]));
  }
}

}  // namespace cairn::coprocessor
