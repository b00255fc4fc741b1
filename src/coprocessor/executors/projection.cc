#include "coprocessor/executors/projection.h"

#include "tipb/executor.pb.h"

namespace cairn::coprocessor {

Result<std::unique_ptr<Executor>> Projection::make(const tipb::Projection& plan, std::unique_ptr<Executor> child,
                                                   EvalContext& context) {
  if (plan.rpn_exprs_size() > 0) return fail(PlanError{"a projection whose expressions are in RPN"});
  auto projection = std::unique_ptr<Projection>(new Projection(std::move(child), context));
  for (const auto& expression : plan.exprs()) {
    TRY_ASSIGN(auto program, Program::compile(expression, projection->child_->schema(), context));
    projection->schema_.push_back(program.type());
    projection->programs_.push_back(std::move(program));
  }
  return std::unique_ptr<Executor>(std::move(projection));
}

Result<Yield> Projection::next(size_t rows) {
  TRY_ASSIGN(const Yield yield, child_->next(rows));
  const size_t count = yield.batch->count();
  batch_.columns.resize(programs_.size());
  batch_.select_all();
  batch_.rows = count;
  for (size_t i = 0; i < programs_.size(); ++i) {
    Column& column = batch_.columns[i];
    if (count == 0) {
      column.reset(programs_[i].eval_type(), 0);
      continue;
    }
    TRY_ASSIGN(const Operand value, programs_[i].run(context_, *yield.batch));
    if (!value.is_constant) {
      column = *value.column;
      continue;
    }
    column.reset(value.column->type, count);
    for (size_t row = 0; row < count; ++row) column.copy_value(row, *value.column, 0);
  }
  return Yield{&batch_, yield.is_last};
}

}  // namespace cairn::coprocessor
