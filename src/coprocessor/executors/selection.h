// Keeps the rows for which all conditions hold. A condition is evaluated for the rows that those before it have kept.
#pragma once

#include "coprocessor/executors/executor.h"
#include "coprocessor/expr/program.h"

namespace tipb {
class Selection;
}

namespace cairn::coprocessor {

class Selection final : public Executor {
 public:
  static Result<std::unique_ptr<Executor>> make(const tipb::Selection& plan, std::unique_ptr<Executor> child,
                                                EvalContext& context);
  const std::vector<FieldType>& schema() const override { return child_->schema(); }
  Result<Yield> next(size_t rows) override;
  size_t memory() const override { return child_->memory(); }

 private:
  Selection(std::unique_ptr<Executor> child, EvalContext& context) : child_(std::move(child)), context_(context) {}
  Result<void> filter(Program& condition, Batch& batch);

  std::unique_ptr<Executor> child_;
  EvalContext& context_;
  std::vector<Program> conditions_;
  std::vector<uint32_t> kept_;
};

}  // namespace cairn::coprocessor
