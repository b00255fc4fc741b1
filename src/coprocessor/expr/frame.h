// One call of a function, over all rows of a batch.
#pragma once

#include <fmt/format.h>

#include <span>
#include <vector>

#include "coprocessor/arena.h"
#include "coprocessor/column.h"
#include "coprocessor/eval_context.h"

namespace cairn::coprocessor {

// A column, or a constant: a column of one row that stands for all.
struct Operand {
  const Column* column = nullptr;
  bool is_constant = false;
  size_t index(size_t row) const { return is_constant ? 0 : row; }
  bool is_null(size_t row) const { return column->nulls[index(row)]; }
};

// The field types of a call.
struct CallType {
  FieldType result;
  std::vector<FieldType> args;
  ByteView metadata;  // what the plan says beside the arguments
};

struct Frame {
  EvalContext& context;
  Arena& arena;  // for the bytes of the result
  size_t rows;
  std::span<const Operand> args;
  Column& out;
  const CallType& type;
  const void* prepared;  // what Function::prepare made

  template <class T>
  decltype(auto) get(size_t arg, size_t row) const {
    return ValueOf<T>::get(*args[arg].column, args[arg].index(row));
  }
  bool is_null(size_t arg, size_t row) const { return args[arg].is_null(row); }
  // Whether the bytes of the batch are too many: the evaluation has failed then.
  bool is_over_budget() {
    const size_t most = context.batch_bytes_max();
    if (arena.bytes() <= most) return false;
    context.raise(code::kUnknown, fmt::format("the values of one batch of rows take more than {} bytes", most));
    return true;
  }
  // Bytes of the result.
  ByteView keep(ByteView bytes) { return arena.copy(bytes); }
};

using Kernel = void (*)(Frame&);

}  // namespace cairn::coprocessor
