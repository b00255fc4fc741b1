#include <fmt/format.h>

#include "base/codec.h"
#include "coprocessor/executors/executor.h"
#include "coprocessor/expr/program.h"
#include "coprocessor/types/collation.h"

namespace cairn::coprocessor {
namespace {

void append_string_key(const FieldType& type, ByteView text, Bytes& out) {
  Collation collation = Collation::kBinary;
  (void)collation_of(type, collation);
  Bytes key;
  append_sort_key(collation, text, key);
  codec::put_encoded_bytes(out, key);
}

// Whether the field type's values are numbers without a sign.
bool orders_unsigned(const FieldType& type, EvalType eval_type) {
  return eval_type == EvalType::kEnum || eval_type == EvalType::kSet ||
         (eval_type == EvalType::kInt && (type.is_unsigned() || type.type == Type::kBit));
}

}  // namespace

Result<void> check_key(const Program& program, const char* what) {
  if (has_order(program.type(), program.eval_type())) return {};
  return fail(PlanError{fmt::format("{} in collation {}", what, program.type().collation_number)});
}

void RowStore::add_column(EvalType type) {
  columns_.emplace_back().reset(type, 0);
  row_bytes_ += type == EvalType::kDecimal ? sizeof(Decimal) : sizeof(ByteView);
}

void RowStore::append(const Operand& operand, size_t row, size_t at) {
  Column& column = columns_[at];
  const size_t to = column.rows;
  ++column.rows;
  column.nulls.grow(column.rows);
  switch (column.type) {
    case EvalType::kReal:
      column.reals.resize(column.rows);
      break;
    case EvalType::kDecimal:
      column.decimals.resize(column.rows);
      break;
    case EvalType::kBytes:
    case EvalType::kJson:
    case EvalType::kVector:
      column.bytes.resize(column.rows);
      if (!operand.is_null(row))
        column.bytes[to] = arena_.copy(operand.column->bytes[operand.index(row)]);
      else
        column.nulls.set(to);
      return;
    default:
      column.ints.resize(column.rows);
  }
  column.copy_value(to, *operand.column, operand.index(row));
}

void RowStore::clear() {
  for (auto& column : columns_) column.reset(column.type, 0);
  arena_.reset();
}

void append_group_key(const Operand& operand, size_t row, const FieldType& type, Bytes& out) {
  if (operand.is_null(row)) return out.push_back(0);
  out.push_back(1);
  const Column& column = *operand.column;
  const size_t at = operand.index(row);
  switch (column.type) {
    case EvalType::kReal:
      codec::put_f64_be(out, column.reals[at] == 0 ? 0 : column.reals[at]);
      return;
    case EvalType::kDecimal:
      column.decimals[at].append_sort_key(out);
      return;
    case EvalType::kBytes:
      return append_string_key(type, column.bytes[at], out);
    case EvalType::kJson:
    case EvalType::kVector:
      codec::put_encoded_bytes(out, column.bytes[at]);
      return;
    case EvalType::kTime:
      codec::put_u64_be(out, static_cast<uint64_t>(column.ints[at]) >> 4);
      return;
    default:
      codec::put_u64_be(out, static_cast<uint64_t>(column.ints[at]));
  }
}

bool can_sort(EvalType type) { return type != EvalType::kJson && type != EvalType::kVector; }

void append_order_key(const Operand& operand, size_t row, const FieldType& type, bool is_descending, Bytes& out) {
  const size_t begin = out.size();
  if (operand.is_null(row)) {
    out.push_back(0);
  } else {
    const Column& column = *operand.column;
    const size_t at = operand.index(row);
    out.push_back(1);
    switch (column.type) {
      case EvalType::kReal:
        codec::put_f64_be(out, column.reals[at] == 0 ? 0 : column.reals[at]);
        break;
      case EvalType::kDecimal:
        column.decimals[at].append_sort_key(out);
        break;
      case EvalType::kBytes:
        append_string_key(type, column.bytes[at], out);
        break;
      case EvalType::kTime:
        codec::put_u64_be(out, static_cast<uint64_t>(column.ints[at]) >> 4);
        break;
      default:
        if (orders_unsigned(type, column.type))
          codec::put_u64_be(out, static_cast<uint64_t>(column.ints[at]));
        else
          codec::put_i64_be(out, column.ints[at]);
    }
  }
  if (!is_descending) return;
  for (size_t i = begin; i < out.size(); ++i) out[i] = static_cast<char>(~out[i]);
}

}  // namespace cairn::coprocessor
