#include "coprocessor/executors/selection.h"

#include <fmt/format.h>

#include "coprocessor/functions/conversion.h"
#include "coprocessor/types/json.h"
#include "coprocessor/types/vector.h"
#include "tipb/executor.pb.h"

namespace cairn::coprocessor {
namespace {

// Whether the value is true as a condition.
bool holds(EvalContext& context, const Operand& value, size_t row) {
  if (value.is_null(row)) return false;
  const Column& column = *value.column;
  const size_t at = value.index(row);
  switch (column.type) {
    case EvalType::kReal:
      return column.reals[at] != 0;
    case EvalType::kDecimal:
      return !column.decimals[at].is_zero();
    case EvalType::kBytes: {
      const auto number = text_to_real(context, column.bytes[at]);
      return number && *number != 0;
    }
    case EvalType::kJson:
      return !json::is_zero(column.bytes[at]);
    case EvalType::kVector:
      return vector32::dimensions(column.bytes[at]) != 0;
    case EvalType::kTime:
      return static_cast<uint64_t>(column.ints[at]) >> 4 != 0;
    default:
      return column.ints[at] != 0;
  }
}

}  // namespace

Result<std::unique_ptr<Executor>> Selection::make(const tipb::Selection& plan, std::unique_ptr<Executor> child,
                                                  EvalContext& context) {
  if (plan.rpn_conditions_size() > 0) return fail(PlanError{"a selection whose conditions are in RPN"});
  auto selection = std::unique_ptr<Selection>(new Selection(std::move(child), context));
  for (const auto& condition : plan.conditions()) {
    TRY_ASSIGN(auto program, Program::compile(condition, selection->schema(), context));
    selection->conditions_.push_back(std::move(program));
  }
  return std::unique_ptr<Executor>(std::move(selection));
}

Result<void> Selection::filter(Program& condition, Batch& batch) {
  TRY_ASSIGN(const Operand value, condition.run(context_, batch));
  kept_.clear();
  const size_t rows = batch.count();
  const bool is_plain = value.column->type == EvalType::kInt && !value.is_constant;
  if (is_plain) {
    // Without a branch: the row is written, and counts if it holds.
    kept_.resize(rows);
    size_t count = 0;
    const auto& column = *value.column;
    for (size_t i = 0; i < rows; ++i) {
      kept_[count] = static_cast<uint32_t>(batch.row(i));
      count += static_cast<size_t>(column.ints[i] != 0 && !column.nulls[i]);
    }
    kept_.resize(count);
  } else {
    for (size_t i = 0; i < rows; ++i) {
      if (holds(context_, value, i)) kept_.push_back(static_cast<uint32_t>(batch.row(i)));
    }
    if (context_.failed()) return fail(*context_.take_error());
  }
  if (kept_.size() == rows) return {};
  std::swap(batch.selection, kept_);
  batch.has_selection = true;
  return {};
}

Result<Yield> Selection::next(size_t rows) {
  TRY_ASSIGN(const Yield yield, child_->next(rows));
  for (auto& condition : conditions_) {
    if (yield.batch->count() == 0) break;
    TRY(filter(condition, *yield.batch));
  }
  return yield;
}

}  // namespace cairn::coprocessor
